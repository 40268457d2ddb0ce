#include "tests/support/fake_ca.hpp"

#include <algorithm>

#include "core/base/bytes.hpp"
#include "tests/support/fake_ca_parts.hpp"

namespace gatehouse::test {

using acme::CaReply;
using acme::CaRequest;
using namespace std::chrono_literals;

namespace {

std::string operation_of(const std::string& path) {
  static const std::map<std::string, std::string> kinds = {
      {"dir", "directory"},     {"new-nonce", "nonce"},      {"new-account", "account"},
      {"new-order", "order"},   {"order", "poll"},           {"authz", "poll"},
      {"challenge", "respond"}, {"finalize", "finalize"},    {"cert", "certificate"},
      {"revoke", "revoke"},     {"key-change", "key_change"}};
  const std::string kind = path.substr(0, path.find('/'));
  const auto at = kinds.find(kind);
  return at == kinds.end() ? "unknown" : at->second;
}

}  // namespace

std::size_t number_in(const std::string& path) {
  const std::size_t slash = path.find('/');
  return slash == std::string::npos ? 0 : std::stoul(path.substr(slash + 1));
}

CaReply json_reply(int status, const Json& json) {
  CaReply reply;
  reply.status = status;
  reply.fields.emplace_back("Content-Type", "application/json");
  reply.body = json.dump();
  return reply;
}

FakeCa::FakeCa(Clock& clock, Lifeline& life) : clock_(clock), life_(life) {
  const tls::Validity years{clock.wall() - 24h, clock.wall() + 24h * 3650};
  const auto root = tls::CertificateAuthority::make_root("Fake Root", fresh_key(), years);
  const auto other = tls::CertificateAuthority::make_root("Other Root", fresh_key(), years);
  const tls::PrivateKey key = fresh_key();
  intermediate_ = *root->make_intermediate("Fake Intermediate", key, years);
  alternate_ = *other->make_intermediate("Fake Intermediate", key, years);
}

FakeCa::~FakeCa() = default;

std::string FakeCa::url(const std::string& kind, std::size_t number) const {
  return "https://ca.example/" + kind + "/" + std::to_string(number);
}

std::size_t FakeCa::count(const std::string& operation) const {
  return static_cast<std::size_t>(std::count(log.begin(), log.end(), operation));
}

void FakeCa::refuse_next(const std::string& operation, int status, std::string type,
                         std::string detail, std::string after) {
  CaReply reply = problem(status, type, detail);
  if (type.empty()) reply.body = detail;
  if (!after.empty()) reply.fields.emplace_back("Retry-After", after);
  answer_next(operation, std::move(reply));
}

void FakeCa::answer_next(const std::string& operation, CaReply reply) {
  troubles_.push_back({operation, std::move(reply), std::nullopt});
}

void FakeCa::drop_next(const std::string& operation, Lifeline::At at) {
  troubles_.push_back({operation, std::nullopt, at});
}

void FakeCa::forget_accounts() {
  for (auto& account : accounts_) account->forgotten = true;
}
void FakeCa::forget_orders() {
  for (auto& order : orders_) order->forgotten = true;
}
void FakeCa::deactivate_accounts() {
  for (auto& account : accounts_) account->deactivated = true;
}

CaReply FakeCa::problem(int status, const std::string& type, const std::string& detail) {
  CaReply reply =
      json_reply(status, {{"type", "urn:ietf:params:acme:error:" + type}, {"detail", detail}});
  reply.fields[0].second = "application/problem+json";
  return reply;
}

std::string FakeCa::new_nonce() {
  const std::string nonce = base64url("nonce-" + std::to_string(++next_nonce_));
  nonces_.insert(nonce);
  return nonce;
}

awaitable<Result<CaReply>> FakeCa::send(CaRequest request, Steady) {
  const std::string operation = operation_of(request.url.substr(19));
  log.push_back(operation);
  const Error cut(Fault::closed, Side::ca, "the connection was cut");
  if (silent) co_await clock_.sleep_until(Steady::max());
  if (!life_.begin_step()) co_return cut;
  const auto trouble = std::find_if(troubles_.begin(), troubles_.end(),
                                    [&](const Trouble& t) { return t.operation == operation; });
  std::optional<Trouble> now;
  if (trouble != troubles_.end()) {
    now = std::move(*trouble);
    troubles_.erase(trouble);
  }
  if (now && now->drop == Lifeline::At::before) co_return cut;
  CaReply reply;
  if (now && now->reply) {
    reply = *now->reply;
    if (!request.body.empty()) reply.fields.emplace_back("Replay-Nonce", new_nonce());
  } else {
    reply = handle(request, operation);
  }
  if (!life_.end_step()) co_return cut;
  if (now && now->drop == Lifeline::At::after) co_return cut;
  if (reply.body.size() > request.most_bytes && request.most_bytes > 0) {
    co_return Error(Fault::limit, Side::ca, "the reply is too large");
  }
  co_return reply;
}

CaReply FakeCa::handle(const CaRequest& request, const std::string& operation) {
  if (operation == "directory") {
    Json meta = {{"externalAccountRequired", eab_required},
                 {"termsOfService", "https://ca.example/terms"}};
    for (const std::string& profile : profiles) meta["profiles"][profile] = "a profile";
    return json_reply(200, {{"newNonce", "https://ca.example/new-nonce"},
                            {"newAccount", "https://ca.example/new-account"},
                            {"newOrder", "https://ca.example/new-order"},
                            {"revokeCert", "https://ca.example/revoke"},
                            {"keyChange", "https://ca.example/key-change"},
                            {"x8JkLm", "https://forum.example/a-key-nobody-knows"},
                            {"meta", meta}});
  }
  if (operation == "nonce") {
    if (request.method != "HEAD") complaints.push_back("nonces are asked for with HEAD");
    CaReply reply;
    reply.status = 200;
    reply.fields.emplace_back("Replay-Nonce", new_nonce());
    return reply;
  }
  CaReply reply = signed_request(request, operation);
  reply.fields.emplace_back("Replay-Nonce", new_nonce());
  return reply;
}

CaReply FakeCa::signed_request(const CaRequest& raw, const std::string& operation) {
  if (raw.method != "POST") return problem(405, "malformed", "only POST");
  const Json jws = Json::parse(raw.body);
  if (jws.size() != 3) complaints.push_back("a flattened JWS has three members");
  Request request;
  request.path = raw.url.substr(19);
  request.header = Json::parse(decoded(jws, "protected"));
  request.payload = decoded(jws, "payload");
  const Json& header = request.header;
  const std::string nonce = header.value("nonce", "");
  if (nonces_.erase(nonce) == 0) {
    complaints.push_back("a nonce was used twice or made up");
    return problem(400, "badNonce", "unknown nonce");
  }
  if (reject_nonces > 0) {
    --reject_nonces;
    return problem(400, "badNonce", "rejected for practice");
  }
  if (header.value("url", "") != raw.url) complaints.push_back("`url` is not the request's URL");
  const bool by_key = operation == "account";
  if (header.contains("jwk") != by_key || header.contains("kid") == by_key) {
    complaints.push_back("jwk or kid at the wrong place: " + operation);
  }
  if (by_key) {
    request.jwk = header.at("jwk");
  } else {
    const std::string kid = header.at("kid");
    for (std::size_t i = 0; i < accounts_.size(); ++i) {
      if (url("account", i) == kid && !accounts_[i]->forgotten) request.account = i;
    }
    if (!request.account) return problem(400, "accountDoesNotExist", "unknown kid");
    if (accounts_[*request.account]->deactivated) {
      return problem(403, "unauthorized", "the account is deactivated");
    }
    request.jwk = accounts_[*request.account]->jwk;
  }
  const std::string input =
      jws.at("protected").get<std::string>() + "." + jws.at("payload").get<std::string>();
  if (!verified(request.jwk, input, decoded(jws, "signature"))) {
    complaints.push_back("a signature does not verify");
    return problem(400, "malformed", "signature");
  }
  if (operation == "account") return new_account(request);
  if (operation == "order") return new_order(request);
  if (operation == "respond") return respond(request);
  if (operation == "finalize") return finalize(request);
  if (operation == "certificate") return certificate(request);
  if (operation == "key_change") return key_change(request);
  if (operation == "revoke") return revoke(request);
  if (request.path.starts_with("authz/")) return authorization(request);
  if (!request.payload.empty()) complaints.push_back("an order is fetched with an empty payload");
  const std::size_t at = number_in(request.path);
  if (at >= orders_.size() || orders_[at]->forgotten) return problem(404, "malformed", "no order");
  if (orders_[at]->account != *request.account) return problem(403, "unauthorized", "not yours");
  settle(*orders_[at]);
  return order_reply(*orders_[at]);
}

}  // namespace gatehouse::test
