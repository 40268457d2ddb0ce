#include "tests/support/fake_ca.hpp"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/bytes.hpp"
#include "core/base/host.hpp"
#include "core/tls/digest.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::test {

using acme::CaReply;
using acme::CaRequest;
using Json = nlohmann::json;
using namespace std::chrono_literals;

struct FakeCa::Challenge {
  std::string type;
  std::string token;
  std::string status = "pending";
  std::string error;
};

struct FakeCa::Authorization {
  std::size_t number = 0;
  std::size_t account = 0;
  Json identifier;
  bool wildcard = false;
  std::string status = "pending";
  std::vector<Challenge> challenges;
  std::string verdict;  // what it becomes when its polls are over
  int polls_left = 0;
};

struct FakeCa::Order {
  std::size_t number = 0;
  std::size_t account = 0;
  Json identifiers;
  std::vector<std::size_t> authorizations;
  std::string status = "pending";
  std::string csr;
  int polls_left = 0;
  std::size_t certificate = 0;
  bool forgotten = false;
};

struct FakeCa::Account {
  Json jwk;
  bool forgotten = false;
  bool deactivated = false;
};

struct FakeCa::Certificate {
  std::string chain;
  std::string alternate;
};

/// A signed request, taken apart and found to be good.
struct FakeCa::Request {
  std::string path;
  Json header;
  std::string payload;
  std::optional<std::size_t> account;
  Json jwk;  // of the signer
};

struct FakeCa::Trouble {
  std::string operation;
  std::optional<CaReply> reply;
  std::optional<Lifeline::At> drop;
};

namespace {

using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, tls::FreedBy<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, tls::FreedBy<OSSL_PARAM_free>>;

std::string decoded(const Json& object, const char* name) {
  return *from_base64url(object.at(name).get<std::string>());
}

tls::Number number(const std::string& octets) {
  return tls::Number(BN_bin2bn(tls::octets(octets), tls::int_size(octets), nullptr));
}

tls::KeyHandle public_key(const Json& jwk) {
  const bool ec = jwk.at("kty") == "EC";
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  const std::string point = ec ? "\x04" + decoded(jwk, "x") + decoded(jwk, "y") : std::string();
  tls::Number n;
  tls::Number e;
  if (ec) {
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
    OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                     point.size());
  } else {
    n = number(decoded(jwk, "n"));
    e = number(decoded(jwk, "e"));
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  }
  const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
  const tls::KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, ec ? "EC" : "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  EVP_PKEY_fromdata_init(context.get());
  EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get());
  return tls::KeyHandle(key);
}

std::string ecdsa_der(const std::string& raw) {
  if (raw.size() != 64) return {};
  const std::unique_ptr<ECDSA_SIG, tls::FreedBy<ECDSA_SIG_free>> signature(ECDSA_SIG_new());
  ECDSA_SIG_set0(signature.get(), number(raw.substr(0, 32)).release(),
                 number(raw.substr(32)).release());
  return tls::der<i2d_ECDSA_SIG>(signature.get());
}

bool verified(const Json& jwk, const std::string& input, const std::string& signature) {
  const tls::KeyHandle key = public_key(jwk);
  if (!key) return false;
  const std::string form = jwk.at("kty") == "EC" ? ecdsa_der(signature) : signature;
  const tls::DigestContext context(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), tls::octets(form), form.size(), tls::octets(input),
                          input.size()) == 1;
}

/// nlohmann sorts members: exactly what RFC 7638 wants.
std::string thumbprint_of(const Json& jwk) { return base64url(tls::sha256(jwk.dump())); }

