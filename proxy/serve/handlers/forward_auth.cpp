#include "proxy/serve/handlers/forward_auth.hpp"

#include <algorithm>
#include <array>

#include "core/base/bytes.hpp"
#include "core/http/header_rules.hpp"
#include "core/http/reason.hpp"
#include "proxy/serve/forward.hpp"
#include "proxy/serve/handlers/status.hpp"
#include "proxy/serve/snapshot.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::serve {
namespace {

/// A page that says no, or where to sign in.
constexpr std::size_t most_answer_bytes = 256 * 1024;

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::any_of(names.begin(), names.end(),
                     [&](std::string_view each) { return equal_ignoring_case(name, each); });
}

/// About a body that is not sent along, or about a copy of something else than the verdict.
bool says_nothing_about_who(std::string_view name) {
  static constexpr auto names = std::to_array<std::string_view>(
      {"Content-Encoding", "Content-Language", "Content-Location", "Content-Range", "Content-Type",
       "Expect", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range",
       "If-Unmodified-Since", "Range", "Sec-WebSocket-Extensions", "Sec-WebSocket-Key",
       "Sec-WebSocket-Version"});
  return is_one_of(name, names);
}

/// The same name for a server that reads '_' as '-', as CGI makes many do.
bool same_folded(std::string_view a, std::string_view b) {
  const auto folded = [](char c) { return c == '_' ? '-' : to_lower(c); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return folded(x) == folded(y); });
}

bool is_copied(std::string_view field, const config::Strings& copy) {
  return std::any_of(copy.begin(), copy.end(),
                     [&](const std::string& name) { return same_folded(field, name); });
}

/// What the client shows to be let in: the server is asked about nothing else.
bool is_credential(std::string_view name) {
  return equal_ignoring_case(name, "Authorization") || equal_ignoring_case(name, "Cookie");
}

/// The fields are the server's word, so the client's go also where the server says nothing.
void take_copies(http::Fields& fields, const config::Strings& copy,
                 const http::HttpResponse& answer) {
  fields.remove_if([&](const http::Field& line) { return is_copied(line.name, copy); });
  for (const std::string& name : copy) {
    for (const auto& [each, value] : answer.fields) {
      if (equal_ignoring_case(each, name)) fields.add_copy(name, value);
    }
  }
}

http::FetchLimits limits_of(const config::ForwardAuth& auth) {
  http::FetchLimits limits;
  limits.body_bytes = most_answer_bytes;
  limits.connect = auth.timeout;
  limits.header = auth.timeout;
  limits.total = auth.timeout;
  return limits;
}

/// 502: it answered what makes no sense. 503: it could not be asked, which may pass.
int status_for(const Error& error) {
  const bool nonsense = error.fault() == Fault::bad_message || error.fault() == Fault::limit;
  return nonsense ? 502 : 503;
}

awaitable<void> send_failure(Visit& visit, int status, std::string why) {
  visit.facts.error = std::move(why);
  if (!visit.exchange.body_finished()) visit.exchange.close_after();
  co_await send_status(visit.exchange, visit.facts, status);
}

/// The server's own answer. What is not said about keeping it is said here: a cached "sign in
/// first" would outlive the signing in.
awaitable<void> send_verdict(Visit& visit, const http::HttpResponse& answer) {
  visit.facts.rejected = "denied";
  visit.facts.status = answer.status;
  http::ResponseHead head;
  head.status = answer.status;
  head.reason = http::reason_phrase(answer.status);
  head.length = http::BodyLength::counted(answer.body.size());
  for (const auto& [name, value] : answer.fields) head.fields.add(name, value);
  http::remove_hop_by_hop(head.fields, http::Direction::response);
  head.fields.remove("Alt-Svc");
  if (!head.fields.find("Cache-Control")) head.fields.add("Cache-Control", "no-store");
  const auto begun = co_await visit.exchange.send_head(head);
  if (!begun) co_return;
  co_await visit.exchange.send_body(answer.body, http::End::last);
}

}  // namespace

AuthClient::AuthClient(Worker& worker, std::shared_ptr<const tls::ClientPolicy> policy)
    : policy_(std::move(policy)),
      http_(worker.clock, worker.around.dialer, worker.wheel, worker.buffers, policy_,
            Side::server) {}

std::shared_ptr<AuthClient> AuthClient::of(Worker& worker, const Snapshot& snapshot) {
  if (!worker.auth || worker.auth->policy_ != snapshot.auth_policy()) {
    worker.auth = std::make_shared<AuthClient>(worker, snapshot.auth_policy());
  }
  return worker.auth;
}

http::HttpRequest auth_request(const config::ForwardAuth& auth, const http::RequestHead& request,
                               const RequestFacts& facts) {
  http::Fields fields;
  for (const http::Field& line : request.fields) {
    if (says_nothing_about_who(line.name)) continue;
    if (is_copied(line.name, auth.copy) && !is_credential(line.name)) continue;
    fields.add(line.name, line.value);
  }
  write_forwarded(fields, hop_of(request, facts));
  // Before strip_prefix and the like, which come later; but settled, as the route was chosen by it:
  // a rule for /public must not let /public/../admin through.
  std::string uri(request.path);
  if (request.has_query) uri.append("?").append(request.query);
  fields.set("X-Forwarded-Method", request.method);
  fields.set("X-Forwarded-Uri", uri);

  http::HttpRequest asked;
  asked.url = Url::parse(auth.url).value();  // the config was checked
  for (const http::Field& line : fields) asked.fields.emplace_back(line.name, line.value);
  return asked;
}

awaitable<bool> answer_forward_auth(Visit& visit) {
  const config::ForwardAuth& auth = *visit.settings().forward_auth;
  http::RequestHead& request = visit.request();
  clean_request(request, visit.facts);
  const auto client = AuthClient::of(visit.worker, *visit.facts.snapshot);
  http::HttpRequest question = auth_request(auth, request, visit.facts);
  const http::FetchLimits limits = limits_of(auth);
  auto answer = co_await client->http().fetch(std::move(question), limits);
  if (!answer) {
    std::string why = "forward_auth: " + answer.error().detail();
    co_await send_failure(visit, status_for(answer.error()), std::move(why));
    co_return true;
  }
  if (answer->status / 100 == 2) {
    take_copies(request.fields, auth.copy, *answer);
    co_return false;
  }
  // It was not asked about a copy that somebody has: there is none to speak of.
  if (answer->status == 304) {
    co_await send_failure(visit, 502, "forward_auth: 304 to a request without conditions");
    co_return true;
  }
  co_await send_verdict(visit, *answer);
  co_return true;
}

}  // namespace gatehouse::serve
