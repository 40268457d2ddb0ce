#pragma once

#include <memory>
#include <vector>

#include "core/http/exchange.hpp"
#include "proxy/serve/backend/pools.hpp"
#include "proxy/serve/failure_table.hpp"
#include "proxy/serve/request_facts.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::serve::detail {

class ClientWatch;

/// One request on its way to a server and its answer on the way back. Lives in forward()'s frame.
class Journey {
 public:
  Journey(Worker& worker, http::ServerExchange& client, RequestFacts& facts,
          std::shared_ptr<backend::Backend> backend, Steady now)
      : worker_(worker),
        client_(client),
        request_(client.request()),
        facts_(facts),
        backend_(std::move(backend)),
        plan_(backend_->plan()),
        passage_(*backend_),
        retries_left_(plan_->retries),
        began_(now) {}

  /// Makes one and carries it to its end.
  static awaitable<void> run(Worker& worker, http::ServerExchange& client, RequestFacts& facts,
                             std::shared_ptr<backend::Backend> backend);

 private:
  // The attempts.
  /// The clock is asked again only after it waited.
  awaitable<Result<void>> attempt(Steady now);
  std::optional<backend::Lease> idle_lease(backend::Choice choice);
  awaitable<Result<backend::Lease>> lease(backend::Choice::Kind kind);
  awaitable<Result<backend::Lease>> dial();
  backend::Wish wish() const;
  awaitable<Result<backend::Choice>> queue();
  Error no_server(backend::Choice::Kind kind);
  awaitable<Result<void>> converse(backend::Lease& lease);
  backend::Need need() const {
    return request_.websocket ? backend::Need::websocket : backend::Need::exchange;
  }
  backend::Again again() const;
  Failure describe(const Error& error) const;
  bool tries_again(const Remedy& remedy);
  bool repeats(int status);
  awaitable<void> give_up(const Error& error, const Remedy& remedy);

  // Towards the server.
  bool whole_body_at_hand() const { return pieces_read_ == 1 && piece_.last; }
  awaitable<Result<void>> read_piece();
  Started<void> send_head(backend::Lease& lease, Steady now);
  awaitable<Result<void>> send_request(backend::Lease& lease);
  awaitable<Error> send_request_and_park(backend::Lease& lease);
  void expect_answer(backend::Lease& lease, Steady now);

  // Towards the client.
  awaitable<Result<void>> relay_answer(backend::Lease& lease);
  awaitable<Result<void>> relay_interim(http::ResponseHead& head);
  void server_answered(backend::Lease& lease, int status);
  bool edit_answer(http::ResponseHead& head);
  awaitable<Result<void>> switch_protocols(backend::Lease& lease, http::ResponseHead& head);
  bool accepts_switch(const http::ResponseHead& head) const;
  void pin_client(http::Fields& fields) const;

  Worker& worker_;
  http::ServerExchange& client_;
  http::RequestHead& request_;
  RequestFacts& facts_;
  std::shared_ptr<backend::Backend> backend_;
  std::shared_ptr<const backend::Plan> plan_;  // as it was when the request came
  backend::Backend::Passage passage_;

  std::shared_ptr<backend::Pool> pool_;  // where the attempt under way goes
  backend::Slot slot_;                   // there, where it has max_requests
  bool probe_ = false;                   // it was ejected: we find out whether it is back
  std::vector<const backend::Pool*> tried_;
  std::chrono::seconds come_again_{0};  // for Retry-After; 0: nothing is known
  unsigned retries_left_;
  bool retried_stale_ = false;
  bool dial_same_ = false;  // the next attempt is a new connection to the same server
  Progress progress_ = Progress::connecting;
  bool reused_ = false;
  bool nothing_written_ = true;
  int answer_ = 0;  // of a server, dropped because retry_on names it
  const Steady began_;

  ClientWatch* watch_ = nullptr;  // of the attempt under way
  http::BodyPiece piece_;         // of the request, the latest; valid until the next is read
  unsigned pieces_read_ = 0;
  bool read_on_ = false;  // past the first piece, which may be overwritten since
};

/// True when octets of a body follow the head.
bool has_body(const http::RequestHead& request);

/// A server that closed may have answered before it did; everything else ends the attempt.
inline bool may_have_answered(const Error& error) {
  return error.side() == Side::server && error.fault() == Fault::closed;
}

}  // namespace gatehouse::serve::detail
