#pragma once

#include <limits>
#include <memory>
#include <vector>

#include "core/http/exchange.hpp"
#include "core/http/h2_connection.hpp"

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

struct H2ServerSettings {
  HeadLimits head;
  Scheme scheme = Scheme::any;   // what this connection is; :scheme must agree
  std::uint64_t body_bytes = 0;  // of a request; 0: no limit
  std::uint64_t requests = 0;    // on one connection, then it drains; 0: no limit
  std::uint32_t streams = 250;   // at once, exchanges that outlive their streams counted
  std::uint32_t stream_window = 256 * 1024;
  std::uint32_t connection_window = 1024 * 1024;
  std::chrono::milliseconds request_header{15'000};  // one header block; the client's first frames
  std::chrono::milliseconds idle{75'000};            // without requests
  std::chrono::milliseconds read_idle{60'000};       // no octet of a body for so long
  std::chrono::milliseconds write_idle{60'000};      // a stream, or the connection, takes nothing
};

class H2ServerExchange;

/// The server's end of an HTTP/2 connection: hands out each request as an exchange as soon as its
/// head is there, many at once. run() serves it to its end. On the stream's worker; stream, worker
/// and road outlive it, the worker its exchanges too.
class H2ServerConnection final : public H2Connection {
 public:
  H2ServerConnection(net::Stream& stream, H2Worker worker, const H2ServerSettings& settings,
                     H2Road& road);
  ~H2ServerConnection() override;

  /// Requests handed out so far.
  std::uint64_t requests() const { return requests_; }

 private:
  friend class H2ServerExchange;
  void block_began(std::int32_t id, bool first) override;
  void block_ended(std::int32_t id, bool end_stream) override;
  void received() override;
  void turn_away(std::int32_t id, const Refusal& refusal, End end);

  H2ServerSettings settings_;
  H2Road& road_;
  std::unique_ptr<H2ServerExchange> opening_;  // its head is coming in
  std::int32_t refused_ = 0;                   // the stream last turned away for want of room
  std::vector<std::unique_ptr<H2ServerExchange>> fresh_;
  std::uint64_t requests_ = 0;
};

enum class H2Preface : std::uint8_t { no, more, yes };
/// Whether a plain connection speaks HTTP/2 from the start (RFC 9113 §3.3): looks at what came
/// first, without taking it. `more`: as far as it goes it could be.
H2Preface looks_like_h2(std::string_view first_bytes);
/// The same on a socket, whose octets stay unread; waits for the first. False too for an end, an
/// error, or when the deadline of reads passes.
awaitable<bool> speaks_h2(net::Stream& stream);

}  // namespace gatehouse::http
