#include "proxy/serve/admission.hpp"

#include <algorithm>

#include "core/base/bytes.hpp"
#include "core/tls/certificate.hpp"
#include "proxy/serve/request_path.hpp"

namespace gatehouse::serve {
namespace {

constexpr std::string_view challenge_path = "/.well-known/acme-challenge/";

Admission refused(int status, std::string_view reason) {
  Admission admission;
  admission.status = status;
  admission.reason = reason;
  return admission;
}

const std::string* challenge_answer(const acme::ChallengeBoard& challenges,
                                    const http::RequestHead& request) {
  if (!request.path.starts_with(challenge_path)) return nullptr;
  if (request.method != "GET" && request.method != "HEAD") return nullptr;
  return challenges.http_answer(request.path.substr(challenge_path.size()));
}

/// A proxy in front of us that ends TLS itself says so; sending its clients to https would turn
/// them in a circle.
bool secure_before_us(const http::RequestHead& request, const RequestFacts& facts) {
  if (!facts.peer_trusted) return false;
  const auto scheme = request.fields.find("X-Forwarded-Proto");
  return scheme && equal_ignoring_case(*scheme, "https");
}

/// A reload has changed the policy of the connection's own name: nothing more can be had over it.
bool outdated(const Endpoint& endpoint, const Entrance& entrance) {
  if (entrance.sni.empty()) return false;
  const Site* own = endpoint.sites.find(entrance.sni);
  return own == nullptr || !own->policy || own->policy->id() != entrance.policy_id;
}

Admission to_https(const Site& site, const http::RequestHead& request,
                   tls::CertificateIndex& certificates) {
  Admission admission;
  admission.site = &site;
  const bool on_demand = site.settings.tls.mode == config::TlsMode::on_demand;
  const bool ready = !on_demand || certificates.find(request.host) != nullptr;
  admission.kind = ready ? Admission::Kind::to_https : Admission::Kind::wait_then_to_https;
  return admission;
}

/// Whether a server can read the path as one that another route is for: what the rules of one route
/// let pass must not arrive where those of another hold.
bool may_be_another_routes(const Site& site, const http::RequestHead& request,
                           const RequestFacts& facts, const RequestPath& path,
                           const Route* chosen) {
  if (path.unreadable) return true;
  if (!path.unsure) return false;
  OtherReadings readings(path.text);
  std::string reading;
  while (readings.next(reading)) {
    if (site.route(request, reading, facts.client_ip) != chosen) return true;
  }
  return false;
}

Admission to_route(const Site& site, const http::RequestHead& request, const RequestFacts& facts,
                   std::string& room) {
  const RequestPath path = RequestPath::of(request.path, room);
  const Route* const chosen = site.route(request, path.text, facts.client_ip);
  Admission admission;
  if (site.decides_by_path && may_be_another_routes(site, request, facts, path, chosen)) {
    admission = refused(400, "malformed");
  } else if (chosen == nullptr) {
    admission = refused(404, "no_route");
  } else {
    admission.kind = Admission::Kind::to_route;
    admission.route = chosen;
  }
  admission.site = &site;
  return admission;
}

}  // namespace

bool may_share_connection(const Endpoint& endpoint, const Entrance& entrance, const Site& site,
                          std::string_view host) {
  if (!site.policy || site.policy->id() != entrance.policy_id) return false;
  if (entrance.sni.empty()) return true;  // the client could not say more; the policy is the same
  if (endpoint.sites.find(entrance.sni) == &site) return true;
  if (entrance.served == nullptr) return false;
  const auto& shown = entrance.served->by_preference;
  const auto covers = [&](const auto& certificate) { return certificate->covers(host); };
  return !shown.empty() && std::all_of(shown.begin(), shown.end(), covers);
}

Admission admit(const Snapshot& snapshot, const Entrance& entrance,
                const acme::ChallengeBoard& challenges, const http::RequestHead& request,
                const RequestFacts& facts, tls::CertificateIndex& certificates, std::string& room) {
  if (!entrance.tls) {
    if (const std::string* answer = challenge_answer(challenges, request)) {
      Admission admission;
      admission.kind = Admission::Kind::challenge;
      admission.key_authorization = answer;
      return admission;
    }
  }
  const Endpoint* endpoint = snapshot.endpoint(entrance.listener);
  if (endpoint == nullptr || endpoint->tls != entrance.tls) {
    // A reload has closed this listener or made it another one.
    Admission admission = refused(snapshot.unknown_host_status(entrance.tls), "no_site");
    admission.last = true;
    return admission;
  }
  // HTTP/1.0 may name no host: only a site for every name can take that.
  const Site* site =
      request.host.empty() ? endpoint->sites.any() : endpoint->sites.find(request.host);
  if (site == nullptr) {
    if (request.host.empty()) return refused(400, "malformed");
    return refused(snapshot.unknown_host_status(entrance.tls), "no_site");
  }
  if (entrance.tls && !may_share_connection(*endpoint, entrance, *site, request.host)) {
    Admission admission = refused(421, "misdirected");
    admission.last = outdated(*endpoint, entrance);
    return admission;
  }
  const bool redirects = !entrance.tls && site->uses_tls() && site->settings.redirect_http &&
                         site->https_port != 0 && !request.host.empty();
  if (redirects && !secure_before_us(request, facts)) {
    return to_https(*site, request, certificates);
  }
  if (!entrance.tls && site->only_over_tls()) return refused(421, "misdirected");
  return to_route(*site, request, facts, room);
}

}  // namespace gatehouse::serve
