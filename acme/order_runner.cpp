#include "acme/order_runner.hpp"

#include <algorithm>
#include <exception>
#include <map>

#include "acme/jws.hpp"
#include "acme/order.hpp"
#include "core/base/host.hpp"
#include "core/base/log.hpp"
#include "core/tls/certificate.hpp"
#include "core/tls/certificate_authority.hpp"
#include "core/tls/certificate_request.hpp"
#include "core/tls/digest.hpp"
#include "core/tls/self_handshake.hpp"

namespace gatehouse::acme {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds first_pause{500};
constexpr std::chrono::seconds longest_pause{15};
constexpr std::chrono::seconds longest_retry_after{600};
constexpr int most_finalize_tries = 3;
constexpr int most_respond_tries = 3;
/// A clock that is behind makes fresh certificates look as if from the future.
constexpr std::chrono::hours tolerated_skew{24};

bool contains(const std::vector<std::string>& list, const std::string& wanted) {
  return std::find(list.begin(), list.end(), wanted) != list.end();
}

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

IssueFailure failure(Retry retry, std::string detail) {
  IssueFailure out;
  out.retry = retry;
  out.detail = std::move(detail);
  return out;
}

IssueFailure own_failure(const Error& error) {
  IssueFailure out = failure(Retry::later, error.detail());
  out.whole_ca = true;
  return out;
}

/// How a run of an order ended.
struct Ending {
  enum class Kind {
    issued,
    kept,     // not now, but this order may still become a certificate
    dropped,  // the order is over
    stale,    // it was over before: a fresh one may do
  };
  Kind kind = Kind::dropped;
  Issued issued;
  IssueFailure failure;
};

Ending ended(Ending::Kind kind, IssueFailure why) {
  Ending ending;
  ending.kind = kind;
  ending.failure = std::move(why);
  return ending;
}

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

Result<tls::PrivateKey> make_key(const std::string& type_name) {
  const auto type = tls::key_type(type_name);
  if (!type) return Error(Fault::bad_message, Side::self, "no key type '" + type_name + "'");
  return tls::PrivateKey::generate(*type);
}

std::string probe_name(const std::string& identifier) {
  const auto address = as_address(identifier);
  return address ? reverse_name(*address) : identifier;
}

}  // namespace

/// One call of issue(). Lives in its frame.
class OrderRun {
 public:
  OrderRun(CaIssuer& issuer, IssueRequest request) : issuer_(issuer), request_(std::move(request)) {
    names_ = sorted(request_.names);
  }

  awaitable<IssueOutcome> carry_out();
  /// Takes every answer back. Must not be cancelled.
  awaitable<void> withdraw();

 private:
  enum class Pause { over, out_of_patience };

  awaitable<Result<void>> load();
  awaitable<Result<void>> save();
  awaitable<CaResult<std::string>> profile();
  awaitable<Result<void>> prepare(std::string profile);
  awaitable<Result<void>> renew_key();
  awaitable<Ending> run();
  awaitable<CaResult<Order>> open();
  awaitable<CaResult<OrderView>> look(Order order);
  awaitable<std::optional<Ending>> carry(const Solve& step);
  awaitable<std::optional<Ending>> answer(Authorization authorization);
  awaitable<Result<void>> present(const Authorization& authorization, const Challenge& challenge);
  awaitable<std::optional<Ending>> finalize();
  awaitable<std::optional<Ending>> wait(const Wait& step);
  awaitable<Ending> fetch(std::string url);
  awaitable<Result<tls::CertificatePointer>> prove(std::string chain_pem);
  awaitable<tls::CertificatePointer> prefer(tls::CertificatePointer certificate,
                                            std::vector<std::string> alternates);
  awaitable<Ending> give_up(GiveUp step);
  awaitable<std::optional<Ending>> bear(CaError error);
  awaitable<Pause> pause(std::optional<std::chrono::seconds> hint);
  awaitable<void> drop();
  IssueFailure told(const CaError& error) const { return failure_of(error, clock().wall()); }
  Clock& clock() const { return issuer_.clock_; }

  CaIssuer& issuer_;
  IssueRequest request_;
  std::vector<std::string> names_;
  OrderRecord record_;
  Signer signer_;
  OrderView view_;
  std::map<std::string, int> responded_;  // by authorization URL: how often
  int finalized_ = 0;
  bool key_renewed_ = false;
  bool resumed_ = false;
  Steady deadline_ = Steady::max();
  Wait::For waiting_for_ = Wait::For::authorizations;
  std::chrono::milliseconds next_pause_ = first_pause;
  std::vector<std::string> http_tokens_;
  std::vector<std::string> tls_names_;
};

