#pragma once

#include <chrono>

#include "core/http/exchange.hpp"
#include "core/net/deadline_wheel.hpp"

namespace gatehouse::serve::detail {

/// Looks every now and then whether the client is still there while we wait for its server, and
/// gives the server's answer up when it is not. Costs a request two pointer writes.
class ClientWatch {
 public:
  ClientWatch(net::DeadlineWheel& wheel, http::ServerExchange& client, http::ClientExchange& server)
      : wheel_(wheel), client_(client), server_(server), entry_(wheel, this, &ClientWatch::look) {
    entry_.set(wheel_.clock().steady() + every);
  }
  bool gone() const { return gone_; }

 private:
  static constexpr auto every = std::chrono::milliseconds(250);
  static void look(void* self) noexcept {
    auto& watch = *static_cast<ClientWatch*>(self);
    watch.gone_ = watch.client_.client_gone();
    if (watch.gone_) {
      watch.server_.abort();
    } else {
      watch.entry_.set(watch.wheel_.clock().steady() + every);
    }
  }

  net::DeadlineWheel& wheel_;
  http::ServerExchange& client_;
  http::ClientExchange& server_;
  net::DeadlineWheel::Entry entry_;
  bool gone_ = false;
};

}  // namespace gatehouse::serve::detail
