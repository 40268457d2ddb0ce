#include "proxy/serve/backend/health_check.hpp"

#include <algorithm>

#include "core/base/race.hpp"
#include "core/http/h1_client.hpp"
#include "core/http/h2_client.hpp"
#include "core/net/proxy_header.hpp"

namespace gatehouse::serve::backend {
namespace {

using net::Want;
using Streams = std::unique_ptr<net::Stream>;

void until(net::Stream& stream, Steady deadline) {
  stream.deadline(Want::read, deadline);
  stream.deadline(Want::write, deadline);
}

awaitable<Result<Streams>> connect(CheckMeans means, const Plan& plan, const ServerPlan& server,
                                   Steady deadline) {
  auto dialled = co_await means.dialer.dial(server.target, deadline, means.wheel, Side::server);
  if (!dialled) co_return dialled.error();
  Streams stream = std::move(*dialled);
  until(*stream, deadline);
  if (plan.proxy_protocol != 0) {
    net::ProxyHeader header;
    header.local = true;
    const std::string line = net::write_proxy_header(plan.proxy_protocol, header);
    auto told = co_await stream->write(line);
    if (!told) co_return told.error();
  }
  if (!server.tls) co_return stream;
  auto secured = co_await tls::connect_tls(std::move(stream), server.tls, server.server_name);
  if (!secured) co_return secured.error();
  until(**secured, deadline);
  co_return std::move(*secured);
}

http::RequestHead question(const Plan& plan, const ServerPlan& server) {
  http::RequestHead head;
  const std::string_view target = plan.health.path;
  const std::size_t mark = std::min(target.find('?'), target.size());
  head.method = "GET";
  head.path = target.substr(0, mark);
  head.has_query = mark < target.size();
  if (head.has_query) head.query = target.substr(mark + 1);
  head.authority = server.authority;
  head.fields.add("User-Agent", "gatehouse-health");
  head.fields.add("Accept", "*/*");
  return head;
}

awaitable<Result<int>> ask(http::ClientExchange& exchange, const Plan& plan,
                           const ServerPlan& server) {
  const http::RequestHead head = question(plan, server);
  auto sent = co_await exchange.send_head(head);
  if (sent) sent = co_await exchange.flush();
  if (!sent) co_return sent.error();
  for (;;) {
    auto answer = co_await exchange.read_head();
    if (!answer) co_return answer.error();
    if ((*answer)->status >= 200) co_return (*answer)->status;
  }
}

awaitable<Result<int>> ask_h2(CheckMeans means, Streams stream, const Plan& plan,
                              const ServerPlan& server, Steady deadline) {
  auto executor = co_await asio::this_coro::executor;
  const http::H2Worker worker{executor, means.clock, means.wheel, means.buffers};
  http::H2ClientSettings settings;
  settings.scheme = server.tls ? "https" : "http";
  http::H2ClientConnection connection(std::move(stream), worker, settings);
  auto exchange = connection.begin();
  if (!exchange) co_return Error(Fault::refused, Side::server, "takes no request");
  exchange->deadline(Want::read, deadline);
  exchange->deadline(Want::write, deadline);
  auto serving = connection.run();
  std::optional<Result<int>> answered;
  auto asking = keep(ask(*exchange, plan, server), answered);
  const auto first = co_await race(std::move(asking), std::move(serving));
  if (first == 0) co_return std::move(*answered);
  co_return Error(Fault::closed, Side::server, "closed before an answer");
}

}  // namespace

awaitable<Result<int>> check_health(CheckMeans means, std::shared_ptr<const Plan> plan,
                                    const ServerPlan& server) {
  const Steady deadline = means.clock.steady() + plan->health.timeout;
  auto stream = co_await connect(means, *plan, server, deadline);
  if (!stream) co_return stream.error();
  const tls::SessionFacts* session = tls::facts_of(**stream);
  if (server.protocol == Protocol::h2 || (session != nullptr && session->alpn == "h2")) {
    auto told = co_await ask_h2(means, std::move(*stream), *plan, server, deadline);
    co_return told;
  }
  http::H1ClientConnection connection(std::move(*stream), means.buffers);
  auto told = co_await ask(connection, *plan, server);
  co_return told;
}

bool healthy(const HealthRules& rules, int status) {
  return std::any_of(rules.statuses.begin(), rules.statuses.end(), [status](const auto& range) {
    return status >= range.first && status <= range.second;
  });
}

Pulse::Change Pulse::heard(bool well, const HealthRules& rules) {
  const bool first = !std::exchange(known_, true);
  if (well == up_) {
    against_ = 0;
    return Change::none;
  }
  ++against_;
  if (!first && against_ < (well ? rules.rise : rules.fall)) return Change::none;
  against_ = 0;
  up_ = well;
  return well ? Change::up : Change::down;
}

}  // namespace gatehouse::serve::backend