// The record.

awaitable<Result<void>> OrderRun::load() {
  auto job = [&store = issuer_.store_, ca = issuer_.storage_name(), host = request_.host] {
    return store.load_order(ca, host);
  };
  auto loaded = co_await issuer_.helpers_.run(std::move(job));
  if (loaded && *loaded) record_ = std::move(**loaded);
  if (!loaded && loaded.error().fault() != Fault::bad_message) co_return loaded.error();
  if (!loaded) {
    log::error("stored order ignored", {{"host", request_.host}, {"why", loaded.error().detail()}});
  }
  co_return boost::system::in_place_value;
}

awaitable<Result<void>> OrderRun::save() {
  auto job = [&store = issuer_.store_, ca = issuer_.storage_name(), host = request_.host,
              record = record_] { return store.save_order(ca, host, record); };
  auto saved = co_await issuer_.helpers_.run(std::move(job));
  co_return saved;
}

/// An order that is over. That it could not be forgotten only costs a look at it next time.
awaitable<void> OrderRun::drop() {
  record_.order.reset();
  auto saved = co_await save();
  if (!saved) {
    log::warn("finished order not forgotten",
              {{"host", request_.host}, {"why", saved.error().detail()}});
  }
}

/// The asked profile where the CA has it; addresses choose the short-lived one by themselves
/// (public CAs certify them under no other).
awaitable<CaResult<std::string>> OrderRun::profile() {
  auto directory = co_await issuer_.client_.directory();
  if (!directory) co_return directory.error();
  const bool address = std::any_of(names_.begin(), names_.end(),
                                   [](const std::string& name) { return !!as_address(name); });
  if (request_.profile.empty()) {
    if (address && contains(directory->profiles, "shortlived")) co_return std::string("shortlived");
    co_return std::string();
  }
  if (contains(directory->profiles, request_.profile)) co_return request_.profile;
  Problem problem;
  problem.type = "invalidProfile";
  problem.detail = "the CA offers no profile '" + request_.profile + "'";
  co_return CaError(Doing::order, std::move(problem), std::nullopt);
}

/// Takes the stored order up where it is the one that is wanted, else begins another one. Either
/// way the certificate's key is durable afterwards.
awaitable<Result<void>> OrderRun::prepare(std::string profile) {
  std::optional<PendingOrder>& order = record_.order;
  const bool same = order && order->names == names_ && order->key_type == request_.key_type &&
                    order->profile == profile && !order->key_pem.empty();
  if (same && order->account_url != signer_.url) order->url.clear();
  resumed_ = same && !order->url.empty();
  if (resumed_) co_return boost::system::in_place_value;
  if (!same) {
    PendingOrder fresh;
    fresh.names = names_;
    fresh.key_type = request_.key_type;
    fresh.profile = std::move(profile);
    if (request_.reuse_key) fresh.key_pem = request_.previous_key_pem;
    order = std::move(fresh);
  }
  order->account_url = signer_.url;
  order->started = clock().wall();
  if (!order->key_pem.empty()) {
    auto saved = co_await save();
    co_return saved;
  }
  auto renewed = co_await renew_key();
  co_return renewed;
}

awaitable<Result<void>> OrderRun::renew_key() {
  auto job = [type = request_.key_type] { return make_key(type); };
  auto key = co_await issuer_.helpers_.run(std::move(job));
  if (!key) co_return key.error();
  record_.order->key_pem = key->to_pem();
  auto saved = co_await save();
  co_return saved;
}

// The road of an order.

awaitable<IssueOutcome> OrderRun::carry_out() {
  auto loaded = co_await load();
  if (!loaded) co_return own_failure(loaded.error());
  auto signer = co_await issuer_.client_.account(request_.email);
  if (!signer) co_return told(signer.error());
  signer_ = std::move(*signer);
  auto chosen = co_await profile();
  if (!chosen) co_return told(chosen.error());

  Ending ending;
  // The second round is for a stored order that turns out to be over.
  for (int round = 0; round < 2; ++round) {
    auto ready = co_await prepare(*chosen);
    if (!ready) co_return own_failure(ready.error());
    const bool was_resumed = resumed_;
    ending = co_await run();
    const bool over = ending.kind == Ending::Kind::dropped || ending.kind == Ending::Kind::stale;
    if (over) co_await drop();
    if (ending.kind != Ending::Kind::stale || !was_resumed) break;
    log::info("stored order was over", {{"host", request_.host}, {"why", ending.failure.detail}});
    view_ = OrderView();
  }
  if (ending.kind == Ending::Kind::issued) co_return std::move(ending.issued);
  co_return std::move(ending.failure);
}

