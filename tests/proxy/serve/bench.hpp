#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/base/entropy.hpp"
#include "core/tls/certificate_authority.hpp"
#include "core/tls/tickets.hpp"
#include "proxy/serve/connection.hpp"
#include "proxy/serve/listening.hpp"
#include "proxy/serve/worker.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_dialer.hpp"
#include "tests/support/result.hpp"
#include "tests/support/scripted_stream.hpp"

namespace gatehouse::serve::test {

using gatehouse::test::FakeClock;
using gatehouse::test::FakeDialer;
using gatehouse::test::Script;
using gatehouse::test::ScriptedStream;

// --- configs

config::Listen listen_on(const std::string& text);
/// Routes that answer with fixed bodies.
config::Route responding(const std::string& body, config::Strings path = {});
config::Site site_for(config::Strings hosts, config::TlsMode mode,
                      std::vector<config::Route> routes);
/// Listens on "plain" and "tls", which no kernel ever sees.
config::Config config_with(std::vector<config::Site> sites);
std::shared_ptr<const Snapshot> snapshot_of(config::Config config,
                                            const Snapshot* before = nullptr);

/// A certificate for those names, of a CA that lives as long as the test program.
tls::CertificateHandle certificates_for(std::vector<std::string> names);

/// Certificates that come when the test says so. Any thread.
class FakeSource final : public acme::CertificateSource {
 public:
  awaitable<Result<tls::CertificateHandle>> obtain(std::string host,
                                                   asio::ip::address client) override;
  /// What obtain() answers from now on; those who wait get it too.
  void answer(Result<tls::CertificateHandle> with);
  std::vector<std::string> asked();

 private:
  std::mutex lock_;
  std::vector<std::string> asked_;
  std::list<asio::steady_timer*> waiting_;
  std::optional<Result<tls::CertificateHandle>> answer_;
};

/// No name is known.
class NoNames final : public net::Resolver {
 public:
  awaitable<Result<std::vector<asio::ip::address>>> resolve(std::string) override;
  bool hanging = false;  // nor is it said to be unknown
};

/// One worker on the test's own thread, with a clock that the test moves, and clients made of
/// scripts.
class Bench {
 public:
  explicit Bench(config::Config config);
  ~Bench();

  void publish(config::Config config);
  /// Runs until everybody waits.
  void settle();
  void advance(std::chrono::nanoseconds by);

  /// A connection that came in by the listener of that name.
  std::shared_ptr<Script> connect(const std::string& listener = "plain",
                                  const std::string& peer = "192.0.2.7");
  /// Sends over a connection and returns what came back since the last time.
  std::string ask(const std::shared_ptr<Script>& client, std::string_view bytes);
  /// The same on a fresh connection: "GET TARGET" for `host`.
  std::string get(const std::string& host, const std::string& target = "/");

  FakeClock clock;
  SystemEntropy entropy;
  NoNames resolver;
  FakeDialer dialer{clock};  // refuses what the test did not lay down
  FakeSource source;
  HelperPool helpers{1};
  std::unique_ptr<Worker> worker;
};

/// A TLS client over a script of a Bench's connection.
class TlsClient {
 public:
  TlsClient(Bench& bench, const std::string& server_name, std::vector<std::string> alpn = {},
            const std::string& listener = "tls");
  ~TlsClient();

  bool done() const { return stream_ != nullptr; }
  /// Why there is no handshake; empty while there is none yet.
  const std::string& failure() const { return failure_; }
  const tls::SessionFacts& facts() const { return *tls::facts_of(*stream_); }
  std::string ask(std::string_view bytes);
  bool ended() const { return ended_; }
  Script& server() { return *server_; }

 private:
  awaitable<void> connect(std::unique_ptr<net::Stream> under, std::string server_name,
                          std::shared_ptr<const tls::ClientPolicy> policy);
  awaitable<void> converse(std::string bytes);

  Bench& bench_;
  std::shared_ptr<Script> server_;  // far end of the server's stream
  std::shared_ptr<Script> client_ = std::make_shared<Script>();
  net::Crew crew_;
  std::unique_ptr<net::Stream> stream_;
  std::string failure_;
  std::string heard_;
  bool ended_ = false;
};

}  // namespace gatehouse::serve::test
