#include "acme/wire.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "acme/detail/https_url.hpp"
#include "acme/order_store.hpp"
#include "core/base/bytes.hpp"
#include "core/base/host.hpp"
#include "core/base/log.hpp"
#include "core/base/time_format.hpp"
#include "core/base/url.hpp"

namespace gatehouse::acme {
namespace {

using Json = nlohmann::json;

constexpr std::size_t most_depth = 32;
constexpr std::size_t most_values = 20'000;
constexpr std::size_t most_members = 1000;  // identifiers, authorizations, challenges, subproblems
constexpr std::string_view urn = "urn:ietf:params:acme:error:";

Error broken(std::string_view what, std::string_view why) {
  return Error(Fault::bad_message, Side::ca, std::string(what) + " " + std::string(why));
}

/// Bounds what the parser will build: nesting costs stack and every value costs memory, and both
/// are the sender's choice.
bool modest(std::string_view text) {
  std::size_t depth = 0;
  std::size_t values = 1;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
      continue;
    }
    if (c == '"') quoted = true;
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && depth > 0) --depth;
    if (c == ',' || c == '[' || c == '{') ++values;
    if (depth > most_depth || values > most_values) return false;
  }
  return true;
}

Result<Json> parse_object(std::string_view text, std::string_view what) {
  if (text.size() > most_reply_bytes) return broken(what, "is too large");
  if (!modest(text)) return broken(what, "is nested too deep or has too many values");
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return broken(what, "is not JSON");
  if (!json.is_object()) return broken(what, "is not a JSON object");
  return json;
}

/// Empty where the member is missing or something else than a string.
std::string text_of(const Json& object, const char* name) {
  const auto at = object.find(name);
  if (at == object.end() || !at->is_string()) return {};
  return at->get<std::string>();
}

const Json* member(const Json& object, const char* name, Json::value_t kind) {
  const auto at = object.find(name);
  return at == object.end() || at->type() != kind ? nullptr : &*at;
}

const Json* list_of(const Json& object, const char* name) {
  const Json* list = member(object, name, Json::value_t::array);
  return list != nullptr && list->size() <= most_members ? list : nullptr;
}

Result<std::string> url_of(const Json& object, const char* name, std::string_view what) {
  std::string text = text_of(object, name);
  if (!https_url(text)) return broken(what, "has no https URL in '" + std::string(name) + "'");
  return text;
}

/// For members that may be missing; what is no https URL counts as missing.
std::string optional_url(const Json& object, const char* name) {
  std::string text = text_of(object, name);
  return https_url(text) ? text : std::string();
}

template <class Status, std::size_t N>
Status status_of(const Json& object,
                 const std::array<std::pair<std::string_view, Status>, N>& all) {
  const std::string text = text_of(object, "status");
  for (const auto& [name, status] : all) {
    if (name == text) return status;
  }
  return Status::unknown;
}

constexpr std::array<std::pair<std::string_view, OrderStatus>, 5> order_statuses = {
    {{"pending", OrderStatus::pending},
     {"ready", OrderStatus::ready},
     {"processing", OrderStatus::processing},
     {"valid", OrderStatus::valid},
     {"invalid", OrderStatus::invalid}}};

constexpr std::array<std::pair<std::string_view, ChallengeStatus>, 4> challenge_statuses = {
    {{"pending", ChallengeStatus::pending},
     {"processing", ChallengeStatus::processing},
     {"valid", ChallengeStatus::valid},
     {"invalid", ChallengeStatus::invalid}}};

constexpr std::array<std::pair<std::string_view, AuthorizationStatus>, 6> authorization_statuses = {
    {{"pending", AuthorizationStatus::pending},
     {"valid", AuthorizationStatus::valid},
     {"invalid", AuthorizationStatus::invalid},
     {"deactivated", AuthorizationStatus::deactivated},
     {"expired", AuthorizationStatus::expired},
     {"revoked", AuthorizationStatus::revoked}}};

constexpr std::array<std::pair<std::string_view, AccountStatus>, 3> account_statuses = {
    {{"valid", AccountStatus::valid},
     {"deactivated", AccountStatus::deactivated},
     {"revoked", AccountStatus::revoked}}};