awaitable<Ending> OrderRun::run() {
  deadline_ = clock().steady() + issuer_.patience_.authorizations;
  waiting_for_ = Wait::For::authorizations;
  next_pause_ = first_pause;
  auto order = co_await open();
  if (!order) {
    const CaError& error = order.error();
    const bool gone = resumed_ && error.reaction() == Reaction::new_order;
    co_return ended(gone ? Ending::Kind::stale : Ending::Kind::kept, told(error));
  }
  view_.order = std::move(*order);
  for (;;) {
    auto seen = co_await look(view_.order);
    std::optional<Ending> ending;
    if (!seen) {
      ending = co_await bear(seen.error());
      if (ending) co_return std::move(*ending);
      continue;
    }
    view_ = std::move(*seen);
    OrderStep step = next_step(view_);
    if (const auto* solve = std::get_if<Solve>(&step)) {
      ending = co_await carry(*solve);
    } else if (std::holds_alternative<Finalize>(step)) {
      ending = co_await finalize();
    } else if (const auto* waiting = std::get_if<Wait>(&step)) {
      ending = co_await wait(*waiting);
    } else if (auto* download = std::get_if<Download>(&step)) {
      ending = co_await fetch(std::move(download->url));
    } else if (auto* over = std::get_if<GiveUp>(&step)) {
      ending = co_await give_up(std::move(*over));
    }
    if (ending) co_return std::move(*ending);
  }
}

/// The stored order, or a new one whose URL is durable before anything else is asked of it.
awaitable<CaResult<Order>> OrderRun::open() {
  PendingOrder& pending = *record_.order;
  if (!pending.url.empty()) {
    auto order = co_await issuer_.client_.order(pending.url);
    co_return order;
  }
  std::vector<Identifier> identifiers;
  for (const std::string& name : names_) identifiers.push_back(identifier_of(name));
  auto order = co_await issuer_.client_.new_order(std::move(identifiers), pending.profile);
  if (!order) co_return order;
  // The account may have been made anew on the way.
  auto signer = co_await issuer_.client_.account(request_.email);
  if (!signer) co_return signer.error();
  signer_ = std::move(*signer);
  pending.account_url = signer_.url;
  pending.url = order->url;
  auto saved = co_await save();
  if (!saved) co_return CaError(Doing::order, saved.error());
  log::info("acme order opened", {{"host", request_.host}, {"order", pending.url}});
  co_return order;
}

/// The order's authorizations, where its next step depends on them.
awaitable<CaResult<OrderView>> OrderRun::look(Order order) {
  OrderView seen;
  seen.order = std::move(order);
  seen.answered = view_.answered;
  seen.finalize_taken = view_.finalize_taken;
  const bool wanted =
      seen.order.status == OrderStatus::pending || seen.order.status == OrderStatus::invalid;
  if (!wanted) co_return seen;
  for (const std::string& url : seen.order.authorizations) {
    auto authorization = co_await issuer_.client_.authorization(url);
    // Of an order that is over, one that can still be read may tell why.
    const bool matters = seen.order.status == OrderStatus::pending;
    if (!authorization && matters) co_return authorization.error();
    if (authorization) seen.authorizations.push_back(std::move(*authorization));
  }
  co_return seen;
}

/// An error in the middle of an order: bears what passes by itself, and goes on only once the CA
/// has said where the order stands now. A request whose reply was lost may have taken effect.
awaitable<std::optional<Ending>> OrderRun::bear(CaError error) {
  for (;;) {
    const Reaction reaction = error.reaction();
    if (reaction == Reaction::new_order) co_return ended(Ending::Kind::stale, told(error));
    const bool passes = reaction == Reaction::later || reaction == Reaction::wait ||
                        reaction == Reaction::refetch_order || reaction == Reaction::resign;
    if (!passes) co_return ended(Ending::Kind::dropped, told(error));
    std::optional<std::chrono::seconds> hint;
    if (error.retry_at) {
      hint = std::chrono::ceil<std::chrono::seconds>(*error.retry_at - clock().wall());
    }
    const bool limited = reaction == Reaction::wait && !hint;
    if (limited) co_return ended(Ending::Kind::kept, told(error));
    const Pause paused = co_await pause(hint);
    if (paused == Pause::out_of_patience) co_return ended(Ending::Kind::kept, told(error));
    auto order = co_await issuer_.client_.order(record_.order->url);
    if (order) {
      view_.order = std::move(*order);
      co_return std::nullopt;
    }
    error = order.error();
  }
}

