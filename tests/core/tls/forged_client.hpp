// A real client's keys in the hands of a test: it says what no client would.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/tls/detail/record_layer.hpp"
#include "core/tls/detail/traffic_secrets.hpp"
#include "tests/core/tls/bench.hpp"

namespace gatehouse::tls::test {

/// What a client of evil mind sends under a real client's keys.
class Forger {
 public:
  Forger(std::span<const unsigned char> secret, detail::Suite suite);

  /// A record with anything inside, its type and padding too. Requires: not empty.
  std::string seal(const std::string& inside);
  std::string data(const std::string& text) { return seal(text + '\x17'); }
  std::string handshake(const std::string& text) { return seal(text + '\x16'); }
  std::string alert(const std::string& text) { return seal(text + '\x15'); }
  void update() { key_.update(); }

  /// The tag over nothing at all, for the first record. Requires: AES-128-GCM.
  std::string seal_nothing() const;

 private:
  detail::Suite suite_;
  std::vector<unsigned char> secret_;
  detail::RecordKey key_;
};

/// A server's end after its handshake with OpenSSL's client, whose keys are in the test's hands.
struct ForgedClient {
  /// `lean`: its records are ours (TlsStream::lean), else OpenSSL's.
  explicit ForgedClient(bool lean, const RecordLimits& limits = {});

  /// Reads until the stream has no more to give: into `data`, `end`.
  void read();

  /// "fatal 10, warning 0, data": what the server has sent, record by record.
  std::string said();

  ServerEnd server;
  RawClient client;
  detail::TrafficSecrets secrets;
  std::unique_ptr<net::Stream> stream;
  std::optional<Forger> forger;
  std::optional<detail::RecordKey> listener;
  std::string data;
  net::IoState end = net::IoState::done;
};

}  // namespace gatehouse::tls::test