/// A problem's type as we go on with it: the ACME prefix gone, nothing but letters and digits.
std::string problem_type(const std::string& type) {
  if (type.empty() || type == "about:blank") return {};
  std::string_view name = type;
  if (name.starts_with(urn)) name.remove_prefix(urn.size());
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const bool fit = name.size() <= 64 && std::all_of(name.begin(), name.end(), plain);
  return fit ? std::string(name) : "unknown";
}

std::string shown(const Json& object, const char* name, std::size_t most) {
  return log::escaped(text_of(object, name), most);
}

Problem problem_of(const Json& json, int http_status) {
  Problem problem;
  problem.type = problem_type(text_of(json, "type"));
  problem.detail = shown(json, "detail", 500);
  problem.status = http_status;
  problem.instance = shown(json, "instance", 300);
  if (const Json* list = list_of(json, "subproblems")) {
    for (const Json& entry : *list) {
      if (!entry.is_object()) continue;
      Subproblem sub;
      sub.type = problem_type(text_of(entry, "type"));
      sub.detail = shown(entry, "detail", 300);
      const Json* identifier = member(entry, "identifier", Json::value_t::object);
      if (identifier != nullptr) sub.identifier = shown(*identifier, "value", 255);
      problem.subproblems.push_back(std::move(sub));
    }
  }
  if (const Json* list = list_of(json, "algorithms")) {
    for (const Json& entry : *list) {
      if (entry.is_string())
        problem.algorithms.push_back(log::escaped(entry.get<std::string>(), 32));
    }
  }
  return problem;
}

std::optional<Problem> error_of(const Json& object) {
  const Json* error = member(object, "error", Json::value_t::object);
  if (error == nullptr) return std::nullopt;
  return problem_of(*error, 0);
}

std::optional<Identifier> read_identifier(const Json& json) {
  Identifier identifier;
  if (!json.is_object()) return std::nullopt;
  identifier.type = text_of(json, "type");
  identifier.value = text_of(json, "value");
  if (identifier.type.empty() || identifier.value.empty()) return std::nullopt;
  // IPv6 may come back written otherwise than we wrote it; names in other case.
  const auto normal = identifier.value.starts_with("*.") ? Result<std::string>(identifier.value)
                                                         : normal_host(identifier.value);
  if (!normal) return std::nullopt;
  identifier.value = *normal;
  return identifier;
}

Result<Challenge> challenge_of(const Json& json) {
  Challenge challenge;
  challenge.type = text_of(json, "type");
  challenge.url = text_of(json, "url");
  challenge.token = text_of(json, "token");
  challenge.status = status_of(json, challenge_statuses);
  challenge.error = error_of(json);
  if (challenge.type.empty() || challenge.type.size() > 64) {
    return broken("the challenge", "has no type");
  }
  if (!https_url(challenge.url)) return broken("the challenge", "has no https URL");
  if (!challenge.token.empty() && !valid_token(challenge.token)) {
    return broken("the challenge", "has a token that is none (RFC 8555 section 8.1)");
  }
  return challenge;
}

}  // namespace

Identifier identifier_of(const std::string& host) {
  Identifier identifier;
  identifier.type = as_address(host) ? "ip" : "dns";
  identifier.value = host;
  return identifier;
}

Result<Directory> parse_directory(std::string_view text) {
  auto json = parse_object(text, "the directory");
  if (!json) return json.error();
  Directory directory;
  const std::array<std::pair<const char*, std::string*>, 5> required = {
      {{"newNonce", &directory.new_nonce},
       {"newAccount", &directory.new_account},
       {"newOrder", &directory.new_order},
       {"revokeCert", &directory.revoke_cert},
       {"keyChange", &directory.key_change}}};
  for (const auto& [name, into] : required) {
    auto url = url_of(*json, name, "the directory");
    // RFC 8555 §7.1.1 wants all five; small CAs leave the last two out and issue all the same.
    const bool needed = into != &directory.revoke_cert && into != &directory.key_change;
    if (!url && needed) return url.error();
    if (url) *into = std::move(*url);
  }
  directory.renewal_info = optional_url(*json, "renewalInfo");
  const Json* meta = member(*json, "meta", Json::value_t::object);
  if (meta == nullptr) return directory;
  directory.terms_of_service = shown(*meta, "termsOfService", most_url_bytes);
  const Json* eab = member(*meta, "externalAccountRequired", Json::value_t::boolean);
  directory.eab_required = eab != nullptr && eab->get<bool>();
  const Json* profiles = member(*meta, "profiles", Json::value_t::object);
  if (profiles != nullptr && profiles->size() <= most_members) {
    for (const auto& [name, description] : profiles->items()) directory.profiles.push_back(name);
  }
  return directory;
}

