#pragma once

#include <optional>
#include <string_view>

#include "acme/on_demand.hpp"
#include "core/http/client.hpp"

namespace gatehouse::acme {

/// The `ask` endpoint over HTTP. Belongs to the control thread; the client outlives it.
class HttpAsk final : public AskTransport {
 public:
  HttpAsk(http::HttpClient& client, Clock& clock) : client_(client), clock_(clock) {}
  awaitable<Result<AskAnswer>> ask(std::string url, Steady deadline) override;

 private:
  http::HttpClient& client_;
  Clock& clock_;
};

/// `max-age` of a Cache-Control value (RFC 9111 §5.2.2.1); zero for no-store and no-cache.
std::optional<std::chrono::seconds> max_age(std::string_view cache_control);

}  // namespace gatehouse::acme