// Challenges.

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
  auto certificate = co_await issuer_.helpers_.run(std::move(job));
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

// Waiting.

awaitable<OrderRun::Pause> OrderRun::pause(std::optional<std::chrono::seconds> hint) {
  std::chrono::milliseconds length = next_pause_;
  if (hint) length = std::clamp<std::chrono::milliseconds>(*hint, 1s, longest_retry_after);
  const Steady until = clock().steady() + length;
  if (until > deadline_) co_return Pause::out_of_patience;
  next_pause_ = std::min<std::chrono::milliseconds>(next_pause_ * 3 / 2, longest_pause);
  co_await clock().sleep_until(until);
  co_return Pause::over;
}

awaitable<std::optional<Ending>> OrderRun::wait(const Wait& step) {
  if (step.what == Wait::For::order && waiting_for_ == Wait::For::authorizations) {
    waiting_for_ = step.what;
    deadline_ = clock().steady() + issuer_.patience_.certificate;
    next_pause_ = first_pause;
  }
  const std::optional<std::chrono::seconds> hint = step.retry_after;
  const bool validating = step.what == Wait::For::authorizations;
  const Pause paused = co_await pause(hint);
  if (paused == Pause::out_of_patience) {
    IssueFailure slow = failure(
        Retry::at_time, validating ? "the CA is still validating" : "the CA is still issuing");
    slow.not_before = clock().wall() + std::max<std::chrono::seconds>(hint.value_or(60s), 60s);
    co_return ended(Ending::Kind::kept, std::move(slow));
  }
  auto order = co_await issuer_.client_.order(record_.order->url);
  if (order) {
    view_.order = std::move(*order);
    co_return std::nullopt;
  }
  auto ending = co_await bear(order.error());
  co_return ending;
}

// Certificate.

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
  auto csr = co_await issuer_.helpers_.run(std::move(job));
  if (!csr) co_return ended(Ending::Kind::dropped, own_failure(csr.error()));
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
  auto certificate = co_await issuer_.helpers_.run(std::move(job));
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
    IssueFailure why = own_failure(certificate.error());
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
  ending.issued.chain_pem = preferred->chain_pem();
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

awaitable<Ending> OrderRun::give_up(GiveUp step) {
  IssueFailure why = told(step.error);
  if (!step.name.empty()) why.names.assign(1, step.name);
  if (step.why == GiveUp::Why::stale) {
    why.retry = Retry::now;
    co_return ended(Ending::Kind::stale, std::move(why));
  }
  if (step.error.doing == Doing::validation) {
    why.detail = step.name + ": " + step.challenge + ": " + why.detail;
    auto& failed = record_.failed_challenges;
    if (!step.challenge.empty() && !contains(failed, step.challenge)) {
      failed.push_back(step.challenge);
    }
    const bool another =
        std::any_of(request_.challenges.begin(), request_.challenges.end(),
                    [&](const std::string& kind) { return !contains(failed, kind); });
    // Another kind may do where this one cannot, and begins a new round when all have failed.
    if (another && why.retry == Retry::later) why.retry = Retry::now;
    if (!another) failed.clear();
    // What the dead order leaves pending would only lie around at the CA.
    for (const Authorization& authorization : view_.authorizations) {
      if (authorization.status != AuthorizationStatus::pending) continue;
      co_await issuer_.client_.deactivate_authorization(authorization.url);
    }
  }
  co_return ended(Ending::Kind::dropped, std::move(why));
}

// The issuer.

CaIssuer::CaIssuer(CaClient& client, Outlet& outlet, OrderStore& store, HelperPool& helpers,
                   Clock& clock)
    : CaIssuer(client, outlet, store, helpers, clock, Patience()) {}

CaIssuer::CaIssuer(CaClient& client, Outlet& outlet, OrderStore& store, HelperPool& helpers,
                   Clock& clock, Patience patience)
    : client_(client),
      outlet_(outlet),
      store_(store),
      helpers_(helpers),
      clock_(clock),
      patience_(patience) {}

awaitable<IssueOutcome> CaIssuer::issue(IssueRequest request) {
  OrderRun run(*this, std::move(request));
  IssueOutcome outcome = IssueFailure();
  std::exception_ptr ended_early;
  try {
    outcome = co_await run.carry_out();
  } catch (...) {
    ended_early = std::current_exception();
  }
  // Whoever cancels us must not leave answers standing.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await run.withdraw();
  co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
  if (ended_early) std::rethrow_exception(ended_early);
  co_return outcome;
}

}  // namespace gatehouse::acme