Result<Account> parse_account(std::string_view text) {
  auto json = parse_object(text, "the account");
  if (!json) return json.error();
  Account account;
  account.status = status_of(*json, account_statuses);
  return account;
}

Result<Order> parse_order(std::string_view text) {
  auto json = parse_object(text, "the order");
  if (!json) return json.error();
  Order order;
  order.status = status_of(*json, order_statuses);
  order.certificate = optional_url(*json, "certificate");
  order.error = error_of(*json);
  auto finalize = url_of(*json, "finalize", "the order");
  if (finalize) order.finalize = std::move(*finalize);
  if (!finalize && order.status != OrderStatus::invalid) return finalize.error();
  if (const Json* list = list_of(*json, "identifiers")) {
    for (const Json& entry : *list) {
      auto identifier = read_identifier(entry);
      if (!identifier) return broken("the order", "has an identifier that is none");
      order.identifiers.push_back(std::move(*identifier));
    }
  }
  if (const Json* list = list_of(*json, "authorizations")) {
    for (const Json& entry : *list) {
      if (!entry.is_string() || !https_url(entry.get_ref<const std::string&>())) {
        return broken("the order", "has an authorization that is no https URL");
      }
      order.authorizations.push_back(entry.get<std::string>());
    }
  }
  return order;
}

Result<Authorization> parse_authorization(std::string_view text) {
  auto json = parse_object(text, "the authorization");
  if (!json) return json.error();
  Authorization authorization;
  authorization.status = status_of(*json, authorization_statuses);
  const auto at = json->find("identifier");
  auto identifier = at == json->end() ? std::nullopt : read_identifier(*at);
  if (!identifier) return broken("the authorization", "has no identifier");
  authorization.identifier = std::move(*identifier);
  const Json* wildcard = member(*json, "wildcard", Json::value_t::boolean);
  authorization.wildcard = wildcard != nullptr && wildcard->get<bool>();
  if (const Json* list = list_of(*json, "challenges")) {
    for (const Json& entry : *list) {
      if (!entry.is_object()) continue;
      // One that we cannot read must not hide the others.
      auto challenge = challenge_of(entry);
      if (challenge) authorization.challenges.push_back(std::move(*challenge));
    }
  }
  return authorization;
}

Result<Challenge> parse_challenge(std::string_view text) {
  auto json = parse_object(text, "the challenge");
  if (!json) return json.error();
  return challenge_of(*json);
}

Problem parse_problem(std::string_view body, int http_status) {
  auto json = parse_object(body, "the problem");
  if (json) return problem_of(*json, http_status);
  Problem problem;
  problem.status = http_status;
  problem.detail = log::escaped(body, 200);
  return problem;
}

