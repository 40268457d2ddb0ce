#pragma once

#include <algorithm>
#include <chrono>

#include "core/http/exchange.hpp"
#include "core/net/deadline_wheel.hpp"

namespace gatehouse::serve::detail {

/// Looks every now and then whether the client is still there while we wait for its server, and
/// gives the server's answer up when it is not. An event for it would cost every request a wait
/// that is started and cancelled, for the few whose client leaves; this costs a request two pointer
/// writes, and one that waits long a look less and less often.
class ClientWatch {
 public:
  ClientWatch(net::DeadlineWheel& wheel, Steady now, http::ServerExchange& client,
              http::ClientExchange& server)
      : wheel_(wheel), client_(client), server_(server), entry_(wheel, this, &ClientWatch::look) {
    entry_.set(now + every_);
  }
  bool gone() const { return gone_; }
  /// From here on somebody reads from the client, who will see it go.
  void rest() { entry_.set(Steady::max()); }

 private:
  static constexpr std::chrono::milliseconds longest{4000};
  static void look(void* self) noexcept {
    auto& watch = *static_cast<ClientWatch*>(self);
    watch.gone_ = watch.client_.client_gone();
    if (watch.gone_) {
      watch.server_.abort();
    } else {
      watch.every_ = std::min(2 * watch.every_, longest);
      watch.entry_.set(watch.wheel_.clock().steady() + watch.every_);
    }
  }

  net::DeadlineWheel& wheel_;
  http::ServerExchange& client_;
  http::ClientExchange& server_;
  net::DeadlineWheel::Entry entry_;
  std::chrono::milliseconds every_{250};
  bool gone_ = false;
};

}  // namespace gatehouse::serve::detail
