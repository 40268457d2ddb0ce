// How the challenges of an order are answered: on every worker first, then announced.
#include "acme/detail/order_run.hpp"
#include "acme/jws.hpp"
#include "core/base/host.hpp"
#include "core/tls/certificate_authority.hpp"
#include "core/tls/digest.hpp"

namespace gatehouse::acme {
namespace {

constexpr int most_respond_tries = 3;

std::string probe_name(const std::string& identifier) {
  const auto address = as_address(identifier);
  return address ? reverse_name(*address) : identifier;
}

}  // namespace

awaitable<std::optional<Ending>> OrderRun::carry(const Solve& step) {
  // All answers stand before the first one is announced: the CA may look at them in any order.
  std::vector<Authorization> ready;
  std::string kind;
  for (const std::size_t index : step.authorizations) {
    Authorization authorization = view_.authorizations[index];
    std::vector<std::string> preferred = request_.challenges;
    const std::string& begun = record_.order->challenge;
    // The CA may be at it with the kind that an earlier life announced.
    if (resumed_ && contains(preferred, begun)) preferred.insert(preferred.begin(), begun);
    const Challenge* challenge =
        choose_challenge(authorization, preferred, record_.failed_challenges);
    if (challenge == nullptr) {
      IssueFailure none = failure(Retry::permanent, "the CA offers no challenge for " +
                                                        authorization.identifier.value +
                                                        " that is configured and can be answered");
      none.names.push_back(authorization.identifier.value);
      co_return ended(Ending::Kind::dropped, std::move(none));
    }
    const Challenge chosen = *challenge;
    auto presented = co_await present(authorization, chosen);
    if (!presented) co_return ended(Ending::Kind::kept, own_failure(presented.error()));
    kind = chosen.type;
    authorization.challenges.assign(1, chosen);
    ready.push_back(std::move(authorization));
  }
  if (record_.order->challenge != kind) {
    record_.order->challenge = kind;
    auto saved = co_await save();
    if (!saved) co_return ended(Ending::Kind::kept, own_failure(saved.error()));
  }
  for (Authorization& authorization : ready) {
    auto ending = co_await answer(std::move(authorization));
    if (ending) co_return ending;
  }
  co_return std::nullopt;
}

awaitable<Result<void>> OrderRun::present(const Authorization& authorization,
                                          const Challenge& challenge) {
  const std::string& name = authorization.identifier.value;
  std::string key_text = key_authorization(challenge.token, signer_.key);
  if (challenge.type == "http-01") {
    if (contains(http_tokens_, challenge.token)) co_return boost::system::in_place_value;
    // Noted first: a cancelled call may have got half way.
    http_tokens_.push_back(challenge.token);
    co_await issuer_.outlet_.present_http(challenge.token, std::move(key_text));
    co_return boost::system::in_place_value;
  }
  std::string server_name = probe_name(name);
  if (contains(tls_names_, server_name)) co_return boost::system::in_place_value;
  auto job = [name, digest = tls::sha256(key_text), now = clock().wall()] {
    return tls::make_tls_alpn_certificate(name, digest, now);
  };
  auto certificate = co_await issuer_.helpers_.run_in_turn(std::move(job));
  if (!certificate) co_return certificate.error();
  std::vector<tls::CertificatePointer> only(1, std::move(*certificate));
  auto set = tls::make_certificate_set(std::move(only));
  tls_names_.push_back(server_name);
  co_await issuer_.outlet_.present_tls(std::move(server_name), std::move(set));
  co_return boost::system::in_place_value;
}

/// Announces the answer, once; `authorization` holds the chosen challenge alone.
awaitable<std::optional<Ending>> OrderRun::answer(Authorization authorization) {
  const Challenge& challenge = authorization.challenges.front();
  if (challenge.status == ChallengeStatus::processing) {
    view_.answered.push_back(authorization.url);
    co_return std::nullopt;
  }
  auto reply = co_await issuer_.client_.respond(challenge.url);
  if (reply) {
    view_.answered.push_back(authorization.url);
    co_return std::nullopt;
  }
  // Nobody knows whether it took effect: the authorization says so when it is fetched again.
  if (++responded_[authorization.url] >= most_respond_tries) {
    view_.answered.push_back(authorization.url);
  }
  auto ending = co_await bear(reply.error());
  co_return ending;
}

awaitable<void> OrderRun::withdraw() {
  for (std::string& token : http_tokens_) co_await issuer_.outlet_.withdraw_http(std::move(token));
  for (std::string& name : tls_names_) co_await issuer_.outlet_.withdraw_tls(std::move(name));
  http_tokens_.clear();
  tls_names_.clear();
}

}  // namespace gatehouse::acme
