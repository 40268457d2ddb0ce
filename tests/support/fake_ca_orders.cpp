// The orders of a fake CA and their authorizations, up to the moment they are ready.
#include <algorithm>

#include "core/base/bytes.hpp"
#include "tests/support/fake_ca_parts.hpp"

namespace gatehouse::test {

using acme::CaReply;

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

}  // namespace gatehouse::test
