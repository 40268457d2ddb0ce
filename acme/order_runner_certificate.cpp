// The last part of an order: the request for the certificate, and what must be so of what comes.
#include <algorithm>

#include "acme/detail/order_run.hpp"
#include "core/base/log.hpp"
#include "core/tls/certificate_request.hpp"
#include "core/tls/self_handshake.hpp"

namespace gatehouse::acme {
namespace {

constexpr int most_finalize_tries = 3;
/// A clock that is behind makes fresh certificates look as if from the future.
constexpr std::chrono::hours tolerated_skew{24};

/// What must be so before a certificate may replace another one. Parsing has checked that the key
/// is ours and that the chain links.
Result<tls::CertificatePointer> proven(const std::string& chain_pem, const std::string& key_pem,
                                       const std::vector<std::string>& names, Wall now) {
  auto certificate = tls::Certificate::parse(chain_pem, key_pem);
  if (!certificate) return certificate;
  for (const std::string& name : names) {
    if (!contains((*certificate)->names(), name)) {
      return Error(Fault::bad_message, Side::ca, "the certificate is not for " + name);
    }
  }
  if ((*certificate)->not_after() <= now) {
    return Error(Fault::bad_message, Side::ca, "the certificate has expired");
  }
  if ((*certificate)->not_before() > now + tolerated_skew) {
    return Error(Fault::bad_message, Side::ca, "the certificate is not valid yet");
  }
  auto shaken = tls::shake_hands_with_ourselves(**certificate);
  if (!shaken) return shaken.error();
  return certificate;
}

}  // namespace

awaitable<std::optional<Ending>> OrderRun::finalize() {
  if (++finalized_ > most_finalize_tries) {
    IssueFailure why = failure(Retry::later, "the order stays ready though it was finalized");
    co_return ended(Ending::Kind::kept, std::move(why));
  }
  if (waiting_for_ == Wait::For::authorizations) {
    waiting_for_ = Wait::For::order;
    deadline_ = clock().steady() + issuer_.patience_.certificate;
    next_pause_ = first_pause;
  }
  auto job = [names = names_, pem = record_.order->key_pem]() -> Result<std::string> {
    auto key = tls::PrivateKey::from_pem(pem);
    if (!key) return key.error();
    return tls::make_certificate_request(names, *key);
  };
  auto csr = co_await issuer_.helpers_.run_in_turn(std::move(job));
  if (!csr) co_return ended(Ending::Kind::dropped, failure(Retry::later, csr.error().detail()));
  auto order =
      co_await issuer_.client_.finalize(record_.order->url, view_.order.finalize, std::move(*csr));
  if (order) {
    view_.finalize_taken = true;
    view_.order = std::move(*order);
    co_return std::nullopt;
  }
  if (order.error().reaction() == Reaction::new_key && !key_renewed_) {
    // The CA refuses this very key (RFC 8555 §6.7 badCSR); the order is still ready for another.
    log::warn("certificate key replaced",
              {{"host", request_.host}, {"why", order.error().error.detail()}});
    key_renewed_ = true;
    auto renewed = co_await renew_key();
    if (!renewed) co_return ended(Ending::Kind::kept, own_failure(renewed.error()));
    co_return std::nullopt;
  }
  // A lost reply looks like this, too: the order itself tells whether it went through.
  auto ending = co_await bear(order.error());
  co_return ending;
}

awaitable<Result<tls::CertificatePointer>> OrderRun::prove(std::string chain_pem) {
  auto job = [chain = std::move(chain_pem), key = record_.order->key_pem, names = names_,
              now = clock().wall()] { return proven(chain, key, names, now); };
  auto certificate = co_await issuer_.helpers_.run_in_turn(std::move(job));
  co_return certificate;
}

awaitable<Ending> OrderRun::fetch(std::string url) {
  auto downloaded = co_await issuer_.client_.download(url);
  while (!downloaded) {
    auto ending = co_await bear(downloaded.error());
    if (ending) co_return std::move(*ending);
    downloaded = co_await issuer_.client_.download(url);
  }
  auto certificate = co_await prove(std::move(downloaded->chain_pem));
  if (!certificate) {
    // This certificate's trouble: what the CA makes for other names may well be good.
    IssueFailure why = failure(Retry::later, certificate.error().detail());
    co_return ended(Ending::Kind::stale, std::move(why));
  }
  if ((*certificate)->not_before() > clock().wall()) {
    log::warn("certificate begins in the future: this machine's clock is behind",
              {{"host", request_.host}});
  }
  auto preferred = co_await prefer(std::move(*certificate), std::move(downloaded->alternates));
  if (!record_.failed_challenges.empty()) {
    record_.failed_challenges.clear();
    auto saved = co_await save();
    if (!saved)
      log::warn("order not saved", {{"host", request_.host}, {"why", saved.error().detail()}});
  }
  Ending ending;
  ending.kind = Ending::Kind::issued;
  ending.issued.certificate = std::move(preferred);
  ending.issued.key_pem = record_.order->key_pem;
  ending.issued.ca = issuer_.storage_name();
  co_return ending;
}

/// Among the chains the CA offers the one that ends at the wanted issuer (RFC 8555 §7.4.2).
awaitable<tls::CertificatePointer> OrderRun::prefer(tls::CertificatePointer certificate,
                                                    std::vector<std::string> alternates) {
  const std::string& wanted = request_.preferred_chain;
  if (wanted.empty() || certificate->last_issuer_common_name() == wanted) co_return certificate;
  for (std::string& url : alternates) {
    auto downloaded = co_await issuer_.client_.download(std::move(url));
    if (!downloaded) continue;
    auto other = co_await prove(std::move(downloaded->chain_pem));
    if (other && (*other)->last_issuer_common_name() == wanted) co_return std::move(*other);
  }
  log::warn("preferred chain not offered", {{"host", request_.host},
                                            {"wanted", wanted},
                                            {"got", certificate->last_issuer_common_name()}});
  co_return certificate;
}

}  // namespace gatehouse::acme
