#include "proxy/serve/handlers/redirect.hpp"

#include "core/http/reason.hpp"
#include "proxy/serve/certificate_wait.hpp"
#include "proxy/serve/handlers/status.hpp"

namespace gatehouse::serve {
namespace {

/// A new name whose certificate could not be had yet may be asked for again so much later.
constexpr std::string_view retry_after_seconds = "30";

}  // namespace

awaitable<void> send_redirect(http::ServerExchange& exchange, RequestFacts& facts, int status,
                              std::string location) {
  http::ResponseHead head;
  head.status = status;
  head.reason = http::reason_phrase(status);
  head.length = http::BodyLength::counted(0);
  head.fields.add("Location", location);
  facts.status = status;
  const auto begun = co_await exchange.send_head(head);
  if (!begun) co_return;
  const std::string_view nothing;
  co_await exchange.send_body(nothing, http::End::last);
}

std::string https_location(const http::RequestHead& request, std::uint16_t port) {
  std::string to = "https://";
  const bool literal = request.host.find(':') != std::string::npos;
  if (literal) to += '[';
  to += request.host;
  if (literal) to += ']';
  if (port != 443) to.append(":").append(std::to_string(port));
  to += request.path.starts_with('/') ? request.path : std::string_view("/");
  if (request.has_query) to.append("?").append(request.query);
  return to;
}

std::string redirect_location(const Route& route, const http::RequestHead& request,
                              const RequestFacts& facts) {
  std::string to = route.redirect_to.text(request, facts);
  // "//other.example" at the start would be read as another host (RFC 3986 §4.2).
  if (route.redirect_to.begins_with_path()) {
    const std::size_t first = to.find_first_not_of("/\\");
    if (to.size() > 1 && first != 1) to.replace(0, std::min(first, to.size()), "/");
  }
  return to;
}

awaitable<void> send_to_https_when_ready(Worker& worker, http::ServerExchange& exchange,
                                         const Site& site, RequestFacts& facts) {
  std::string host = exchange.request().host;
  auto ready = co_await wait_for_certificate(worker, std::move(host), facts.client_ip);
  if (ready) {
    std::string to = https_location(exchange.request(), site.https_port);
    co_await send_redirect(exchange, facts, 308, std::move(to));
    co_return;
  }
  facts.error = ready.error().detail();
  const Fault fault = ready.error().fault();
  if (fault == Fault::denied || fault == Fault::not_found) {
    facts.rejected = "denied";
    co_await send_status(exchange, facts, 403);
    co_return;
  }
  http::Fields more;
  more.add("Retry-After", retry_after_seconds);
  co_await send_status(exchange, facts, 503, more);
}

}  // namespace gatehouse::serve
