#include "core/tls/detail/record_key.hpp"

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "core/base/bytes.hpp"
#include "tests/core/tls/bench.hpp"

namespace gatehouse::tls::test::record_key_test {
namespace {

using detail::ContentType;
using detail::RecordKey;
using detail::Suite;

std::string octets_of(std::string_view hex_digits) {
  const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (std::size_t i = 0; i + 1 < hex_digits.size();) {
    if (hex_digits[i] == ' ') {
      ++i;
      continue;
    }
    out += static_cast<char>(value(hex_digits[i]) << 4 | value(hex_digits[i + 1]));
    i += 2;
  }
  return out;
}

std::span<const unsigned char> span_of(const std::string& text) {
  return {octets(text), text.size()};
}

std::string expanded(const std::string& secret, std::string_view label, std::size_t size) {
  std::string out(size, '\0');
  detail::expand_label(Suite::aes_128_gcm_sha256, span_of(secret), label, {octets(out), size});
  return hex(out);
}

std::string sealed(RecordKey& key, ContentType type, std::string_view content) {
  std::string out(detail::sealed_octets(content.size()), '\0');
  REQUIRE(key.seal(type, content, out.data()));
  return out;
}

/// The inside of a record; empty: it does not open.
std::string opened(RecordKey& key, const std::string& record) {
  std::string out(record.size(), '\0');
  unsigned char last = 0;
  if (!key.open(record, out.data(), last)) return {};
  out.resize(record.size() - detail::header_octets - detail::tag_octets);
  out.back() = static_cast<char>(last);
  return out;
}

// RFC 8448 §3, "Simple 1-RTT Handshake": everything under the application traffic keys.
const std::string client_secret =
    octets_of("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
const std::string server_secret =
    octets_of("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
const std::string client_data = octets_of(
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e"
    "2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4");
const std::string server_data = octets_of(
    "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59"
    "a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d");
const std::string client_goodbye = octets_of("1703030013c9872760655666b74d7ff1153efd6db6d0b0e3");
const std::string server_goodbye = octets_of("1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9");

TEST_CASE("keys and nonces come out of traffic secrets as RFC 8448 says") {
  CHECK(expanded(server_secret, "key", 16) == "9f02283b6c9c07efc26bb9f2ac92e356");
  CHECK(expanded(server_secret, "iv", 12) == "cf782b88dd83549aadf1e984");
  CHECK(expanded(client_secret, "key", 16) == "17422dda596ed5d9acd890e3c63f5051");
  CHECK(expanded(client_secret, "iv", 12) == "5b78923dee08579033e523d9");
}

TEST_CASE("records come out as RFC 8448 says, octet for octet") {
  std::string data(50, '\0');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i);
  RecordKey client(Suite::aes_128_gcm_sha256, span_of(client_secret), 0);
  CHECK(hex(sealed(client, ContentType::application_data, data)) == hex(client_data));
  CHECK(hex(sealed(client, ContentType::alert, std::string("\1\0", 2))) == hex(client_goodbye));
  // The server's first record under this key was a session ticket.
  RecordKey server(Suite::aes_128_gcm_sha256, span_of(server_secret), 1);
  CHECK(hex(sealed(server, ContentType::application_data, data)) == hex(server_data));
  CHECK(hex(sealed(server, ContentType::alert, std::string("\1\0", 2))) == hex(server_goodbye));
  CHECK(server.sequence() == 3);

  RecordKey reader(Suite::aes_128_gcm_sha256, span_of(client_secret), 0);
  CHECK(opened(reader, client_data) == data + '\x17');
  CHECK(opened(reader, client_goodbye) == std::string("\1\0\x15", 3));
  CHECK(opened(reader, client_goodbye).empty());
}

TEST_CASE("a record opens with its key, in its turn and unchanged, or not at all") {
  for (const auto suite :
       {Suite::aes_128_gcm_sha256, Suite::aes_256_gcm_sha384, Suite::chacha20_poly1305_sha256}) {
    CAPTURE(static_cast<int>(suite));
    const std::string secret(detail::secret_octets(suite), 's');
    const std::string other(detail::secret_octets(suite), 'o');
    RecordKey writer(suite, span_of(secret), 7);
    const std::string record = sealed(writer, ContentType::application_data, "words");
    const auto reads = [&](const std::string& bytes, const std::string& with, std::uint64_t turn) {
      RecordKey reader(suite, span_of(with), turn);
      return opened(reader, bytes) == "words\x17";
    };
    CHECK(reads(record, secret, 7));
    CHECK_FALSE(reads(record, secret, 6));
    CHECK_FALSE(reads(record, secret, 8));
    CHECK_FALSE(reads(record, other, 7));
    for (std::size_t at = 0; at < record.size(); ++at) {
      std::string changed = record;
      changed[at] = static_cast<char>(changed[at] ^ 1);
      CHECK_FALSE(reads(changed, secret, 7));
    }
    // Keys that take turns on a thread do not get in each other's way.
    RecordKey first(suite, span_of(secret), 0);
    RecordKey second(suite, span_of(other), 0);
    RecordKey first_reader(suite, span_of(secret), 0);
    RecordKey second_reader(suite, span_of(other), 0);
    for (int round = 0; round < 3; ++round) {
      const std::string one = sealed(first, ContentType::handshake, "one");
      const std::string two = sealed(second, ContentType::handshake, "two");
      CHECK(opened(first_reader, one) == "one\x16");
      CHECK(opened(second_reader, two) == "two\x16");
      first.update();
      first_reader.update();
    }
    // One that has gone leaves nothing that a later one could find.
    {
      RecordKey gone(suite, span_of(secret), 0);
      sealed(gone, ContentType::handshake, "gone");
    }
    RecordKey later(suite, span_of(other), 0);
    RecordKey later_reader(suite, span_of(other), 0);
    CHECK(opened(later_reader, sealed(later, ContentType::handshake, "later")) == "later\x16");
  }
}

TEST_CASE("a sequence number is never used twice, also at the end of all numbers") {
  const std::string secret(32, 's');
  constexpr auto last = std::numeric_limits<std::uint64_t>::max();
  RecordKey writer(Suite::aes_128_gcm_sha256, span_of(secret), last - 1);
  RecordKey reader(Suite::aes_128_gcm_sha256, span_of(secret), last - 1);
  const std::string record = sealed(writer, ContentType::application_data, "last");
  CHECK(opened(reader, record) == "last\x17");
  std::string more(100, '\0');
  CHECK_FALSE(writer.seal(ContentType::application_data, "more", more.data()));
  CHECK(opened(reader, record).empty());
  writer.update();
  reader.update();
  CHECK(opened(reader, sealed(writer, ContentType::application_data, "new")) == "new\x17");
}

/// What is inside a record of ChaCha20-Poly1305, by OpenSSL alone; empty: it does not open.
std::string opened_by_openssl(const std::string& secret, std::uint64_t sequence,
                              const std::string& record) {
  std::array<unsigned char, 32> key{};
  std::array<unsigned char, 12> iv{};
  constexpr auto suite = Suite::chacha20_poly1305_sha256;
  detail::expand_label(suite, span_of(secret), "key", key);
  detail::expand_label(suite, span_of(secret), "iv", iv);
  iv[11] ^= static_cast<unsigned char>(sequence);
  const std::size_t size = record.size() - detail::header_octets - detail::tag_octets;
  std::string tag = record.substr(detail::header_octets + size);
  std::string out(size, '\0');
  const CipherContext aead(EVP_CIPHER_CTX_new());
  int moved = 0;
  const bool good =
      EVP_DecryptInit_ex(aead.get(), EVP_chacha20_poly1305(), nullptr, key.data(), iv.data()) ==
          1 &&
      EVP_CIPHER_CTX_ctrl(aead.get(), EVP_CTRL_AEAD_SET_TAG, 16, tag.data()) == 1 &&
      EVP_DecryptUpdate(aead.get(), nullptr, &moved, octets(record), detail::header_octets) == 1 &&
      EVP_DecryptUpdate(aead.get(), octets(out), &moved, octets(record) + detail::header_octets,
                        static_cast<int>(size)) == 1 &&
      EVP_DecryptFinal_ex(aead.get(), octets(tag), &moved) == 1;
  return good ? out : std::string();
}

TEST_CASE("more keys than stay loaded are as good as few") {
  constexpr auto suite = Suite::chacha20_poly1305_sha256;
  struct Known {
    explicit Known(std::string from) : secret(std::move(from)), key(suite, span_of(secret), 0) {}
    std::string secret;
    RecordKey key;
    std::uint64_t sealed = 0;
  };
  const auto known = [](std::size_t which) {
    std::string secret(32, 's');
    std::memcpy(secret.data(), &which, sizeof which);
    return std::make_unique<Known>(secret);
  };
  std::vector<std::unique_ptr<Known>> all;
  for (std::size_t i = 0; i < detail::most_loaded + 100; ++i) all.push_back(known(i));
  int wrong = 0;
  for (std::size_t turn = 0; turn < 4; ++turn) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      Known& one = *all[i];
      const std::string record = sealed(one.key, ContentType::application_data, "words");
      if (opened_by_openssl(one.secret, one.sealed++, record) != "words\x17") ++wrong;
      // Some change, rest or go, loaded or not.
      if (i % 7 == turn) {
        std::string next(32, '\0');
        detail::expand_label(suite, span_of(one.secret), "traffic upd", {octets(next), 32});
        one.secret = next;
        one.sealed = 0;
        one.key.update();
      }
      if (i % 5 == turn) one.key.rest();
      if (i % 11 == turn) all[i] = known(all.size() * turn + i);
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("suites are those of TLS 1.3 with a tag of 16 octets") {
  CHECK(detail::suite_of(0x1301) == Suite::aes_128_gcm_sha256);
  CHECK(detail::suite_of(0x1302) == Suite::aes_256_gcm_sha384);
  CHECK(detail::suite_of(0x1303) == Suite::chacha20_poly1305_sha256);
  for (const std::uint16_t other : std::vector<std::uint16_t>{0x1300, 0x1304, 0x1305, 0xc02b, 0}) {
    CHECK_FALSE(detail::suite_of(other));
  }
}

}  // namespace
}  // namespace gatehouse::tls::test::record_key_test
