#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <memory>

#include "core/http/h2_client.hpp"
#include "proxy/serve/backend/means.hpp"

namespace gatehouse::serve::backend {

/// An HTTP/2 connection to a server, shared by requests. Held by its pool while it may take more of
/// them, and by the task that serves it to its end. On its worker.
class Shared {
 public:
  using Address = boost::asio::ip::address;

  Shared(const Means& means, std::unique_ptr<net::Stream> stream, const Address& address,
         const http::H2ClientSettings& settings)
      : connection_(std::move(stream),
                    {means.crew.executor(), means.clock, means.wheel, means.buffers}, settings),
        address_(address) {}

  /// Serves the connection to its end.
  static awaitable<void> serve(std::shared_ptr<Shared> self) { co_await self->connection_.run(); }

  http::H2ClientConnection& connection() { return connection_; }
  const Address& address() const { return address_; }
  /// It has carried a request before.
  bool used() const { return used_; }
  /// Null: not now.
  std::unique_ptr<http::ClientExchange> begin() {
    auto exchange = connection_.begin();
    used_ = used_ || exchange != nullptr;
    return exchange;
  }

 private:
  http::H2ClientConnection connection_;
  Address address_;
  bool used_ = false;
};

}  // namespace gatehouse::serve::backend
