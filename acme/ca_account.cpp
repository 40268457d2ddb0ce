// CaClient's account: made, found again, mended, its key changed (RFC 8555 §7.3).
#include <algorithm>

#include "acme/ca_client.hpp"
#include "acme/detail/ca_reply.hpp"
#include "acme/jws.hpp"
#include "core/base/log.hpp"

namespace gatehouse::acme {
namespace {

constexpr std::chrono::hours between_recreations{24};

Problem own_problem(std::string_view type, std::string_view detail) {
  Problem problem;
  problem.type = type;
  problem.detail = detail;
  return problem;
}

/// Another type of account key where the CA does not take this one's; ES256 is what RFC 8555 §6.2
/// asks every CA to take.
tls::KeyType other_type(tls::KeyType refused) {
  return refused == tls::KeyType::p256 ? tls::KeyType::rsa2048 : tls::KeyType::p256;
}

}  // namespace

/// Holds the account for one caller: two at once would make two accounts.
class CaClient::Turn {
 public:
  explicit Turn(CaClient& client) : client_(client) { client_.busy_ = true; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    client_.busy_ = false;
    if (client_.freed_) client_.freed_->cancel();
  }

 private:
  CaClient& client_;
};

awaitable<void> CaClient::turn_free() {
  auto executor = co_await asio::this_coro::executor;
  while (busy_) {
    if (!freed_) freed_ = std::make_shared<asio::steady_timer>(executor, Steady::max());
    auto freed = freed_;
    co_await freed->async_wait(as_result);
  }
}

awaitable<Result<AccountRecord>> CaClient::load_account() {
  auto job = [&store = store_, ca = storage_name_] { return store.load_account(ca); };
  auto loaded = co_await helpers_.run(std::move(job));
  if (loaded && !*loaded) co_return AccountRecord();
  if (loaded && (*loaded)->directory == settings_.directory) co_return std::move(**loaded);
  if (!loaded && loaded.error().fault() != Fault::bad_message) co_return loaded.error();
  // Damaged, or another CA's: put aside, never thrown away.
  const std::string why =
      loaded ? "it belongs to " + (*loaded)->directory : loaded.error().detail();
  log::error("stored acme account put aside", {{"ca", storage_name_}, {"why", why}});
  auto archived = co_await archive_account();
  if (!archived) co_return archived.error();
  co_return AccountRecord();
}

awaitable<Result<void>> CaClient::save_account(AccountRecord record) {
  auto job = [&store = store_, ca = storage_name_, kept = std::move(record)] {
    return store.save_account(ca, kept);
  };
  auto saved = co_await helpers_.run(std::move(job));
  co_return saved;
}

awaitable<Result<void>> CaClient::archive_account() {
  auto job = [&store = store_, ca = storage_name_, now = clock_.wall()] {
    return store.archive_account(ca, now);
  };
  auto archived = co_await helpers_.run(std::move(job));
  co_return archived;
}

awaitable<CaResult<Signer>> CaClient::account(std::string email) {
  co_await turn_free();
  if (!signer_.url.empty()) co_return signer_;
  const Turn turn(*this);
  auto opened = co_await open_account(std::move(email));
  co_return opened;
}

awaitable<CaResult<Signer>> CaClient::open_account(std::string email) {
  auto record = co_await load_account();
  if (!record) co_return CaError(Doing::account, record.error());
  if (record->key_pem.empty()) {
    record->email = std::move(email);
    auto made = co_await make_account(std::move(*record), tls::KeyType::p256);
    co_return made;
  }
  auto key = tls::PrivateKey::from_pem(record->key_pem);
  if (!key) {
    log::error("stored acme account key is damaged",
               {{"ca", storage_name_}, {"why", key.error().detail()}});
    auto archived = co_await archive_account();
    if (!archived) co_return CaError(Doing::account, archived.error());
    AccountRecord empty;
    empty.email = std::move(email);
    auto made = co_await make_account(std::move(empty), tls::KeyType::p256);
    co_return made;
  }
  if (!record->url.empty() && record->next_key_pem.empty()) {
    signer_.url = record->url;
    signer_.key = std::move(*key);
    co_return signer_;
  }
  auto settled = co_await settle_account(std::move(*record), std::move(*key));
  co_return settled;
}

/// There is a key but no URL, or two keys: an earlier life ended in between. Asks the CA what it
/// knows (RFC 8555 §7.3.1).
awaitable<CaResult<Signer>> CaClient::settle_account(AccountRecord record, tls::PrivateKey key) {
  if (!record.next_key_pem.empty()) {
    auto next = tls::PrivateKey::from_pem(record.next_key_pem);
    if (next) {
      auto changed = co_await find_account(*next);
      if (!changed) co_return changed.error();
      if (!changed->empty()) {
        record.key_pem = std::move(record.next_key_pem);
        record.next_key_pem.clear();
        auto kept = co_await keep_account(std::move(record), std::move(*next), std::move(*changed));
        co_return kept;
      }
    }
    record.next_key_pem.clear();
  }
  auto known = co_await find_account(key);
  if (!known) co_return known.error();
  if (known->empty()) {
    record.url.clear();
    auto registered = co_await register_account(std::move(record), std::move(key));
    co_return registered;
  }
  auto kept = co_await keep_account(std::move(record), std::move(key), std::move(*known));
  co_return kept;
}

awaitable<CaResult<Signer>> CaClient::keep_account(AccountRecord record, tls::PrivateKey key,
                                                   std::string url) {
  record.url = url;
  auto saved = co_await save_account(std::move(record));
  if (!saved) co_return CaError(Doing::account, saved.error());
  signer_.url = std::move(url);
  signer_.key = std::move(key);
  co_return signer_;
}

/// A new key, durable before the CA hears of it.
awaitable<CaResult<Signer>> CaClient::make_account(AccountRecord record, tls::KeyType type) {
  auto job = [type] { return tls::PrivateKey::generate(type); };
  auto key = co_await helpers_.run(job);
  if (!key) co_return CaError(Doing::account, key.error());
  record.directory = settings_.directory;
  record.url.clear();
  record.key_pem = key->to_pem();
  auto saved = co_await save_account(record);
  if (!saved) co_return CaError(Doing::account, saved.error());
  auto registered = co_await register_account(std::move(record), std::move(*key));
  co_return registered;
}

awaitable<CaResult<Signer>> CaClient::register_account(AccountRecord record, tls::PrivateKey key) {
  auto where = co_await directory();
  if (!where) co_return where.error();
  record.terms = where->terms_of_service;
  NewAccount wanted;
  wanted.email = record.email;
  auto url = co_await post_account(wanted, key);
  if (!url && url.error().reaction() == Reaction::drop_contact && !wanted.email.empty()) {
    log::warn("acme account made without contact",
              {{"ca", storage_name_}, {"why", url.error().error.detail()}});
    wanted.email.clear();
    url = co_await post_account(wanted, key);
  }
  const bool first_key = key.type() == tls::KeyType::p256;
  if (!url && url.error().reaction() == Reaction::other_algorithm && first_key) {
    log::warn("acme account key changed to another type",
              {{"ca", storage_name_}, {"why", url.error().error.detail()}});
    auto made = co_await make_account(std::move(record), other_type(key.type()));
    co_return made;
  }
  if (!url) co_return url.error();
  log::info("acme account ready",
            {{"ca", storage_name_}, {"account", *url}, {"terms", record.terms}});
  auto kept = co_await keep_account(std::move(record), std::move(key), std::move(*url));
  co_return kept;
}

awaitable<CaResult<std::string>> CaClient::find_account(tls::PrivateKey key) {
  NewAccount existing;
  existing.only_existing = true;
  auto url = co_await post_account(existing, std::move(key));
  if (!url && url.error().reaction() == Reaction::recreate_account) co_return std::string();
  co_return url;
}

awaitable<CaResult<std::string>> CaClient::post_account(NewAccount account, tls::PrivateKey key) {
  auto where = co_await directory();
  if (!where) co_return where.error();
  if (settings_.binding && !account.only_existing) {
    auto binding = external_account_binding(settings_.binding->key_id, settings_.binding->hmac_key,
                                            where->new_account, key);
    if (!binding) {
      co_return CaError(Doing::account,
                        own_problem("externalAccountRequired", binding.error().detail()), {});
    }
    account.binding = std::move(*binding);
  } else if (where->eab_required && !account.only_existing) {
    co_return CaError(
        Doing::account,
        own_problem("externalAccountRequired", "the CA wants an `eab` for this issuer"), {});
  }
  Post post;
  post.doing = Doing::account;
  post.url = where->new_account;
  post.payload = account_payload(account);
  Signer signer;
  signer.key = std::move(key);
  auto reply = co_await exchange(std::move(post), std::move(signer));
  if (!reply) co_return reply.error();
  auto known = parse_account(reply->body);
  const AccountStatus status = known ? known->status : AccountStatus::unknown;
  if (status == AccountStatus::deactivated || status == AccountStatus::revoked) {
    co_return CaError(Doing::account,
                      own_problem("unauthorized", "the account was deactivated or revoked"), {});
  }
  std::string url = https_location(*reply);
  if (url.empty()) co_return broken(Doing::account, "newAccount answered without a Location");
  co_return url;
}

awaitable<CaResult<Signer>> CaClient::recreate_account(std::string forgotten) {
  co_await turn_free();
  if (signer_.url != forgotten && !signer_.url.empty()) co_return signer_;
  const Turn turn(*this);
  auto record = co_await load_account();
  if (!record) co_return CaError(Doing::account, record.error());
  auto known = co_await find_account(signer_.key);
  if (!known) co_return known.error();
  if (!known->empty()) {
    auto kept = co_await keep_account(std::move(*record), signer_.key, std::move(*known));
    co_return kept;
  }
  // A CA that forgets every account must not get a new one with every order.
  const Wall now = clock_.wall();
  if (recreated_ && now - *recreated_ < between_recreations) {
    co_return CaError(Doing::account,
                      own_problem("accountDoesNotExist", "the CA forgot the account once more"),
                      {});
  }
  log::error("acme account made anew: CAA records that name the old one must be changed",
             {{"ca", storage_name_}, {"forgotten", forgotten}});
  auto archived = co_await archive_account();
  if (!archived) co_return CaError(Doing::account, archived.error());
  recreated_ = now;
  signer_ = Signer();
  AccountRecord fresh;
  fresh.email = record->email;
  auto made = co_await make_account(std::move(fresh), tls::KeyType::p256);
  co_return made;
}

awaitable<CaResult<Signer>> CaClient::change_key(tls::KeyType type) {
  auto old = co_await account(std::string());
  if (!old) co_return old.error();
  auto where = co_await directory();
  if (!where) co_return where.error();
  co_await turn_free();
  const Turn turn(*this);
  auto record = co_await load_account();
  if (!record) co_return CaError(Doing::key_change, record.error());
  auto job = [type] { return tls::PrivateKey::generate(type); };
  auto next = co_await helpers_.run(job);
  if (!next) co_return CaError(Doing::key_change, next.error());
  record->next_key_pem = next->to_pem();
  auto pending = co_await save_account(*record);
  if (!pending) co_return CaError(Doing::key_change, pending.error());

  JwsHeader inner;
  inner.url = where->key_change;
  auto payload = sign_jws(*next, inner, key_change_payload(old->url, canonical_jwk(old->key)));
  if (!payload) co_return CaError(Doing::key_change, payload.error());
  Post post;
  post.doing = Doing::key_change;
  post.url = where->key_change;
  post.payload = std::move(*payload);
  // From here to the reply nobody knows which key is live: the next account() asks.
  const std::string url = signer_.url;
  signer_ = Signer();
  auto reply = co_await exchange(std::move(post), *old);
  if (!reply) co_return reply.error();
  record->key_pem = std::move(record->next_key_pem);
  record->next_key_pem.clear();
  auto kept = co_await keep_account(std::move(*record), std::move(*next), url);
  co_return kept;
}

}  // namespace gatehouse::acme