std::set<std::string> names_of(X509_REQ* request) {
  std::set<std::string> names;
  const tls::Extensions extensions(X509_REQ_get_extensions(request));
  const tls::AltNames alt(static_cast<GENERAL_NAMES*>(
      X509V3_get_d2i(extensions.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; alt && i < sk_GENERAL_NAME_num(alt.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alt.get(), i);
    const ASN1_STRING* value = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    const std::string_view octets = tls::text(ASN1_STRING_get0_data(value),
                                              static_cast<std::size_t>(ASN1_STRING_length(value)));
    if (name->type == GEN_DNS) names.insert(std::string(octets));
    if (name->type == GEN_IPADD && octets.size() == 4) {
      asio::ip::address_v4::bytes_type raw;
      std::copy(octets.begin(), octets.end(), raw.begin());
      names.insert(asio::ip::address_v4(raw).to_string());
    }
    if (name->type == GEN_IPADD && octets.size() == 16) {
      asio::ip::address_v6::bytes_type raw;
      std::copy(octets.begin(), octets.end(), raw.begin());
      names.insert(asio::ip::address_v6(raw).to_string());
    }
  }
  return names;
}

tls::PrivateKey fresh_key() { return *tls::PrivateKey::generate(tls::KeyType::p256); }

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

}  // namespace

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

CaReply FakeCa::new_account(Request& request) {
  const Json payload = Json::parse(request.payload);
  const auto same = std::find_if(accounts_.begin(), accounts_.end(), [&](const auto& account) {
    return account->jwk == request.jwk && !account->forgotten;
  });
  std::size_t index = static_cast<std::size_t>(same - accounts_.begin());
  const bool existing = same != accounts_.end();
  if (!existing && payload.value("onlyReturnExisting", false)) {
    return problem(400, "accountDoesNotExist", "unknown key");
  }
  if (!existing) {
    if (!payload.value("termsOfServiceAgreed", false)) {
      return problem(403, "userActionRequired", "agree to the terms");
    }
    if (eab_required) {
      const Json binding = payload.value("externalAccountBinding", Json::object());
      if (binding.empty()) return problem(403, "externalAccountRequired", "no binding");
      const Json inner = Json::parse(decoded(binding, "protected"));
      const auto key = eab_keys.find(inner.at("kid").get<std::string>());
      const std::string input = binding.at("protected").get<std::string>() + "." +
                                binding.at("payload").get<std::string>();
      const bool good = key != eab_keys.end() && inner.at("alg") == "HS256" &&
                        !inner.contains("nonce") && inner.at("url") == request.header.at("url") &&
                        Json::parse(decoded(binding, "payload")) == request.jwk &&
                        tls::hmac_sha256(key->second, input) == decoded(binding, "signature");
      if (!good) return problem(403, "unauthorized", "bad binding");
    }
    last_contact = payload.value("contact", std::vector<std::string>());
    accounts_.push_back(std::make_unique<Account>());
    accounts_.back()->jwk = request.jwk;
    ++accounts_made;
    index = accounts_.size() - 1;
  }
  const bool off = accounts_[index]->deactivated;
  CaReply reply = json_reply(existing ? 200 : 201, {{"status", off ? "deactivated" : "valid"}});
  reply.fields.emplace_back("Location", url("account", index));
  return reply;
}

CaReply FakeCa::new_order(Request& request) {
  const Json payload = Json::parse(request.payload);
  auto order = std::make_unique<Order>();
  order->number = orders_.size();
  order->account = *request.account;
  order->identifiers = payload.at("identifiers");
  for (const Json& asked : order->identifiers) {
    auto authorization = std::make_unique<Authorization>();
    authorization->number = authorizations_.size();
    authorization->account = order->account;
    authorization->identifier = asked;
    const std::string value = asked.at("value");
    authorization->wildcard = value.starts_with("*.");
    if (authorization->wildcard) authorization->identifier["value"] = value.substr(2);
    authorization->status = reuse_valid ? "valid" : "pending";
    for (const std::string& type : challenge_types) {
      Challenge challenge;
      challenge.type = type;
      challenge.token = base64url("token " + std::to_string(authorization->number) + type);
      // Only one of them is public about having none (dns-persist-01).
      if (type == "dns-persist-01") challenge.token.clear();
      authorization->challenges.push_back(std::move(challenge));
    }
    order->authorizations.push_back(authorization->number);
    authorizations_.push_back(std::move(authorization));
  }
  // Real CAs shuffle.
  std::reverse(order->authorizations.begin(), order->authorizations.end());
  std::reverse(order->identifiers.begin(), order->identifiers.end());
  ++orders_made;
  orders_.push_back(std::move(order));
  settle(*orders_.back());
  CaReply reply = order_reply(*orders_.back());
  reply.status = 201;
  reply.fields.emplace_back("Location", url("order", orders_.back()->number));
  return reply;
}

/// Lets time pass for an order: one look at it.
void FakeCa::settle(Order& order) {
  if (order.status == "pending") {
    bool all = true;
    for (const std::size_t index : order.authorizations) {
      const std::string& status = authorizations_[index]->status;
      if (status == "invalid" || status == "deactivated") order.status = "invalid";
      all = all && status == "valid";
    }
    if (all && order.status == "pending") order.status = "ready";
  }
  if (order.status == "processing" && order.polls_left-- <= 0) {
    order.status = "valid";
    auto made = std::make_unique<Certificate>();
    made->chain = issue(order, order.csr);
    const std::size_t leaf = made->chain.find("-----END CERTIFICATE-----") + 26;
    made->alternate = made->chain.substr(0, leaf) + alternate_.certificate_pem();
    order.certificate = certificates_.size();
    certificates_.push_back(std::move(made));
    ++issued;
  }
}

CaReply FakeCa::order_reply(Order& order) {
  Json json = {{"status", order.status},
               {"identifiers", order.identifiers},
               {"finalize", url("finalize", order.number)},
               {"authorizations", Json::array()}};
  for (const std::size_t index : order.authorizations) {
    json["authorizations"].push_back(url("authz", index));
  }
  if (order.status == "valid") json["certificate"] = url("cert", order.certificate);
  CaReply reply = json_reply(200, json);
  if (!retry_after.empty()) reply.fields.emplace_back("Retry-After", retry_after);
  return reply;
}

CaReply FakeCa::authorization(Request& request) {
  const std::size_t at = number_in(request.path);
  if (at >= authorizations_.size()) return problem(404, "malformed", "no authorization");
  Authorization& authorization = *authorizations_[at];
  if (authorization.account != *request.account) return problem(403, "unauthorized", "not yours");
  if (!request.payload.empty()) {
    authorization.status = "deactivated";
    ++deactivated_authorizations;
  }
  if (authorization.status == "pending" && !authorization.verdict.empty() &&
      authorization.polls_left-- <= 0) {
    authorization.status = authorization.verdict;
    for (Challenge& challenge : authorization.challenges) {
      if (challenge.status == "processing") challenge.status = authorization.verdict;
    }
  }
  Json json = {{"status", authorization.status},
               {"identifier", authorization.identifier},
               {"challenges", Json::array()}};
  if (authorization.wildcard) json["wildcard"] = true;
  for (std::size_t i = 0; i < authorization.challenges.size(); ++i) {
    const Challenge& challenge = authorization.challenges[i];
    Json entry = {{"type", challenge.type},
                  {"status", challenge.status},
                  {"url", url("challenge", at * 16 + i)}};
    if (!challenge.token.empty()) entry["token"] = challenge.token;
    if (!challenge.error.empty()) {
      entry["error"] = {{"type", "urn:ietf:params:acme:error:" + challenge.error},
                        {"detail", "what was found there was something else\x1b[31m"}};
    }
    json["challenges"].push_back(std::move(entry));
  }
  CaReply reply = json_reply(200, json);
  if (!retry_after.empty()) reply.fields.emplace_back("Retry-After", retry_after);
  return reply;
}

CaReply FakeCa::respond(Request& request) {
  const std::size_t code = number_in(request.path);
  Authorization& authorization = *authorizations_.at(code / 16);
  Challenge& challenge = authorization.challenges.at(code % 16);
  if (request.payload != "{}") complaints.push_back("a challenge is announced with {}");
  if (authorization.status == "valid") complaints.push_back("a valid authorization was touched");
  if (authorization.status != "pending") return problem(400, "malformed", "it is over");
  if (challenge.status == "pending") {
    ++responses;
    challenge.status = "processing";
    const std::string expected = challenge.token + "." + thumbprint_of(request.jwk);
    const std::string name = authorization.identifier.at("value");
    const bool good = validate && validate(challenge.type, name, challenge.token, expected);
    authorization.verdict = good ? "valid" : "invalid";
    authorization.polls_left = pending_polls;
    if (!good) challenge.error = failure_type.empty() ? "unauthorized" : failure_type;
  } else {
    complaints.push_back("a challenge was announced twice");
  }
  return json_reply(200, {{"type", challenge.type},
                          {"status", challenge.status},
                          {"url", request.header.at("url")},
                          {"token", challenge.token}});
}

CaReply FakeCa::finalize(Request& request) {
  Order& order = *orders_.at(number_in(request.path));
  settle(order);
  ++finalize_calls;
  if (order.status != "ready") {
    complaints.push_back("finalized while " + order.status);
    return problem(403, "orderNotReady", "the order is " + order.status);
  }
  const std::string csr = decoded(Json::parse(request.payload), "csr");
  const unsigned char* at = tls::octets(csr);
  const tls::RequestHandle parsed(d2i_X509_REQ(nullptr, &at, static_cast<long>(csr.size())));
  if (!parsed || X509_REQ_verify(parsed.get(), X509_REQ_get0_pubkey(parsed.get())) != 1) {
    return problem(400, "badCSR", "the request does not verify");
  }
  if (X509_NAME_entry_count(X509_REQ_get_subject_name(parsed.get())) != 0) {
    complaints.push_back("a request has a subject");
  }
  std::set<std::string> wanted;
  for (const Json& identifier : order.identifiers) wanted.insert(identifier.at("value"));
  if (names_of(parsed.get()) != wanted) return problem(403, "unauthorized", "other names");
  const tls::KeyHandle account = public_key(request.jwk);
  if (EVP_PKEY_eq(account.get(), X509_REQ_get0_pubkey(parsed.get())) == 1) {
    return problem(400, "badCSR", "the account's key");
  }
  if (on_finalize) on_finalize(tls::der<i2d_PUBKEY>(X509_REQ_get0_pubkey(parsed.get())));
  order.csr = csr;
  order.status = "processing";
  order.polls_left = processing_polls;
  return order_reply(order);
}

std::string FakeCa::issue(const Order& order, const std::string& csr) {
  const unsigned char* at = tls::octets(csr);
  const tls::RequestHandle request(d2i_X509_REQ(nullptr, &at, static_cast<long>(csr.size())));
  std::shared_ptr<EVP_PKEY> public_half(X509_REQ_get_pubkey(request.get()), EVP_PKEY_free);
  tls::PrivateKey key(public_half, tls::KeyType::p256);
  std::vector<std::string> names;
  for (const Json& identifier : order.identifiers) names.push_back(identifier.at("value"));
  tls::Validity validity{clock_.wall() - 1h, clock_.wall() + 24h * 90};
  if (certificate_is == Wrong::key) key = fresh_key();
  if (certificate_is == Wrong::names) names.assign(1, "other.example");
  if (certificate_is == Wrong::expired) validity.not_after = clock_.wall() - 1min;
  std::string chain = *intermediate_.issue(names, key, validity);
  if (certificate_is == Wrong::chain) {
    const std::size_t leaf = chain.find("-----END CERTIFICATE-----") + 26;
    const tls::Validity years{clock_.wall() - 24h, clock_.wall() + 24h * 3650};
    const auto stranger = tls::CertificateAuthority::make_root("Stranger", fresh_key(), years);
    chain = chain.substr(0, leaf) + stranger->certificate_pem();
  }
  return chain;
}

CaReply FakeCa::certificate(Request& request) {
  if (!request.payload.empty())
    complaints.push_back("a certificate is fetched with an empty payload");
  const bool other = request.path.ends_with("/alternate");
  const Certificate& certificate = *certificates_.at(number_in(request.path));
  CaReply reply;
  reply.status = 200;
  reply.fields.emplace_back("Content-Type", "application/pem-certificate-chain");
  reply.body = other ? certificate.alternate : certificate.chain;
  if (alternate_chain) {
    const std::string base = url("cert", number_in(request.path));
    reply.fields.emplace_back("Link", "<https://ca.example/dir>;rel=\"index\", <" + base +
                                          "/alternate>;rel=\"alternate\"");
  }
  return reply;
}

CaReply FakeCa::key_change(Request& request) {
  const Json inner = Json::parse(request.payload);
  const Json header = Json::parse(decoded(inner, "protected"));
  const Json payload = Json::parse(decoded(inner, "payload"));
  const std::string input =
      inner.at("protected").get<std::string>() + "." + inner.at("payload").get<std::string>();
  const bool good = !header.contains("nonce") && header.at("url") == request.header.at("url") &&
                    payload.at("account") == request.header.at("kid") &&
                    payload.at("oldKey") == request.jwk &&
                    verified(header.at("jwk"), input, decoded(inner, "signature"));
  if (!good) return problem(400, "malformed", "the inner signature");
  accounts_[*request.account]->jwk = header.at("jwk");
  return json_reply(200, Json::object());
}

CaReply FakeCa::revoke(Request& request) {
  const Json payload = Json::parse(request.payload);
  if (decoded(payload, "certificate").empty()) return problem(400, "malformed", "no certificate");
  CaReply reply;
  reply.status = 200;
  return reply;
}

}  // namespace gatehouse::test
