#include "proxy/serve/hello.hpp"

#include <utility>

#include "core/base/log.hpp"
#include "proxy/serve/listening.hpp"

namespace gatehouse::serve {
namespace {

tls::HelloAnswer refuse(Alert alert) {
  tls::HelloAnswer answer;
  answer.kind = tls::HelloAnswer::Kind::refuse;
  answer.alert = static_cast<std::uint8_t>(alert);
  return answer;
}

}  // namespace

SiteJudge::SiteJudge(Worker& worker, const Door& door, LocalAddress local)
    : worker_(worker), door_(door), local_(std::move(local)) {}

tls::HelloAnswer SiteJudge::judge(const tls::Hello& hello) noexcept {
  try {
    postponed_ = !std::exchange(has_turn_, false) && !worker_.handshake_turns.take();
    if (postponed_) {
      tls::HelloAnswer later;
      later.kind = tls::HelloAnswer::Kind::wait;
      return later;
    }
    if (hello.offers_acme_tls_alpn) return probe(hello);
    return decide(hello);
  } catch (const std::exception& e) {  // no memory
    log::error("client hello could not be judged", {{"what", e.what()}});
    return refuse(Alert::internal_error);
  }
}

/// RFC 8737 §3: such a connection is a CA's and carries nothing else, challenge or not.
tls::HelloAnswer SiteJudge::probe(const tls::Hello& hello) {
  const tls::CertificateHandle* ready = worker_.challenges.tls_answer(hello.server_name);
  if (ready == nullptr) return refuse(Alert::no_application_protocol);
  tls::HelloAnswer answer;
  answer.kind = tls::HelloAnswer::Kind::challenge;
  answer.certificates = *ready;
  // Its settings are those of any site: a probe only looks at the certificate.
  const auto snapshot = door_.snapshot(worker_);
  if (snapshot) answer.policy = snapshot->any_policy();
  return answer;
}

tls::HelloAnswer SiteJudge::decide(const tls::Hello& hello) {
  const auto snapshot = door_.snapshot(worker_);
  const Endpoint* endpoint = snapshot ? snapshot->endpoint(door_.address) : nullptr;
  if (endpoint == nullptr || !endpoint->tls || hello.bad_server_name) {
    return refuse(Alert::unrecognized_name);
  }
  // Clients that call us by an IP address name no server (RFC 6066 §3).
  const std::string host =
      hello.server_name.empty() ? local_().to_string() : std::string(hello.server_name);
  const Site* site = endpoint->sites.find(host);
  if (site == nullptr || !site->policy) {
    ++worker_.counters.unknown_sni;
    return refuse(Alert::unrecognized_name);
  }
  tls::HelloAnswer answer;
  answer.policy = site->policy;
  answer.certificates = at_hand(*endpoint, *site, host);
  if (!answer.certificates && host == wanted_) answer.certificates = brought_;
  if (answer.certificates) {
    answer.kind = tls::HelloAnswer::Kind::serve;
    served_ = answer.certificates;
    return answer;
  }
  answer.kind = tls::HelloAnswer::Kind::wait;
  wanted_ = host;
  return answer;
}

tls::CertificateHandle SiteJudge::at_hand(const Endpoint& endpoint, const Site& site,
                                          std::string_view host) {
  if (const auto* found = worker_.certificates.find_exact(host)) return *found;
  // A site that names the host and has a certificate for it waits for that one, which is not far.
  // Where it comes from a CA, one that covers the name is better than none.
  const auto mode = site.settings.tls.mode;
  const bool not_far = mode == config::TlsMode::files || mode == config::TlsMode::internal;
  if (not_far && endpoint.sites.find_exact(host) != nullptr) return nullptr;
  if (const auto* found = worker_.certificates.find(host)) return *found;
  // Files of the site for every name stand under that pattern.
  if (&site == endpoint.sites.any()) {
    if (const auto* found = worker_.certificates.find_exact("*")) return *found;
  }
  return nullptr;
}

}  // namespace gatehouse::serve
