#pragma once

#include <limits>
#include <memory>
#include <vector>

#include "core/base/entropy.hpp"
#include "core/http/exchange.hpp"
#include "core/http/h2_connection.hpp"
#include "core/http/http_date.hpp"

namespace gatehouse::http {

/// Where the requests of a connection go.
class H2Road {
 public:
  virtual ~H2Road() = default;
  /// A new request: answer it in a coroutine of its own. The exchange may outlive the connection.
  virtual void request(std::unique_ptr<ServerExchange> exchange) = 0;
  /// One that was turned away and answered.
  virtual void refused(const Refusal& refusal) = 0;
};

/// What a worker lends the servers' ends.
struct H2ServerWorker : H2Worker {
  HttpDate& date;
  Entropy& entropy;
};

struct H2ServerSettings {
  HeadLimits head;
  Scheme scheme = Scheme::any;              // what this connection is; :scheme must agree
  std::uint64_t body_bytes = 0;             // of a request; 0: no limit
  std::uint64_t requests = 0;               // on one connection, then it drains; 0: no limit
  std::uint32_t streams = 250;              // at once, exchanges that outlive their streams counted
  std::uint32_t stream_window = 64 * 1024;  // grows with a reader that keeps up
  std::uint64_t min_rate = 0;               // bytes a second of a body; 0: off
  std::chrono::milliseconds request_header{15'000};  // one header block; the client's first frames
  std::chrono::milliseconds idle{75'000};            // without requests
  std::chrono::milliseconds read_idle{60'000};       // no octet of a body for so long
  std::chrono::milliseconds write_idle{60'000};      // a stream, or the connection, takes nothing
};

class H2ServerExchange;

/// The server's end of an HTTP/2 connection: hands out each request as an exchange as soon as its
/// head is there, many at once. run() serves it to its end. On the stream's worker; stream, worker
/// and road outlive it, the worker its exchanges too.
class H2ServerConnection final : public H2Connection, public ServerConnection {
 public:
  H2ServerConnection(net::Stream& stream, H2ServerWorker worker, const H2ServerSettings& settings,
                     H2Road& road);
  ~H2ServerConnection() override;

  void drain() override { H2Connection::drain(); }
  bool make_way() override;
  void take_leave() override { H2Connection::take_leave(); }
  /// Requests handed out so far.
  std::uint64_t requests() const { return requests_; }

 private:
  friend class H2ServerExchange;
  void block_began(std::int32_t id, bool first) override;
  void block_ended(std::int32_t id, bool end_stream) override;
  void received() override;
  void turn_away(std::int32_t id, const Refusal& refusal, End end);

  std::string_view date() { return date_.now(); }

  HttpDate& date_;
  Entropy& entropy_;
  H2ServerSettings settings_;
  H2Road& road_;
  std::unique_ptr<H2ServerExchange> opening_;  // its head is coming in
  std::int32_t refused_ = 0;                   // the stream last turned away for want of room
  std::vector<std::unique_ptr<H2ServerExchange>> fresh_;
  std::uint64_t requests_ = 0;
};

}  // namespace gatehouse::http
