#include "acme/wire.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "acme/order_store.hpp"
#include "core/base/bytes.hpp"
#include "core/base/time_format.hpp"
#include "tests/support/result.hpp"

namespace wire_test {

using namespace gatehouse;
using namespace gatehouse::acme;
using namespace std::chrono_literals;

namespace {

const std::string endpoints =
    R"("newNonce":"https://ca.example/n","newAccount":"https://ca.example/a",)"
    R"("newOrder":"https://other.example/o","revokeCert":"https://ca.example/r",)"
    R"("keyChange":"https://ca.example/k")";

Wall wall(const char* text) { return *parse_rfc3339(text); }

}  // namespace

TEST_CASE("a directory is read and members nobody knows are ignored") {
  const auto directory = parse_directory(
      "{" + endpoints +
      R"(,"Adz2Kx":"https://forum.example/t/adding-random-entries","renewalInfo":"https://ca.example/ari",)"
      R"("meta":{"termsOfService":"https://ca.example/tos","externalAccountRequired":true,)"
      R"("profiles":{"classic":"x","shortlived":"y"},"caaIdentities":["ca.example"],"odd":[1,{}]}})");
  REQUIRE(directory);
  CHECK(directory->new_order == "https://other.example/o");
  CHECK(directory->renewal_info == "https://ca.example/ari");
  CHECK(directory->terms_of_service == "https://ca.example/tos");
  CHECK(directory->eab_required);
  CHECK(directory->profiles == std::vector<std::string>{"classic", "shortlived"});
  CHECK(parse_directory("{" + endpoints + "}"));
}

TEST_CASE("a directory without https URLs is none") {
  for (
      const char* text :
      {"", "null", "[]", "{}", R"({"newNonce":7})", R"({"newNonce":"https://ca.example/n"})",
       R"({"newNonce":"http://ca.example/n","newAccount":"https://ca.example/a","newOrder":"https://ca.example/o"})",
       R"({"newNonce":"https://ca.example/n\r\nX: y","newAccount":"https://ca.example/a","newOrder":"https://ca.example/o"})"}) {
    CAPTURE(text);
    const auto directory = parse_directory(text);
    REQUIRE_FALSE(directory);
    CHECK(directory.error().fault() == Fault::bad_message);
    CHECK(directory.error().side() == Side::ca);
  }
}

TEST_CASE("hostile JSON is refused before it costs memory") {
  std::string wide = "{\"a\":[";
  for (int i = 0; i < 100'000; ++i) wide += "{},";
  wide += "{}]}";
  for (const std::string& text :
       {std::string(500'000, '['), "{\"a\":" + std::string(500'000, '{'), wide,
        "{\"a\":\"" + std::string(2'000'000, 'x') + "\"}", std::string("{\"a\":\"\\")}) {
    CHECK_FALSE(parse_order(text));
    CHECK_FALSE(parse_directory(text));
    CHECK_FALSE(parse_authorization(text));
    CHECK(parse_problem(text, 500).status == 500);
  }
}

TEST_CASE("an order is read in any order of its parts") {
  const auto order = parse_order(
      R"({"status":"ready","expires":"2026-12-01T00:00:00Z","authorizations":["https://ca.example/z/2","https://ca.example/z/1"],)"
      R"("identifiers":[{"type":"ip","value":"2001:DB8:0::1"},{"type":"dns","value":"A.Example"},{"type":"dns","value":"*.a.example"}],)"
      R"("finalize":"https://ca.example/f"})");
  REQUIRE(order);
  CHECK(order->status == OrderStatus::ready);
  CHECK(order->authorizations.size() == 2);
  CHECK(order->identifiers[0] == identifier_of("2001:db8::1"));
  CHECK(order->identifiers[1] == identifier_of("a.example"));
  CHECK(order->identifiers[2].value == "*.a.example");
  CHECK(order->certificate.empty());
}

TEST_CASE("an order's status that nobody knows is told as such") {
  const auto order = parse_order(R"({"status":"deactivated","finalize":"https://ca.example/f"})");
  REQUIRE(order);
  CHECK(order->status == OrderStatus::unknown);
  CHECK_FALSE(parse_order(R"({"status":"valid","finalize":"ftp://ca.example/f"})"));
  CHECK_FALSE(parse_order(
      R"({"status":"pending","finalize":"https://ca.example/f","authorizations":[7]})"));
}

TEST_CASE("challenges of unknown type or without token are kept, broken ones are skipped") {
  const auto authorization = parse_authorization(
      R"({"status":"pending","wildcard":true,"identifier":{"type":"dns","value":"a.example"},"challenges":[)"
      R"({"type":"dns-persist-01","url":"https://ca.example/c/1","status":"pending"},)"
      R"({"type":"http-01","url":"https://ca.example/c/2","status":"invalid","token":"abc_-9","error":{"type":"urn:ietf:params:acme:error:dns","detail":"x"}},)"
      R"({"type":"http-01","url":"https://ca.example/c/3","token":"../../etc/passwd"},)"
      R"({"type":"http-01","url":"javascript:1","token":"abc"},)"
      R"({"url":"https://ca.example/c/4"}, 7, null]})");
  REQUIRE(authorization);
  CHECK(authorization->wildcard);
  REQUIRE(authorization->challenges.size() == 2);
  CHECK(authorization->challenges[0].token.empty());
  CHECK(authorization->challenges[1].status == ChallengeStatus::invalid);
  CHECK(authorization->challenges[1].error->type == "dns");
  CHECK_FALSE(parse_authorization(R"({"status":"pending"})"));
}

TEST_CASE("a token is 1 to 128 octets of the base64url alphabet") {
  CHECK(valid_token("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"));
  CHECK(valid_token(std::string(128, 'a')));
  for (const std::string& token :
       {std::string(), std::string("a/b"), std::string("a.b"), std::string("a b"),
        std::string("a="), std::string(129, 'a'), std::string("a\0b", 3)}) {
    CHECK_FALSE(valid_token(token));
  }
}

TEST_CASE("a problem document is read with its subproblems, its texts made safe") {
  const Problem problem = parse_problem(
      "{\"type\":\"urn:ietf:params:acme:error:compound\",\"detail\":\"line\\nnext \\u001b[31m\","
      "\"instance\":\"https://ca.example/tos\",\"algorithms\":[\"RS256\",7],\"subproblems\":["
      "{\"type\":\"urn:ietf:params:acme:error:caa\",\"detail\":\"no\",\"identifier\":{\"type\":"
      "\"dns\",\"value\":\"b.example\"}}]}",
      403);
  CHECK(problem.type == "compound");
  CHECK(problem.detail == "line\\x0anext \\x1b[31m");
  CHECK(problem.algorithms == std::vector<std::string>{"RS256"});
  REQUIRE(problem.subproblems.size() == 1);
  CHECK(problem.subproblems[0].type == "caa");
  CHECK(problem.subproblems[0].identifier == "b.example");
}

TEST_CASE("what is no problem document becomes one with its status and first words") {
  const Problem html =
      parse_problem("<html><h1>502 Bad Gateway</h1>" + std::string(9000, ' '), 502);
  CHECK(html.type.empty());
  CHECK(html.status == 502);
  CHECK(html.detail.starts_with("<html><h1>502"));
  CHECK(html.detail.size() <= 203);
  CHECK(parse_problem(R"({"type":"about:blank"})", 500).type.empty());
  CHECK(parse_problem(R"({"type":"urn:ietf:params:acme:error:new Thing"})", 400).type == "unknown");
}

TEST_CASE("Retry-After is seconds or a date") {
  const Wall now = wall("2026-11-21T01:00:00Z");
  CHECK(parse_retry_after("120", now) == 120s);
  CHECK(parse_retry_after("0", now) == 0s);
  CHECK(parse_retry_after("Sat, 21 Nov 2026 01:02:00 GMT", now) == 120s);
  CHECK(parse_retry_after("Sat, 21 Nov 2026 00:02:00 GMT", now) == 0s);
  CHECK(parse_retry_after("9999999999", now) == std::chrono::seconds(std::chrono::days(365)));
  for (const char* bad : {"", "-1", "1.5", "soon", "99999999999999999999"}) {
    CHECK_FALSE(parse_retry_after(bad, now));
  }
}

TEST_CASE("a time to retry is found in the words of a problem") {
  CHECK(
      retry_time_in("too many certificates: retry after 2026-11-21 02:03:04 UTC: see https://x") ==
      wall("2026-11-21T02:03:04Z"));
  CHECK_FALSE(retry_time_in("retry after lunch"));
  CHECK_FALSE(retry_time_in("retry after 2026-13-41 99:99:99 UTC"));
  CHECK_FALSE(retry_time_in(""));
}

TEST_CASE("all links of one relation are found") {
  const std::vector<std::string> values = {
      R"(<https://ca.example/dir>;rel="index")",
      R"(<https://ca.example/c/1>;rel=alternate, <https://ca.example/c/2>; title="a, \"b\" <x>"; rel="foo Alternate")",
      R"(</relative>;rel="alternate",<http://plain.example/>;rel="alternate")",
      "<https://ca.example/c/3",
      "nonsense, <https://ca.example/c/4>;rel=alternate",
      R"(<https://ca.example/c/5> ; rel = "alternate" ; rel="other")"};
  CHECK(links(values, "alternate") == std::vector<std::string>{"https://ca.example/c/1",
                                                               "https://ca.example/c/2",
                                                               "https://ca.example/c/5"});
  CHECK(links(values, "index") == std::vector<std::string>{"https://ca.example/dir"});
  CHECK(links({}, "index").empty());
}

TEST_CASE("payloads hold what RFC 8555 asks for and nothing else") {
  using Json = nlohmann::json;
  NewAccount account;
  account.email = "a@a.example";
  account.binding = R"({"protected":"p"})";
  Json json = Json::parse(account_payload(account));
  CHECK(json == Json({{"termsOfServiceAgreed", true},
                      {"contact", {"mailto:a@a.example"}},
                      {"externalAccountBinding", {{"protected", "p"}}}}));
  NewAccount existing;
  existing.only_existing = true;
  CHECK(Json::parse(account_payload(existing)) == Json({{"onlyReturnExisting", true}}));

  json = Json::parse(order_payload({identifier_of("a.example"), identifier_of("::1")}, ""));
  CHECK(json.size() == 1);
  CHECK(json.at("identifiers")[1] == Json({{"type", "ip"}, {"value", "::1"}}));
  CHECK(Json::parse(order_payload({}, "shortlived")).at("profile") == "shortlived");
  CHECK(Json::parse(finalize_payload("\xff\xfe")).at("csr") == "__4");
  CHECK_FALSE(Json::parse(revoke_payload("x", std::nullopt)).contains("reason"));
  CHECK(Json::parse(revoke_payload("x", 1)).at("reason") == 1);
}

TEST_CASE("accounts and orders come back from their stored text as they were") {
  AccountRecord account;
  account.directory = "https://ca.example/dir";
  account.url = "https://ca.example/account/1";
  account.email = "a@a.example";
  account.key_pem = "SECRET";
  const std::string text = to_json(account);
  CHECK(text.find("SECRET") == std::string::npos);
  const auto read = account_record_from_json(text);
  REQUIRE(read);
  CHECK(read->url == account.url);
  CHECK(read->directory == account.directory);

  OrderRecord record;
  record.order.emplace();
  record.order->url = "https://ca.example/order/1";
  record.order->names = {"a.example", "b.example"};
  record.order->key_pem = "-----BEGIN\nx";
  record.order->started = wall("2026-11-21T01:00:00Z");
  record.failed_challenges = {"tls-alpn-01"};
  record.backoff.attempts = 3;
  record.backoff.permanent = true;
  record.backoff.next_attempt = wall("2026-11-21T02:00:00Z");
  record.backoff.detail = "\"quoted\"";
  const auto again = order_record_from_json(to_json(record));
  REQUIRE(again);
  REQUIRE(again->order);
  CHECK(again->order->names == record.order->names);
  CHECK(again->order->key_pem == record.order->key_pem);
  CHECK(again->order->started == record.order->started);
  CHECK(again->failed_challenges == record.failed_challenges);
  CHECK(again->backoff.attempts == 3);
  CHECK(again->backoff.permanent);
  CHECK(again->backoff.next_attempt == record.backoff.next_attempt);
  CHECK(again->backoff.first_failure == Wall{});
  CHECK(again->backoff.detail == record.backoff.detail);
}

TEST_CASE("damaged stored text is our own damage") {
  for (const char* text : {"", "{", "[]", "{\"status\""}) {
    const auto order = order_record_from_json(text);
    REQUIRE_FALSE(order);
    CHECK(order.error().fault() == Fault::bad_message);
    CHECK(order.error().side() == Side::self);
    CHECK_FALSE(account_record_from_json(text));
  }
  CHECK_FALSE(account_record_from_json("{}"));
  CHECK(order_record_from_json(R"({"order":7,"backoff":[],"failed_challenges":{"a":1}})"));
}

TEST_CASE("a CA's storage name is its directory's host and path") {
  CHECK(ca_storage_name("https://acme-v02.api.letsencrypt.org/directory") ==
        "acme-v02.api.letsencrypt.org-directory");
  CHECK(ca_storage_name("https://127.0.0.1:14000/dir") == "127.0.0.1-14000-dir");
  CHECK(ca_storage_name("https://ca.example/a/../b/?x=1") == "ca.example-a-..-b");
  CHECK(ca_storage_name("https://../..") == "_.-..");
}

}  // namespace wire_test
