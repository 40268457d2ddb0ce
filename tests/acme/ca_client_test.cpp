#include "acme/ca_client.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "acme/jws.hpp"
#include "core/base/bytes.hpp"
#include "core/net/within.hpp"
#include "tests/support/ca_bench.hpp"

namespace ca_client_test {

using namespace gatehouse;
using namespace gatehouse::acme;
using namespace std::chrono_literals;
using test::CaBench;
using test::FakeCa;
using test::Lifeline;

namespace {

awaitable<bool> two_at_once(CaClient& client) {
  using namespace asio::experimental::awaitable_operators;
  auto both = co_await (client.account("a@a.example") && client.account("a@a.example"));
  const auto& [first, second] = both;
  co_return first&& second && first->url == second->url;
}

CaClient::Settings with_binding(std::string key) {
  CaClient::Settings settings = CaBench::default_settings();
  settings.binding = CaClient::Binding{"kid-1", std::move(key)};
  return settings;
}

const std::vector<std::string> nothing;

}  // namespace

TEST_CASE("an account is made once and found in storage ever after") {
  CaBench bench;
  const auto first = bench.run(bench.client->account("a@a.example"));
  REQUIRE(first);
  const AccountRecord stored = bench.store.accounts.at(bench.ca_name());
  CHECK(stored.url == first->url);
  CHECK(stored.directory == FakeCa::directory_url);
  CHECK(stored.terms == "https://ca.example/terms");
  bench.new_life();
  const std::size_t requests = bench.ca.log.size();
  const auto second = bench.run(bench.client->account("a@a.example"));
  REQUIRE(second);
  CHECK(second->url == first->url);
  CHECK(bench.ca.log.size() == requests);
  CHECK(bench.ca.accounts_made == 1);
  CHECK(bench.ca.complaints == nothing);
}

TEST_CASE("two that need the account at once make one") {
  CaBench bench;
  CHECK(bench.run(two_at_once(*bench.client)));
  CHECK(bench.ca.accounts_made == 1);
}

TEST_CASE("an account whose reply was lost is found again by its key") {
  CaBench bench;
  bench.ca.drop_next("account", Lifeline::At::after);
  bench.ca.drop_next("account", Lifeline::At::after);
  CHECK_FALSE(bench.run(bench.client->account("")));
  bench.new_life();
  CHECK(bench.run(bench.client->account("")));
  CHECK(bench.ca.accounts_made == 1);
  CHECK(bench.store.archived.empty());
}

TEST_CASE("a contact that the CA does not take is left out") {
  CaBench bench;
  bench.ca.refuse_next("account", 400, "invalidContact");
  CHECK(bench.run(bench.client->account("a@localhost")));
  CHECK(bench.ca.last_contact.empty());
}

TEST_CASE("a CA that does not take P-256 gets an RSA account key") {
  CaBench bench;
  bench.ca.refuse_next("account", 400, "badSignatureAlgorithm");
  const auto account = bench.run(bench.client->account(""));
  REQUIRE(account);
  CHECK(tls::is_rsa(account->key.type()));
  // And signs with it from then on.
  std::vector<Identifier> names(1, identifier_of("a.example"));
  CHECK(bench.run(bench.client->new_order(names, "")));
  CHECK(bench.ca.complaints == nothing);
}

TEST_CASE("a CA that takes no key of ours is told to the operator") {
  CaBench bench;
  for (int i = 0; i < 4; ++i) bench.ca.refuse_next("account", 400, "badPublicKey");
  const auto account = bench.run(bench.client->account(""));
  REQUIRE_FALSE(account);
  CHECK(failure_of(account.error(), bench.clock.wall()).retry == Retry::permanent);
  CHECK(bench.ca.count("account") == 2);
}

TEST_CASE("an external account is bound where the CA asks for it") {
  const std::string key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
  CaBench bench(with_binding(key));
  bench.ca.eab_required = true;
  bench.ca.eab_keys["kid-1"] = *from_base64_lenient(key);
  CHECK(bench.run(bench.client->account("")));
  CHECK(bench.ca.accounts_made == 1);
}

TEST_CASE("a binding that is missing or wrong needs the operator") {
  std::optional<CaBench> bench;
  SUBCASE("missing: the CA is not even asked") {
    bench.emplace();
    bench->ca.eab_required = true;
  }
  SUBCASE("wrong") {
    bench.emplace(with_binding("c2VjcmV0LW1hYy1rZXk"));
    bench->ca.eab_required = true;
    bench->ca.eab_keys["kid-1"] = "another";
  }
  const auto account = bench->run(bench->client->account(""));
  REQUIRE_FALSE(account);
  const IssueFailure failure = failure_of(account.error(), bench->clock.wall());
  CHECK(failure.retry == Retry::permanent);
  CHECK(failure.whole_ca);
  CHECK(failure.detail.find("c2VjcmV0") == std::string::npos);
}

TEST_CASE("bad nonces are replaced at once, ten times at most") {
  CaBench bench;
  SUBCASE("seven in a row") {
    bench.ca.reject_nonces = 7;
    CHECK(bench.run(bench.client->account("")));
    CHECK(bench.ca.count("account") == 8);
    // Each came with its successor: only the first was asked for.
    CHECK(bench.ca.count("nonce") == 1);
  }
  SUBCASE("for ever") {
    bench.ca.reject_nonces = 1000;
    const auto account = bench.run(bench.client->account(""));
    REQUIRE_FALSE(account);
    CHECK(bench.ca.count("account") == 10);
    CHECK(failure_of(account.error(), bench.clock.wall()).retry == Retry::later);
  }
  CHECK(bench.ca.complaints == nothing);
}

TEST_CASE("a nonce whose request got lost is never used again") {
  CaBench bench;
  REQUIRE(bench.run(bench.client->account("")));
  std::vector<Identifier> names(1, identifier_of("a.example"));
  bench.ca.drop_next("order", Lifeline::At::before);
  CHECK(bench.run(bench.client->new_order(names, "")));
  bench.ca.drop_next("order", Lifeline::At::after);
  CHECK(bench.run(bench.client->new_order(names, "")));
  CHECK(bench.ca.complaints == nothing);
}

TEST_CASE("an account that the CA has forgotten is made anew, once a day at most") {
  CaBench bench;
  REQUIRE(bench.run(bench.client->account("a@a.example")));
  std::vector<Identifier> names(1, identifier_of("a.example"));
  bench.ca.forget_accounts();
  CHECK(bench.run(bench.client->new_order(names, "")));
  CHECK(bench.ca.accounts_made == 2);
  CHECK(bench.store.archived.size() == 1);
  CHECK(bench.ca.last_contact == std::vector<std::string>{"mailto:a@a.example"});
  bench.ca.forget_accounts();
  CHECK_FALSE(bench.run(bench.client->new_order(names, "")));
  CHECK_FALSE(bench.run(bench.client->new_order(names, "")));
  CHECK(bench.ca.accounts_made == 2);
  bench.clock.advance(25h);
  CHECK(bench.run(bench.client->new_order(names, "")));
  CHECK(bench.ca.accounts_made == 3);
  CHECK(bench.ca.complaints == nothing);
}

TEST_CASE("no other error makes a new account") {
  CaBench bench;
  REQUIRE(bench.run(bench.client->account("")));
  std::vector<Identifier> names(1, identifier_of("a.example"));
  for (const char* type : {"unauthorized", "malformed", "serverInternal", "rateLimited",
                           "userActionRequired", "badPublicKey", "rejectedIdentifier"}) {
    bench.ca.refuse_next("order", 403, type);
    CHECK_FALSE(bench.run(bench.client->new_order(names, "")));
  }
  bench.ca.deactivate_accounts();
  const auto order = bench.run(bench.client->new_order(names, ""));
  REQUIRE_FALSE(order);
  CHECK(failure_of(order.error(), bench.clock.wall()).retry == Retry::permanent);
  CHECK(bench.ca.accounts_made == 1);
}

TEST_CASE("a stored account that is damaged or another CA's is put aside") {
  CaBench bench;
  SUBCASE("damaged") { bench.store.damaged_account = true; }
  SUBCASE("another CA's") {
    AccountRecord other;
    other.directory = "https://staging.example/dir";
    other.url = "https://staging.example/account/1";
    other.key_pem = "x";
    bench.store.accounts[bench.ca_name()] = other;
  }
  SUBCASE("its key is damaged") {
    AccountRecord broken;
    broken.directory = FakeCa::directory_url;
    broken.url = "https://ca.example/account/9";
    broken.key_pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    bench.store.accounts[bench.ca_name()] = broken;
  }
  CHECK(bench.run(bench.client->account("")));
  CHECK(bench.ca.accounts_made == 1);
}

TEST_CASE("the directory is asked for once a day") {
  CaBench bench;
  CHECK(bench.run(bench.client->directory()));
  CHECK(bench.run(bench.client->directory()));
  CHECK(bench.ca.count("directory") == 1);
  bench.clock.advance(25h);
  CHECK(bench.run(bench.client->directory()));
  CHECK(bench.ca.count("directory") == 2);
}

TEST_CASE("a directory may be redirected, but not in a circle or away from https") {
  CaBench bench;
  CaReply moved;
  moved.status = 302;
  SUBCASE("once") {
    moved.fields.emplace_back("Location", FakeCa::directory_url);
    bench.ca.answer_next("directory", moved);
    CHECK(bench.run(bench.client->directory()));
  }
  SUBCASE("for ever") {
    moved.fields.emplace_back("Location", FakeCa::directory_url);
    for (int i = 0; i < 9; ++i) bench.ca.answer_next("directory", moved);
    CHECK_FALSE(bench.run(bench.client->directory()));
    CHECK(bench.ca.count("directory") == 4);
  }
  SUBCASE("to plain http") {
    moved.fields.emplace_back("Location", "http://ca.example/dir");
    bench.ca.answer_next("directory", moved);
    CHECK_FALSE(bench.run(bench.client->directory()));
  }
}

TEST_CASE("the account key is changed, and a lost reply is settled later") {
  CaBench bench;
  const auto before = bench.run(bench.client->account(""));
  REQUIRE(before);
  SUBCASE("with its reply") {
    const auto after = bench.run(bench.client->change_key(tls::KeyType::p256));
    REQUIRE(after);
    CHECK(after->url == before->url);
    CHECK(thumbprint(after->key) != thumbprint(before->key));
  }
  SUBCASE("reply lost after the change") {
    bench.ca.drop_next("key_change", Lifeline::At::after);
    bench.ca.refuse_next("key_change", 500, "serverInternal");
    CHECK_FALSE(bench.run(bench.client->change_key(tls::KeyType::p256)));
    const auto after = bench.run(bench.client->account(""));
    REQUIRE(after);
    CHECK(thumbprint(after->key) != thumbprint(before->key));
  }
  SUBCASE("lost before it took effect") {
    bench.ca.refuse_next("key_change", 500, "serverInternal");
    CHECK_FALSE(bench.run(bench.client->change_key(tls::KeyType::p256)));
    const auto after = bench.run(bench.client->account(""));
    REQUIRE(after);
    CHECK(thumbprint(after->key) == thumbprint(before->key));
  }
  bench.new_life();
  std::vector<Identifier> names(1, identifier_of("a.example"));
  CHECK(bench.run(bench.client->new_order(names, "")));
  CHECK(bench.ca.accounts_made == 1);
  CHECK(bench.store.accounts.at(bench.ca_name()).next_key_pem.empty());
  CHECK(bench.ca.complaints == nothing);
}

TEST_CASE("a certificate that was revoked before counts as revoked") {
  CaBench bench;
  CHECK(bench.run(bench.client->revoke("der", 1)));
  bench.ca.refuse_next("revoke", 400, "alreadyRevoked");
  CHECK(bench.run(bench.client->revoke("der", 1)));
  bench.ca.refuse_next("revoke", 400, "badRevocationReason");
  CHECK(bench.run(bench.client->revoke("der", 9)));
  bench.ca.refuse_next("revoke", 403, "unauthorized");
  CHECK_FALSE(bench.run(bench.client->revoke("der", 1)));
}

}  // namespace ca_client_test
