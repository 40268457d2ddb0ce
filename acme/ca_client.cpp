#include "acme/ca_client.hpp"

#include <algorithm>

#include "acme/detail/ca_reply.hpp"
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

bool is_success(int status) { return status >= 200 && status < 300; }

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

}  // namespace

CaClient::CaClient(Settings settings, CaTransport& transport, OrderStore& store,
                   HelperPool& helpers, Clock& clock)
    : settings_(std::move(settings)),
      storage_name_(ca_storage_name(settings_.directory)),
      transport_(transport),
      store_(store),
      helpers_(helpers),
      clock_(clock) {}

CaClient::~CaClient() = default;

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

template <class T>
awaitable<CaResult<T>> CaClient::look_at(std::string url, Result<T> (*parse)(std::string_view)) {
  Post request;
  request.url = url;
  auto reply = co_await post(std::move(request));
  if (!reply) co_return reply.error();
  auto seen = parse(reply->body);
  if (!seen) co_return CaError(Doing::poll, seen.error());
  seen->url = std::move(url);
  seen->retry_after = retry_after(*reply);
  co_return std::move(*seen);
}

awaitable<CaResult<Order>> CaClient::order(std::string url) {
  return look_at(std::move(url), parse_order);
}

awaitable<CaResult<Authorization>> CaClient::authorization(std::string url) {
  return look_at(std::move(url), parse_authorization);
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
