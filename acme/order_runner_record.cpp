// What of an order is durable, and from when on.
#include <algorithm>

#include "acme/detail/order_run.hpp"
#include "core/base/host.hpp"
#include "core/base/log.hpp"

namespace gatehouse::acme {
namespace {

/// PKCS#8 PEM.
Result<std::string> make_key(const std::string& type_name) {
  const auto type = tls::key_type(type_name);
  if (!type) return Error(Fault::bad_message, Side::self, "no key type '" + type_name + "'");
  auto key = tls::PrivateKey::generate(*type);
  if (!key) return key.error();
  return key->to_pem();
}

}  // namespace

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
  auto pem = co_await issuer_.helpers_.run(std::move(job));
  if (!pem) co_return pem.error();
  record_.order->key_pem = std::move(*pem);
  auto saved = co_await save();
  co_return saved;
}

}  // namespace gatehouse::acme
