// Certificates of clients: who is let in, who is not and how they hear of it, and that no session
// of before gets round it.

#include "core/base/bytes.hpp"
#include "core/tls/detail/client_trust.hpp"
#include "core/tls/digest.hpp"
#include "tests/core/tls/bench.hpp"
#include "tests/core/tls/client_ca.hpp"

namespace gatehouse::tls::test::client_auth_test {
namespace {

using namespace std::chrono_literals;
using Mode = ClientAuth::Mode;
using Step = ServerHandshake::Step;
using Turned = ServerHandshake::Turned;
using Session = std::shared_ptr<SSL_SESSION>;

constexpr int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

std::shared_ptr<TicketKeys> keys() {
  static SystemEntropy entropy;
  static const auto made = std::make_shared<TicketKeys>(entropy, std::chrono::system_clock::now());
  return made;
}

std::shared_ptr<const ServerPolicy> policy(Mode mode, std::string roots, std::string crl = {}) {
  PolicySettings settings;
  settings.client_auth = {mode, std::move(roots), std::move(crl)};
  return ServerPolicy::make(settings, keys()).value();
}

/// One handshake of a client that shows `shown`, where it has something.
struct Visit {
  bool let_in = false;
  bool resumed = false;
  std::string alert;  // as the client hears it
  std::string error;  // as we tell it
  Turned turned = Turned::no;
  std::shared_ptr<const ClientCertificate> client;
  Session session;
};

Visit visit(const std::shared_ptr<const ServerPolicy>& with, int version, const Shown* shown,
            const Session& session = {}, const X509* between = nullptr) {
  ServerEnd server;
  server.serve(with, certificates_for("a.example"));
  server.start();
  RawClient client;
  SSL* const ssl = client.ssl.get();
  SSL_set_max_proto_version(ssl, version);
  client.server_name("a.example");
  if (shown != nullptr) {
    SSL_use_certificate(ssl, shown->certificate.get());
    SSL_use_PrivateKey(ssl, shown->key.handle());
  }
  if (between != nullptr) SSL_add1_chain_cert(ssl, const_cast<X509*>(between));
  if (session) SSL_set_session(ssl, session.get());
  client.shake(server);
  Visit out;
  out.alert = client.alert;
  REQUIRE(server.step);
  out.let_in = server.step->has_value();
  out.turned = server.shake->turned_away();
  if (!out.let_in) {
    out.error = server.step->error().detail();
    client.exchange(server);
    char octet = 0;  // TLS 1.3: the client thinks it is done, and finds out with its first read
    if (out.alert.empty() && SSL_read(ssl, &octet, 1) <= 0) out.alert = openssl_problem();
    return out;
  }
  client.read(server);  // takes the tickets of TLS 1.3
  out.resumed = server.shake->facts().resumed;
  out.client = server.shake->facts().client;
  out.session.reset(SSL_get1_session(ssl), SSL_SESSION_free);
  SSL_shutdown(ssl);
  return out;
}

}  // namespace

TEST_CASE("a client with a certificate of our roots is let in, and known by it") {
  const ClientCa ca("Clients");
  Wish wish;
  wish.san = "DNS:alice.example,email:alice@a.example,URI:spiffe://a.example/x,IP:192.0.2.1";
  const Shown alice = ca.issue(wish);
  for (const Mode mode : {Mode::request, Mode::require}) {
    for (const int version : versions) {
      CAPTURE(version);
      const Visit made = visit(policy(mode, ca.pem()), version, &alice);
      REQUIRE(made.let_in);
      REQUIRE(made.client);
      CHECK(made.client->subject == "CN=alice,O=Example");
      CHECK(made.client->issuer == "CN=Clients,O=Example");
      CHECK(made.client->fingerprint == hex(sha256(der<i2d_X509>(alice.certificate.get()))));
      const long serial = ASN1_INTEGER_get(X509_get0_serialNumber(alice.certificate.get()));
      CHECK(std::stol(made.client->serial, nullptr, 16) == serial);
      CHECK(made.client->san ==
            "DNS:alice.example,EMAIL:alice@a.example,URI:spiffe://a.example/x,IP:192.0.2.1");
    }
  }
}

TEST_CASE("what a certificate says cannot break out of a header field or a log") {
  const ClientCa ca("Clients");
  Wish wish;
  wish.name = "al\r\nX-Admin: 1,\"\xC3\xA9";
  wish.san = "email:a\x01@x\\y";
  const Shown odd = ca.issue(wish);
  const Visit made = visit(policy(Mode::require, ca.pem()), TLS1_3_VERSION, &odd);
  REQUIRE(made.client);
  CHECK(made.client->subject == "CN=al\\0D\\0AX-Admin: 1\\,\\\"\\C3\\A9,O=Example");
  CHECK(made.client->san == "EMAIL:a\\01@x\\5cy");
  for (const std::string& each : {made.client->subject, made.client->san}) {
    CHECK(std::all_of(each.begin(), each.end(), [](char c) { return c >= 0x20 && c < 0x7F; }));
  }
}

TEST_CASE("a client without a certificate is turned away where one is required, and told so") {
  const ClientCa ca("Clients");
  const auto with = policy(Mode::require, ca.pem());
  const Visit new_client = visit(with, TLS1_3_VERSION, nullptr);
  CHECK_FALSE(new_client.let_in);
  CHECK(new_client.alert == "tlsv13 alert certificate required");
  CHECK(new_client.turned == Turned::away);
  CHECK(new_client.error == "TLS handshake: no certificate of the client");
  const Visit old_client = visit(with, TLS1_2_VERSION, nullptr);
  CHECK_FALSE(old_client.let_in);
  CHECK(old_client.alert.ends_with("alert handshake failure"));
}

TEST_CASE("where a certificate is only asked for, who has none comes in unknown") {
  const ClientCa ca("Clients");
  for (const int version : versions) {
    const Visit made = visit(policy(Mode::request, ca.pem()), version, nullptr);
    CHECK(made.let_in);
    CHECK_FALSE(made.client);
  }
}

TEST_CASE("a certificate that does not hold is refused, also where none was needed") {
  const ClientCa ca("Clients");
  const ClientCa others("Others");
  Wish expired;
  expired.life = -1h;
  Wish server;
  server.usage = "serverAuth";
  const Shown foreign = others.issue();
  const Shown over = ca.issue(expired);
  const Shown of_server = ca.issue(server);
  struct Row {
    const Shown& shown;
    const char* why;
  };
  const Row rows[] = {{foreign, "unable to get local issuer certificate"},
                      {over, "certificate has expired"},
                      {of_server, "unsuitable certificate purpose"}};
  for (const Row& row : rows) {
    for (const Mode mode : {Mode::request, Mode::require}) {
      for (const int version : versions) {
        CAPTURE(row.why);
        const Visit made = visit(policy(mode, ca.pem()), version, &row.shown);
        CHECK_FALSE(made.let_in);
        CHECK(made.error == std::string("TLS handshake: certificate verify failed: ") + row.why);
        CHECK(made.turned == Turned::away);
        CHECK(made.alert.find("alert") != std::string::npos);
      }
    }
  }
}

TEST_CASE("a revoked certificate is refused, its neighbour is not") {
  const ClientCa ca("Clients");
  const Shown alice = ca.issue();
  const Shown bob = ca.issue();
  const auto with = policy(Mode::require, ca.pem(), ca.crl({bob.certificate.get()}));
  for (const int version : versions) {
    CHECK(visit(with, version, &alice).let_in);
    const Visit made = visit(with, version, &bob);
    CHECK_FALSE(made.let_in);
    CHECK(made.alert.ends_with("alert certificate revoked"));
    CHECK(made.error == "TLS handshake: certificate verify failed: certificate revoked");
  }
}

TEST_CASE("a list that has run out, or that is another authority's, lets nobody in") {
  const ClientCa ca("Clients");
  const ClientCa others("Others");
  const Shown alice = ca.issue();
  const auto old = policy(Mode::request, ca.pem(), ca.crl({}, -1h));
  REQUIRE(old->crl_until());
  CHECK(*old->crl_until() < std::chrono::system_clock::now());
  for (const int version : versions) {
    const Visit late = visit(old, version, &alice);
    CHECK_FALSE(late.let_in);
    CHECK(late.turned == Turned::away_by_old_list);
    const Visit alien = visit(policy(Mode::require, ca.pem(), others.crl({})), version, &alice);
    CHECK_FALSE(alien.let_in);
    CHECK(alien.error == "TLS handshake: certificate verify failed: unable to get certificate CRL");
  }
}

TEST_CASE("an intermediate needs no list of its root, but is held against one that is there") {
  const ClientCa root("Root");
  const ClientCa between(root, "Between");
  const Shown alice = between.issue();
  const auto come = [&](const std::string& crl) {
    const auto with = policy(Mode::require, root.pem(), crl);
    return visit(with, TLS1_3_VERSION, &alice, {}, between.certificate()).let_in;
  };
  CHECK(come({}));
  CHECK(come(between.crl({})));
  CHECK(come(between.crl({}) + root.crl({})));
  CHECK_FALSE(come(between.crl({alice.certificate.get()}) + root.crl({})));
  CHECK_FALSE(come(between.crl({}) + root.crl({between.certificate()})));
}

TEST_CASE("an intermediate among the roots stands for those below it alone") {
  const ClientCa root("Root");
  const ClientCa staff(root, "Staff");
  const ClientCa guests(root, "Guests");
  const auto with = policy(Mode::require, staff.pem());
  const Shown alice = staff.issue();
  const Shown mallory = guests.issue();
  CHECK(visit(with, TLS1_3_VERSION, &alice).let_in);
  CHECK_FALSE(visit(with, TLS1_3_VERSION, &mallory, {}, guests.certificate()).let_in);
}

TEST_CASE("a resumed session keeps its client") {
  const ClientCa ca("Clients");
  const Shown alice = ca.issue();
  const auto with = policy(Mode::require, ca.pem(), ca.crl({}));
  for (const int version : versions) {
    CAPTURE(version);
    const Visit first = visit(with, version, &alice);
    REQUIRE(first.let_in);
    const Visit second = visit(with, version, nullptr, first.session);
    REQUIRE(second.let_in);
    CHECK(second.resumed);
    REQUIRE(second.client);
    CHECK(second.client->subject == "CN=alice,O=Example");
    CHECK(second.client->fingerprint == first.client->fingerprint);
  }
}

TEST_CASE("no session gets round a policy that has changed, or into another one") {
  const ClientCa ca("Clients");
  const ClientCa others("Others");
  const Shown alice = ca.issue();
  PolicySettings open;
  const auto open_policy = ServerPolicy::make(open, keys()).value();
  const auto asking = policy(Mode::request, ca.pem());
  const auto before = policy(Mode::require, ca.pem(), ca.crl({}));
  const auto revoking = policy(Mode::require, ca.pem(), ca.crl({alice.certificate.get()}));
  const auto new_roots = policy(Mode::require, others.pem());
  for (const int version : versions) {
    CAPTURE(version);
    const Session known = visit(before, version, &alice).session;
    CHECK_FALSE(visit(revoking, version, nullptr, known).let_in);
    CHECK_FALSE(visit(revoking, version, &alice, known).let_in);
    CHECK_FALSE(visit(new_roots, version, nullptr, known).let_in);
    CHECK_FALSE(visit(new_roots, version, &alice, known).let_in);
    const Session nobody = visit(open_policy, version, nullptr).session;
    CHECK_FALSE(visit(before, version, nullptr, nobody).let_in);
    const Session unknown = visit(asking, version, nullptr).session;
    CHECK_FALSE(visit(before, version, nullptr, unknown).let_in);
    CHECK_FALSE(visit(open_policy, version, nullptr, known).resumed);
  }
}

TEST_CASE("a session is not taken up once its client's certificate, or the list, has run out") {
  const ClientCa ca("Clients");
  // A session whose peer is certificates_for("a.example"), which is good for 24 hours.
  const Visit made = visit(policy(Mode::request, ca.pem()), TLS1_3_VERSION, nullptr);
  const Wall now = std::chrono::system_clock::now();
  const auto trust = [&](std::string crl) {
    return detail::ClientTrust::make({Mode::require, ca.pem(), std::move(crl)}).value();
  };
  const auto without = trust({});
  CHECK(without->resumes(made.session.get(), now));
  CHECK_FALSE(without->resumes(made.session.get(), now + 25h));
  const auto listed = trust(ca.crl({}, 1h));
  CHECK(listed->resumes(made.session.get(), now));
  CHECK_FALSE(listed->resumes(made.session.get(), now + 2h));
  const std::unique_ptr<SSL_SESSION, FreedBy<SSL_SESSION_free>> empty(SSL_SESSION_new());
  CHECK_FALSE(without->resumes(empty.get(), now));
}

TEST_CASE("policies are the same when all about their clients is, and only then") {
  const ClientCa ca("Clients");
  const ClientCa others("Others");
  const std::string list = ca.crl({});
  const auto id = [&](Mode mode, const std::string& roots, const std::string& crl = {}) {
    return policy(mode, roots, crl)->id();
  };
  const std::string one = id(Mode::require, ca.pem(), list);
  CHECK(one == id(Mode::require, ca.pem(), list));
  CHECK(one != id(Mode::request, ca.pem(), list));
  CHECK(one != id(Mode::require, ca.pem()));
  CHECK(one != id(Mode::require, others.pem(), list));
  CHECK(one != ServerPolicy::make({}, keys()).value()->id());
}

TEST_CASE("damaged roots and lists are told for what they are") {
  const ClientCa ca("Clients");
  const auto problem = [](const ClientAuth& auth) {
    PolicySettings settings;
    settings.client_auth = auth;
    const auto made = ServerPolicy::make(settings, keys());
    return made ? std::string() : made.error().detail();
  };
  CHECK(problem({Mode::require, "nothing", {}}) ==
        "client_auth.roots: no 'CERTIFICATE' block in the text");
  CHECK(problem({Mode::require, ca.pem(), ca.pem()}) ==
        "client_auth.crl: no 'X509 CRL' block in the text");
  std::string damaged = ca.pem();
  damaged.replace(damaged.find('\n') + 1, 8, "????????");
  CHECK(problem({Mode::require, ca.pem() + damaged, {}})
            .starts_with("client_auth.roots: block 2 is damaged: "));
}

TEST_CASE("clients are told which authorities are meant") {
  const ClientCa ca("Clients");
  ServerEnd server;
  server.serve(policy(Mode::request, ca.pem()), certificates_for("a.example"));
  server.start();
  RawClient client;
  client.server_name("a.example");
  REQUIRE(client.shake(server));
  const STACK_OF(X509_NAME)* names = SSL_get0_peer_CA_list(client.ssl.get());
  REQUIRE(sk_X509_NAME_num(names) == 1);
  CHECK(X509_NAME_cmp(sk_X509_NAME_value(names, 0), X509_get_subject_name(ca.certificate())) == 0);
}

}  // namespace gatehouse::tls::test::client_auth_test
