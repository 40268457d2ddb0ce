#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <memory>
#include <vector>

#include "core/base/asio.hpp"
#include "proxy/serve/backend/means.hpp"

namespace gatehouse::serve::backend {

/// A plain connection to a server, and where it leads.
struct Way {
  std::unique_ptr<net::Stream> stream;
  boost::asio::ip::address address;  // unspecified for a unix socket
};

/// Where one server is found, as one worker knows it: its name is resolved on the first need and
/// again when its time is up. Touch it on its worker only. Lives as long as a connect() under way.
class Addresses {
 public:
  using Address = boost::asio::ip::address;

  Addresses(const Means& means, net::Target target, std::chrono::milliseconds resolve);
  Addresses(const Addresses&) = delete;
  Addresses& operator=(const Addresses&) = delete;

  /// Of several addresses each is tried in turn, another one first each time, the next beginning
  /// while a slow one is still at it (RFC 8305 §5): the first that connects wins. Errors: nothing
  /// was sent.
  static awaitable<Result<Way>> connect(std::shared_ptr<Addresses> self, Steady deadline);

  /// False: the name leads elsewhere now, so a connection to `address` should carry no more.
  bool lead_to(const Address& address) const;
  /// Resolves the name again, beside everything else, where its time is up.
  static void refresh_when_due(const std::shared_ptr<Addresses>& self);
  void resolve_every(std::chrono::milliseconds resolve) { resolve_ = resolve; }
  /// The server could not be talked to there: other addresses go first for a while.
  void failed(const Address& address);

 private:
  struct Known {
    Address address;
    Steady avoid_until = Steady::min();
  };
  struct Step;
  using Self = std::shared_ptr<Addresses>;

  static awaitable<Result<void>> resolve(Self self, Steady deadline);
  static awaitable<void> refresh(Self self);
  static awaitable<Result<Way>> connect_known(Self self, Steady deadline);
  static awaitable<Result<Way>> connect_one(Self self, net::Target target, Steady deadline);
  static awaitable<Result<Way>> connect_from(Self self, std::vector<net::Target> order,
                                             std::size_t at, Steady deadline);
  static awaitable<Result<Way>> try_here(Self self, net::Target target, Steady deadline,
                                         Step& step);
  static awaitable<Result<Way>> try_next(Self self, std::vector<net::Target> order, std::size_t at,
                                         Steady deadline, Step& step);
  std::vector<net::Target> order();

  Means means_;
  net::Target target_;
  bool named_;
  std::chrono::milliseconds resolve_;
  std::vector<Known> known_;  // empty: not resolved yet
  std::size_t first_ = 0;     // counts up: whose turn it is to be tried first
  Steady due_ = Steady::min();
  bool refreshing_ = false;
};

}  // namespace gatehouse::serve::backend
