#include "acme/transport.hpp"

#include <algorithm>
#include <chrono>

namespace gatehouse::acme {

Result<std::unique_ptr<HttpsTransport>> HttpsTransport::make(const Settings& settings, Clock& clock,
                                                             net::Dialer& dialer,
                                                             net::DeadlineWheel& wheel,
                                                             net::BufferPool& buffers) {
  tls::ClientPolicy::Settings verified;
  verified.roots_file = settings.roots_file;
  verified.alpn = {"http/1.1"};
  auto policy = tls::ClientPolicy::make(verified);
  if (!policy) return policy.error();
  std::string user_agent = "gatehouse/" + settings.version;
  return std::unique_ptr<HttpsTransport>(
      new HttpsTransport(std::move(user_agent), clock, dialer, wheel, buffers, std::move(*policy)));
}

HttpsTransport::HttpsTransport(std::string user_agent, Clock& clock, net::Dialer& dialer,
                               net::DeadlineWheel& wheel, net::BufferPool& buffers,
                               std::shared_ptr<const tls::ClientPolicy> policy)
    : user_agent_(std::move(user_agent)),
      clock_(clock),
      client_(clock, dialer, wheel, buffers, std::move(policy), Side::ca) {}

awaitable<Result<CaReply>> HttpsTransport::send(CaRequest request, Steady deadline) {
  auto url = Url::parse(request.url);
  if (!url) co_return Error(Fault::bad_message, Side::ca, url.error().detail());
  if (!url->secure()) {
    co_return Error(Fault::bad_message, Side::ca, "'" + request.url + "' is not https");
  }
  http::HttpRequest out;
  out.method = std::move(request.method);
  out.url = std::move(*url);
  out.fields.emplace_back("User-Agent", user_agent_);
  if (!request.accept.empty()) out.fields.emplace_back("Accept", std::move(request.accept));
  if (!request.body.empty()) out.fields.emplace_back("Content-Type", "application/jose+json");
  out.body = std::move(request.body);

  http::FetchLimits limits;
  if (request.most_bytes > 0) limits.body_bytes = request.most_bytes;
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock_.steady());
  limits.total = std::max(left, std::chrono::milliseconds(1));
  limits.header = limits.total;
  auto answer = co_await client_.fetch(std::move(out), limits);
  if (!answer) co_return answer.error();
  CaReply reply;
  reply.status = answer->status;
  reply.fields = std::move(answer->fields);
  reply.body = std::move(answer->body);
  co_return reply;
}

}  // namespace gatehouse::acme
