#include "core/tls/detail/record_key.hpp"

#include <algorithm>
#include <limits>

#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

constexpr auto last_sequence = std::numeric_limits<std::uint64_t>::max();

}  // namespace

RecordKey::RecordKey(Suite suite, const TrafficKey& from, std::uint64_t sequence)
    : key_(suite), sequence_(sequence) {
  std::copy(from.secret.begin(), from.secret.end(), secret_.begin());
  if (from.key.size() == key_octets(suite) && from.iv.size() == nonce_octets) {
    key_.set(from.key, from.iv);
  } else {
    key_.derive(secret());
  }
}

RecordKey::~RecordKey() { OPENSSL_cleanse(secret_.data(), secret_.size()); }

std::span<unsigned char> RecordKey::secret() {
  return std::span(secret_).first(secret_octets(key_.suite()));
}

void RecordKey::update() {
  expand_label(key_.suite(), secret(), "traffic upd", secret());
  key_.derive(secret());
  sequence_ = 0;
}

bool RecordKey::seal(ContentType type, std::string_view content, char* out) {
  if (sequence_ == last_sequence) return false;
  auto* const record = reinterpret_cast<unsigned char*>(out);
  const std::size_t inside = content.size() + 1;
  const std::size_t length = inside + tag_octets;
  record[0] = static_cast<unsigned char>(ContentType::application_data);
  record[1] = 3;
  record[2] = 3;
  record[3] = static_cast<unsigned char>(length >> 8);
  record[4] = static_cast<unsigned char>(length);
  unsigned char* const body = record + header_octets;
  const auto kind = static_cast<unsigned char>(type);
  EVP_CIPHER_CTX* const aead = key_.ready(AeadKey::Way::seal, sequence_);
  int moved = 0;
  if (aead == nullptr ||
      EVP_EncryptUpdate(aead, nullptr, &moved, record, static_cast<int>(header_octets)) != 1 ||
      EVP_EncryptUpdate(aead, body, &moved, octets(content), int_size(content)) != 1 ||
      EVP_EncryptUpdate(aead, body + content.size(), &moved, &kind, 1) != 1 ||
      EVP_EncryptFinal_ex(aead, body + inside, &moved) != 1 ||
      EVP_CIPHER_CTX_ctrl(aead, EVP_CTRL_AEAD_GET_TAG, tag_octets, body + inside) != 1) {
    return false;
  }
  ++sequence_;
  return true;
}

bool RecordKey::open(std::span<const char> record, char* out, unsigned char& last) {
  if (sequence_ == last_sequence) return false;
  const auto* const header = reinterpret_cast<const unsigned char*>(record.data());
  const unsigned char* const body = header + header_octets;
  const std::size_t inside = record.size() - header_octets - tag_octets;
  const std::size_t most = inside == 0 ? 0 : inside - 1;
  auto* const plain = reinterpret_cast<unsigned char*>(out);
  // OpenSSL takes it for something to write to.
  std::array<unsigned char, tag_octets> tag;
  std::copy_n(body + inside, tag.size(), tag.begin());
  last = 0;
  EVP_CIPHER_CTX* const aead = key_.ready(AeadKey::Way::open, sequence_);
  int moved = 0;
  unsigned char none[tag_octets];
  const bool good =
      aead != nullptr &&
      EVP_CIPHER_CTX_ctrl(aead, EVP_CTRL_AEAD_SET_TAG, tag_octets, tag.data()) == 1 &&
      EVP_DecryptUpdate(aead, nullptr, &moved, header, static_cast<int>(header_octets)) == 1 &&
      (most == 0 || EVP_DecryptUpdate(aead, plain, &moved, body, static_cast<int>(most)) == 1) &&
      (inside == 0 || EVP_DecryptUpdate(aead, &last, &moved, body + most, 1) == 1) &&
      EVP_DecryptFinal_ex(aead, none, &moved) == 1;
  if (!good) {
    ERR_clear_error();
    return false;
  }
  ++sequence_;
  return true;
}

}  // namespace gatehouse::tls::detail
