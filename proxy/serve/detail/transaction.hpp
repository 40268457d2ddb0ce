#pragma once

#include <array>
#include <string>

#include "core/http/exchange.hpp"
#include "core/http/h1.hpp"
#include "proxy/serve/admission.hpp"
#include "proxy/serve/request_facts.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::serve {
struct Door;
}

namespace gatehouse::serve::detail {

/// A request of a client and its answer, with what is known of it, up to its line in the log. One
/// at a time: an HTTP/1 connection has one of these, an HTTP/2 connection one for each stream under
/// way, and keeps some for the next. On the connection's worker; the connection outlives it.
class Transaction : public Recycled {
 public:
  /// `connection`: what is the same for all requests of the connection.
  Transaction(Worker& worker, const Door& door, const Entrance& entrance,
              const ConnectionFacts& connection);

  awaitable<void> answer(http::ServerExchange& exchange);
  /// A head that was no request: answered already where that was possible, logged and counted here.
  void refused(const http::Refusal& refusal, http::Version version);
  /// A connection whose TLS is not ours: carried to a server of `site` from its ClientHello, which
  /// was read already, to its end.
  awaitable<void> pass_through(net::Stream& client, const Snapshot& snapshot, const Site& site,
                               std::string hello);

 private:
  awaitable<void> send(http::ServerExchange& exchange, const Admission& admission);
  void begin_request(const http::RequestHead& request, const Snapshot& snapshot);
  void write_id();
  void end_request(const http::RequestHead& request);
  awaitable<Result<void>> carry_octets(net::Stream& client, std::string hello);
  void log_line(const http::RequestHead& request);

  Worker& worker_;
  const Door& door_;
  Entrance entrance_;
  RequestFacts facts_;
  std::array<char, 32> id_;
  std::string path_room_;
};

}  // namespace gatehouse::serve::detail
