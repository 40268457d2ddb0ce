#include "acme/ca_client.hpp"

#include <algorithm>

#include "acme/jws.hpp"
#include "core/base/log.hpp"
#include "core/base/url.hpp"
#include "core/net/within.hpp"

namespace gatehouse::acme {
namespace {

using namespace std::chrono_literals;

constexpr int most_nonce_tries = 10;
constexpr int most_redirects = 3;
constexpr std::chrono::hours directory_age{24};
constexpr std::chrono::hours between_recreations{24};

bool is_success(int status) { return status >= 200 && status < 300; }

CaError broken(Doing doing, std::string_view why) {
  return CaError(doing, Error(Fault::bad_message, Side::ca, std::string(why)));
}

Problem own_problem(std::string_view type, std::string_view detail) {
  Problem problem;
  problem.type = type;
  problem.detail = detail;
  return problem;
}

std::string https_location(const CaReply& reply) {
  std::string location = reply.field("Location");
  const auto url = Url::parse(location);
  return url && url->secure() ? location : std::string();
}

std::size_t certificates_in(std::string_view pem) {
  constexpr std::string_view mark = "-----BEGIN CERTIFICATE-----";
  std::size_t count = 0;
  for (std::size_t at = pem.find(mark); at != std::string_view::npos; at = pem.find(mark, at + 1)) {
    ++count;
  }
  return count;
}

/// What challenges and orders have become after a lost reply is asked, not assumed.
bool repeatable(Doing doing) { return doing != Doing::respond && doing != Doing::finalize; }

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

CaClient::CaClient(Settings settings, CaTransport& transport, OrderStore& store,
                   HelperPool& helpers, Clock& clock)
    : settings_(std::move(settings)),
      storage_name_(ca_storage_name(settings_.directory)),
      transport_(transport),
      store_(store),
      helpers_(helpers),
      clock_(clock) {}

CaClient::~CaClient() = default;

awaitable<void> CaClient::turn_free() {
  auto executor = co_await asio::this_coro::executor;
  while (busy_) {
    if (!freed_) freed_ = std::make_shared<asio::steady_timer>(executor, Steady::max());
    auto freed = freed_;
    co_await freed->async_wait(as_result);
  }
}

// Requests and nonces.

awaitable<Result<CaReply>> CaClient::send(CaRequest request) {
  const Steady deadline = clock_.steady() + settings_.request_timeout;
  const std::string doing = request.method + " " + request.url;
  auto work = transport_.send(std::move(request), deadline);
  auto reply = co_await net::within(clock_, deadline, Side::ca, std::move(work));
  if (!reply) {
    Error error = reply.error();
    const bool told = error.detail().find(doing) != std::string::npos;
    if (told) co_return error;
    co_return std::move(error).within(doing);
  }
  log::debug("acme request answered", {{"request", doing}, {"status", reply->status}});
  co_return reply;
}

std::optional<std::chrono::seconds> CaClient::retry_after(const CaReply& reply) const {
  return parse_retry_after(reply.field("Retry-After"), clock_.wall());
}

CaError CaClient::refused(Doing doing, const CaReply& reply) const {
  Problem problem = parse_problem(reply.body, reply.status);
  std::optional<Wall> when;
  if (const auto wait = retry_after(reply)) when = clock_.wall() + *wait;
  if (!when && problem.type == "rateLimited") when = retry_time_in(problem.detail);
  for (const std::string& terms : links(reply.all("Link"), "terms-of-service")) {
    problem.detail += " (terms of service: " + log::escaped(terms, 300) + ")";
  }
  return CaError(doing, std::move(problem), when);
}

awaitable<CaResult<Directory>> CaClient::directory() {
  if (directory_ && clock_.steady() - directory_since_ < directory_age) co_return *directory_;
  std::string url = settings_.directory;
  for (int redirects = 0; redirects <= most_redirects; ++redirects) {
    CaRequest request;
    request.method = "GET";
    request.url = url;
    request.accept = "application/json";
    request.most_bytes = most_reply_bytes;
    auto reply = co_await send(std::move(request));
    if (!reply) co_return CaError(Doing::directory, reply.error());
    if (is_success(reply->status)) {
      auto directory = parse_directory(reply->body);
      if (!directory) co_return CaError(Doing::directory, directory.error());
      directory_ = std::move(*directory);
      directory_since_ = clock_.steady();
      co_return *directory_;
    }
    url = https_location(*reply);
    const bool redirect = reply->status >= 300 && reply->status < 400 && !url.empty();
    if (!redirect) co_return refused(Doing::directory, *reply);
  }
  co_return broken(Doing::directory, "the directory is redirected too often");
}

awaitable<CaResult<std::string>> CaClient::nonce() {
  if (auto pooled = nonces_.take(clock_.steady())) co_return std::move(*pooled);
  auto where = co_await directory();
  if (!where) co_return where.error();
  CaRequest request;
  request.method = "HEAD";
  request.url = where->new_nonce;
  auto reply = co_await send(std::move(request));
  if (!reply) co_return CaError(Doing::nonce, reply.error());
  if (!is_success(reply->status)) co_return refused(Doing::nonce, *reply);
  std::string fresh = reply->field("Replay-Nonce");
  if (!valid_nonce(fresh)) co_return broken(Doing::nonce, "newNonce answered without a nonce");
  co_return fresh;
}

awaitable<CaResult<CaReply>> CaClient::exchange(Post post, Signer signer) {
  CaError last;
  bool cut = false;
  for (int tries = 0; tries < most_nonce_tries; ++tries) {
    auto fresh = co_await nonce();
    if (!fresh) {
      last = fresh.error();
      last.doing = post.doing;
      co_return last;
    }
    JwsHeader header;
    header.url = post.url;
    header.nonce = std::move(*fresh);
    header.account_url = signer.url;
    auto body = sign_jws(signer.key, header, post.payload);
    if (!body) co_return CaError(post.doing, body.error());
    CaRequest request;
    request.method = "POST";
    request.url = post.url;
    request.accept = post.accept;
    request.body = std::move(*body);
    request.most_bytes = post.most_bytes;
    auto reply = co_await send(std::move(request));
    if (!reply) {
      last = CaError(post.doing, reply.error());
      // Most likely an idle connection that the CA had closed. With a fresh nonce on a fresh
      // connection once more, where doing it twice does no harm.
      const bool again = reply.error().fault() == Fault::closed && !cut && repeatable(post.doing);
      if (!again) co_return last;
      cut = true;
      continue;
    }
    std::string next = reply->field("Replay-Nonce");
    // Two in a row: whatever else is in the pool is as dead as these were.
    const bool success = is_success(reply->status);
    if (!success) last = refused(post.doing, *reply);
    const bool again = !success && last.reaction() == Reaction::resign;
    if (again && tries > 0) nonces_.clear();
    if (valid_nonce(next)) nonces_.put(std::move(next), clock_.steady());
    if (success) co_return std::move(*reply);
    if (!again) co_return last;
  }
  co_return last;
}

awaitable<CaResult<CaReply>> CaClient::post(Post post) {
  auto signer = co_await account(std::string());
  if (!signer) co_return signer.error();
  auto reply = co_await exchange(post, *signer);
  if (!reply && reply.error().reaction() == Reaction::recreate_account) {
    auto anew = co_await recreate_account(signer->url);
    if (!anew) co_return anew.error();
    reply = co_await exchange(post, std::move(*anew));
  }
  if (!reply && reply.error().problem) {
    // A resource that is not where the directory said it is.
    const int status = reply.error().problem->status;
    if (post.doing == Doing::order && (status == 404 || status == 405)) directory_.reset();
  }
  co_return reply;
}

// The account.

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

// Orders.

awaitable<CaResult<Order>> CaClient::new_order(std::vector<Identifier> identifiers,
                                               std::string profile) {
  auto where = co_await directory();
  if (!where) co_return where.error();
  Post request;
  request.doing = Doing::order;
  request.url = where->new_order;
  request.payload = order_payload(identifiers, profile);
  auto reply = co_await post(std::move(request));
  if (!reply) co_return reply.error();
  auto order = parse_order(reply->body);
  if (!order) co_return CaError(Doing::order, order.error());
  order->url = https_location(*reply);
  order->retry_after = retry_after(*reply);
  if (order->url.empty()) co_return broken(Doing::order, "newOrder answered without a Location");
  co_return std::move(*order);
}

awaitable<CaResult<Order>> CaClient::order(std::string url) {
  Post request;
  request.url = url;
  auto reply = co_await post(std::move(request));
  if (!reply) co_return reply.error();
  auto order = parse_order(reply->body);
  if (!order) co_return CaError(Doing::poll, order.error());
  order->url = std::move(url);
  order->retry_after = retry_after(*reply);
  co_return std::move(*order);
}

awaitable<CaResult<Authorization>> CaClient::authorization(std::string url) {
  Post request;
  request.url = url;
  auto reply = co_await post(std::move(request));
  if (!reply) co_return reply.error();
  auto authorization = parse_authorization(reply->body);
  if (!authorization) co_return CaError(Doing::poll, authorization.error());
  authorization->url = std::move(url);
  authorization->retry_after = retry_after(*reply);
  co_return std::move(*authorization);
}

awaitable<CaResult<Challenge>> CaClient::respond(std::string url) {
  Post request;
  request.doing = Doing::respond;
  request.url = std::move(url);
  request.payload = "{}";
  auto reply = co_await post(std::move(request));
  if (!reply) co_return reply.error();
  auto challenge = parse_challenge(reply->body);
  if (!challenge) co_return CaError(Doing::respond, challenge.error());
  co_return std::move(*challenge);
}

awaitable<CaResult<Order>> CaClient::finalize(std::string order_url, std::string finalize_url,
                                              std::string csr_der) {
  Post request;
  request.doing = Doing::finalize;
  request.url = std::move(finalize_url);
  request.payload = finalize_payload(csr_der);
  auto reply = co_await post(std::move(request));
  if (!reply) co_return reply.error();
  auto order = parse_order(reply->body);
  if (!order) co_return CaError(Doing::finalize, order.error());
  order->url = std::move(order_url);
  order->retry_after = retry_after(*reply);
  co_return std::move(*order);
}

awaitable<CaResult<DownloadedChain>> CaClient::download(std::string url) {
  Post request;
  request.doing = Doing::download;
  request.url = std::move(url);
  request.accept = "application/pem-certificate-chain";
  request.most_bytes = most_certificate_bytes;
  auto reply = co_await post(std::move(request));
  if (!reply) co_return reply.error();
  const std::size_t count = certificates_in(reply->body);
  if (count == 0) co_return broken(Doing::download, "the certificate's reply holds none");
  if (count > most_certificates) {
    co_return broken(Doing::download, "the certificate's chain is longer than any real one");
  }
  DownloadedChain downloaded;
  downloaded.chain_pem = std::move(reply->body);
  downloaded.alternates = links(reply->all("Link"), "alternate");
  downloaded.alternates.resize(std::min(downloaded.alternates.size(), most_certificates));
  co_return downloaded;
}

awaitable<CaResult<CaReply>> CaClient::deactivate_authorization(std::string url) {
  Post request;
  request.url = std::move(url);
  request.payload = deactivate_payload();
  auto reply = co_await post(std::move(request));
  co_return reply;
}

awaitable<CaResult<CaReply>> CaClient::revoke(std::string certificate_der,
                                              std::optional<int> reason) {
  auto where = co_await directory();
  if (!where) co_return where.error();
  Post request;
  request.doing = Doing::revoke;
  request.url = where->revoke_cert;
  request.payload = revoke_payload(certificate_der, reason);
  auto reply = co_await post(request);
  if (!reply && reply.error().reaction() == Reaction::drop_reason && reason) {
    request.payload = revoke_payload(certificate_der, std::nullopt);
    reply = co_await post(std::move(request));
  }
  if (!reply && reply.error().reaction() == Reaction::already_done) co_return CaReply();
  co_return reply;
}

}  // namespace gatehouse::acme