std::string account_payload(const NewAccount& account) {
  Json json = {{"termsOfServiceAgreed", true}};
  if (account.only_existing) json = {{"onlyReturnExisting", true}};
  if (!account.email.empty()) json["contact"] = Json::array({"mailto:" + account.email});
  if (!account.binding.empty()) {
    json["externalAccountBinding"] = Json::parse(account.binding, nullptr, false);
  }
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string order_payload(const std::vector<Identifier>& identifiers, const std::string& profile) {
  Json list = Json::array();
  for (const Identifier& identifier : identifiers) {
    list.push_back({{"type", identifier.type}, {"value", identifier.value}});
  }
  Json json = {{"identifiers", std::move(list)}};
  if (!profile.empty()) json["profile"] = profile;
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::string finalize_payload(std::string_view csr_der) {
  return Json({{"csr", base64url(csr_der)}}).dump();
}

std::string revoke_payload(std::string_view certificate_der, std::optional<int> reason) {
  Json json = {{"certificate", base64url(certificate_der)}};
  if (reason) json["reason"] = *reason;
  return json.dump();
}

std::string key_change_payload(const std::string& account_url, const std::string& old_jwk) {
  const Json json = {{"account", account_url}, {"oldKey", Json::parse(old_jwk, nullptr, false)}};
  return json.dump();
}

std::string deactivate_payload() { return R"({"status":"deactivated"})"; }

// What is stored.

namespace {

std::string date_text(Wall when) { return when == Wall{} ? "" : rfc3339_seconds(when); }

Wall date_of(const Json& object, const char* name) {
  const auto when = parse_rfc3339(text_of(object, name));
  return when ? *when : Wall{};
}

std::vector<std::string> texts_of(const Json& object, const char* name) {
  std::vector<std::string> texts;
  const Json* list = list_of(object, name);
  if (list == nullptr) return texts;
  for (const Json& entry : *list) {
    if (entry.is_string()) texts.push_back(entry.get<std::string>());
  }
  return texts;
}

std::string stored(const Json& json) {
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

Json backoff_json(const Backoff& backoff) {
  return {{"attempts", backoff.attempts},
          {"first_failure", date_text(backoff.first_failure)},
          {"last_failure", date_text(backoff.last_failure)},
          {"next_attempt", date_text(backoff.next_attempt)},
          {"permanent", backoff.permanent},
          {"problem", backoff.problem},
          {"detail", backoff.detail}};
}

Backoff backoff_of(const Json& json) {
  Backoff backoff;
  const auto attempts = json.find("attempts");
  if (attempts != json.end() && attempts->is_number_unsigned()) {
    backoff.attempts = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(attempts->get<std::uint64_t>(), 1'000'000));
  }
  backoff.first_failure = date_of(json, "first_failure");
  backoff.last_failure = date_of(json, "last_failure");
  backoff.next_attempt = date_of(json, "next_attempt");
  const Json* permanent = member(json, "permanent", Json::value_t::boolean);
  backoff.permanent = permanent != nullptr && permanent->get<bool>();
  backoff.problem = text_of(json, "problem");
  backoff.detail = text_of(json, "detail");
  return backoff;
}

Json pending_json(const PendingOrder& order) {
  return {{"url", order.url},
          {"account", order.account_url},
          {"names", order.names},
          {"key_type", order.key_type},
          {"profile", order.profile},
          {"key", order.key_pem},
          {"challenge", order.challenge},
          {"started", date_text(order.started)}};
}

PendingOrder pending_of(const Json& json) {
  PendingOrder order;
  order.url = text_of(json, "url");
  order.account_url = text_of(json, "account");
  order.names = texts_of(json, "names");
  order.key_type = text_of(json, "key_type");
  order.profile = text_of(json, "profile");
  order.key_pem = text_of(json, "key");
  order.challenge = text_of(json, "challenge");
  order.started = date_of(json, "started");
  return order;
}

Error damaged(const Error& error) { return Error(Fault::bad_message, Side::self, error.detail()); }

}  // namespace

std::string to_json(const AccountRecord& account) {
  return stored({{"directory", account.directory},
                 {"url", account.url},
                 {"email", account.email},
                 {"terms", account.terms}});
}

Result<AccountRecord> account_record_from_json(std::string_view text) {
  auto json = parse_object(text, "the stored account");
  if (!json) return damaged(json.error());
  AccountRecord account;
  account.directory = text_of(*json, "directory");
  account.url = text_of(*json, "url");
  account.email = text_of(*json, "email");
  account.terms = text_of(*json, "terms");
  if (account.directory.empty()) {
    return damaged(broken("the stored account", "names no directory"));
  }
  return account;
}

std::string to_json(const OrderRecord& record) {
  Json json = {{"failed_challenges", record.failed_challenges},
               {"backoff", backoff_json(record.backoff)}};
  if (record.order) json["order"] = pending_json(*record.order);
  return stored(json);
}

Result<OrderRecord> order_record_from_json(std::string_view text) {
  auto json = parse_object(text, "the stored order");
  if (!json) return damaged(json.error());
  OrderRecord record;
  record.failed_challenges = texts_of(*json, "failed_challenges");
  const Json* backoff = member(*json, "backoff", Json::value_t::object);
  if (backoff != nullptr) record.backoff = backoff_of(*backoff);
  const Json* order = member(*json, "order", Json::value_t::object);
  if (order != nullptr) record.order = pending_of(*order);
  return record;
}

}  // namespace gatehouse::acme
