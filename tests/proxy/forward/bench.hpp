#pragma once

#include <doctest/doctest.h>

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "acme/certificate_source.hpp"
#include "core/http/h1_server.hpp"
#include "core/net/socket_stream.hpp"
#include "proxy/serve/backend/pools.hpp"
#include "proxy/serve/forward.hpp"
#include "proxy/serve/worker.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/raw_socket.hpp"
#include "tests/support/result.hpp"

namespace gatehouse::test {

using namespace std::chrono_literals;
using namespace gatehouse::serve;

class FixedEntropy final : public Entropy {
 public:
  void fill(std::span<char> octets) override {
    for (char& octet : octets) octet = static_cast<char>(++last_);
  }

 private:
  unsigned char last_ = 0;
};

/// Names to addresses, as a test says; IP literals as they are.
class TableResolver final : public net::Resolver {
 public:
  awaitable<Result<std::vector<asio::ip::address>>> resolve(std::string host) override {
    boost::system::error_code failed;
    const auto literal = asio::ip::make_address(host, failed);
    if (!failed) co_return std::vector<asio::ip::address>{literal};
    ++asked;
    const auto found = table.find(host);
    if (found == table.end()) co_return Error(Fault::not_found, Side::server, "no such name");
    co_return found->second;
  }
  std::map<std::string, std::vector<asio::ip::address>> table;
  int asked = 0;
};

class NoCertificates final : public acme::CertificateSource {
 public:
  awaitable<Result<tls::CertificateHandle>> obtain(std::string, asio::ip::address) override {
    co_return Error(Fault::not_found, Side::self, "none here");
  }
};

/// One worker that forwards every request to the backend "app", on real loopback sockets and a
/// clock that the test moves. The test is the client and the servers; everything runs in its
/// thread, in until() and settle().
class Bench {
 public:
  Bench();
  ~Bench();

  /// The servers of the backend, by what a config would say. Call before the first request, or
  /// again for a reload.
  void serve_by(const std::vector<RawServer*>& servers);
  void publish();
  config::Backend backend;
  std::vector<std::string> trusted;

  /// A client's new connection to us. The bench moves it for as long as the test keeps it.
  std::shared_ptr<RawSocket> connect();

  /// Runs everything until `done`; fails the test when nothing happens any more for seconds.
  void until(const std::function<bool()>& done);
  /// Runs everything until nothing moves.
  void settle();
  void advance(std::chrono::milliseconds by);
  void watch(RawServer& server) { servers_.push_back(&server); }
  /// Before sockets die that are watched.
  void forget() {
    servers_.clear();
    clients_.clear();
  }

  /// How each request went.
  struct Outcome {
    int status;
    unsigned attempts;
    bool reused;
    bool tunnel;
    std::string error;
    std::string server;
  };
  std::vector<Outcome> outcomes;
  std::size_t connections_open() const { return open_; }
  std::shared_ptr<backend::Pool> pool(std::size_t index = 0);
  std::uint64_t body_limit = 0;

  FakeClock clock;
  FixedEntropy entropy;
  TableResolver resolver;
  net::SystemDialer dialer{clock, resolver};
  NoCertificates certificates;
  HelperPool helpers{1};
  std::unique_ptr<Worker> worker;

 private:
  static awaitable<void> carry(Bench& bench, std::unique_ptr<net::Stream> stream);
  bool turn();

  asio::ip::tcp::acceptor acceptor_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::vector<RawServer*> servers_;
  std::vector<std::weak_ptr<RawSocket>> clients_;
  std::size_t open_ = 0;
};

/// True once `text` holds a whole head and a body of its Content-Length, or a last chunk.
bool whole_message(const std::string& text);
/// The value of a field in a raw head; empty: none.
std::string field_of(const std::string& message, const std::string& name);

}  // namespace gatehouse::test
