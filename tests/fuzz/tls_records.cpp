// What a client that holds the keys may send once the handshake is done: the input tells which
// records to seal, which octets to put between them as they are, and when the keys change. However
// they come in, in pieces or at once, opened in place or elsewhere, the same must come out of them:
// the data of the good records before the first bad one, and one end.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tls/detail/record_layer.hpp"

using namespace gatehouse;
using tls::detail::ContentType;
using tls::detail::RecordKey;
using tls::detail::RecordLayer;
using tls::detail::Suite;

namespace {

constexpr auto suite = Suite::chacha20_poly1305_sha256;
constexpr std::array<unsigned char, 32> client_octets{1, 2, 3};
constexpr std::array<unsigned char, 32> server_octets{4, 5, 6};
constexpr std::span<const unsigned char> client_secret(client_octets);
constexpr std::span<const unsigned char> server_secret(server_octets);

void require(bool holds) {
  if (!holds) __builtin_trap();
}

/// The octets of a client that follows the input, and all the data it has sealed.
struct Client {
  RecordKey key{suite, client_secret, 0};
  std::string sent;
  std::string data;

  void seal(ContentType type, std::string_view content) {
    std::string record(tls::detail::sealed_octets(content.size()), '\0');
    require(key.seal(type, content, record.data()));
    sent += record;
    if (type == ContentType::application_data) data += content;
  }
  void follow(std::string_view input);
};

void Client::follow(std::string_view input) {
  const auto next = [&]() -> unsigned char {
    if (input.empty()) return 0;
    const char octet = input.front();
    input.remove_prefix(1);
    return static_cast<unsigned char>(octet);
  };
  const auto some = [&](std::size_t size) {
    const std::string_view out = input.substr(0, size);
    input.remove_prefix(out.size());
    return std::string(out);
  };
  while (!input.empty() && sent.size() < 200'000) {
    const unsigned char step = next();
    const unsigned char size = next();
    switch (step % 8) {
      case 0:
        seal(ContentType::application_data, some(size));
        break;
      case 1:
        seal(ContentType::handshake, some(size));
        break;
      case 2:
        seal(ContentType::alert, some(size));
        break;
      case 3:  // any type, also none
        seal(static_cast<ContentType>(next()), some(size));
        break;
      case 4:  // padding
        seal(static_cast<ContentType>(0), some(size) + std::string(size * std::size_t{65}, '\0'));
        break;
      case 5:
        seal(ContentType::application_data, std::string(size * std::size_t{65}, 'w'));
        break;
      case 6:
        sent += some(size);
        break;
      case 7:
        key.update();
        break;
    }
  }
}

struct Outcome {
  std::string data;
  RecordLayer::State state = RecordLayer::State::partial;
  bool owes_alert = false;
  tls::detail::Alert alert = tls::detail::Alert::close_notify;
  bool operator==(const Outcome&) const = default;
};

Outcome outcome(const std::string& sent, std::size_t step, std::size_t room) {
  RecordLayer layer(suite, client_secret, server_secret, 0, {});
  std::vector<char> into(room);
  std::string waiting;
  Outcome out;
  for (std::size_t at = 0; at < sent.size(); at += step) {
    waiting.append(sent, at, step);
    for (;;) {
      const bool whole = RecordLayer::whole(waiting);
      const RecordLayer::Received got = layer.receive(waiting, into);
      require(whole == (got.state != RecordLayer::State::partial));
      if (got.state == RecordLayer::State::partial) break;
      out.state = got.state;
      if (got.state != RecordLayer::State::taken) {
        out.owes_alert = layer.owes_alert();
        out.alert = layer.alert();
        const bool failed = got.state == RecordLayer::State::failed;
        require(failed == (layer.problem().fault() != Fault::none));
        return out;
      }
      require(got.octets > 0 && got.octets <= waiting.size());
      require(got.data.size() <= tls::detail::most_content);
      out.data.append(got.data.data(), got.data.size());
      waiting.erase(0, got.octets);
    }
  }
  // A client that has said all this well is answered.
  std::array<char, RecordLayer::most_sent(5)> answer;
  require(layer.send("words", answer.data()) >= tls::detail::sealed_octets(5));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Client client;
  client.follow(std::string_view(reinterpret_cast<const char*>(data), size));
  const Outcome whole = outcome(client.sent, client.sent.size() + 1, 17'000);
  require(outcome(client.sent, 1 + client.sent.size() / 50, 17'000) == whole);
  require(outcome(client.sent, client.sent.size() + 1, 0) == whole);
  return 0;
}
