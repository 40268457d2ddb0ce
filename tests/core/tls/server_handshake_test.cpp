#include <atomic>
#include <thread>

#include "core/base/bytes.hpp"
#include "core/tls/digest.hpp"
#include "tests/core/tls/bench.hpp"

namespace gatehouse::tls::test::server_handshake_test {
namespace {

using Step = ServerHandshake::Step;
constexpr std::string_view http11("\x08http/1.1", 9);
constexpr std::string_view h2_then_http11("\x02h2\x08http/1.1", 12);
constexpr std::string_view acme_tls(
    "\x0a"
    "acme-tls/1",
    11);

SystemEntropy& entropy() {
  static SystemEntropy system;
  return system;
}

std::shared_ptr<TicketKeys> fresh_tickets() {
  return std::make_shared<TicketKeys>(entropy(), FakeClock().wall());
}

std::shared_ptr<const ServerPolicy> policy(const PolicySettings& settings = {},
                                           std::shared_ptr<TicketKeys> tickets = fresh_tickets()) {
  return ServerPolicy::make(settings, std::move(tickets)).value();
}

HelloAnswer refusal(std::uint8_t alert) {
  HelloAnswer out;
  out.alert = alert;
  return out;
}

HelloAnswer later(const Hello&) {
  HelloAnswer out;
  out.kind = HelloAnswer::Kind::wait;
  return out;
}

TEST_CASE("a client shakes hands and both sides agree on what was settled") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    ServerEnd server;
    server.serve(policy(), certificates_for("a.example"));
    server.start();
    RawClient client;
    SSL_set_max_proto_version(client.ssl.get(), version);
    client.server_name("A.Example");
    client.alpn(h2_then_http11);
    CHECK(client.shake(server));
    REQUIRE(server.step);
    REQUIRE(*server.step);
    CHECK(**server.step == Step::done);
    const SessionFacts& facts = server.shake->facts();
    CHECK(facts.version == SSL_get_version(client.ssl.get()));
    CHECK(facts.version == (version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3"));
    CHECK(facts.cipher == SSL_get_cipher_name(client.ssl.get()));
    CHECK(facts.alpn == "http/1.1");
    CHECK(client.alpn_selected() == "http/1.1");
    CHECK(facts.sni == "a.example");
    CHECK_FALSE(facts.resumed);
    CHECK_FALSE(facts.challenge);
    CHECK(*facts.policy_id == policy()->id());
    CHECK(server.seen_name == "a.example");
    CHECK(server.seen.accepts_ecdsa);
    CHECK(server.seen.accepts_rsa);
    CHECK(server.asked == 1);
  }
}

TEST_CASE("a client that speaks only TLS 1.2 is turned away where 1.3 is demanded") {
  ServerEnd server;
  PolicySettings settings;
  settings.min_version = 13;
  server.serve(policy(settings), certificates_for("a.example"));
  server.start();
  RawClient client;
  SSL_set_max_proto_version(client.ssl.get(), TLS1_2_VERSION);
  client.server_name("a.example");
  CHECK_FALSE(client.shake(server));
  CHECK(client.alert == "tlsv1 alert protocol version");
  REQUIRE(server.step);
  CHECK(server.step->error().fault() == Fault::bad_message);
  CHECK(server.step->error().side() == Side::client);
}

TEST_CASE("a policy's cipher list rules TLS 1.2") {
  PolicySettings settings;
  settings.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305";
  ServerEnd server;
  server.serve(policy(settings), certificates_for("a.example"));
  server.start();
  RawClient client;
  SSL_set_max_proto_version(client.ssl.get(), TLS1_2_VERSION);
  client.server_name("a.example");
  CHECK(client.shake(server));
  CHECK(std::string(SSL_get_cipher_name(client.ssl.get())) == "ECDHE-ECDSA-CHACHA20-POLY1305");

  ServerEnd strict;
  strict.serve(policy(settings), certificates_for("a.example"));
  strict.start();
  RawClient other;
  SSL_set_max_proto_version(other.ssl.get(), TLS1_2_VERSION);
  SSL_set_cipher_list(other.ssl.get(), "ECDHE-ECDSA-AES128-GCM-SHA256");
  other.server_name("a.example");
  CHECK_FALSE(other.shake(strict));
  CHECK(other.alert.ends_with("alert handshake failure"));  // behind "sslv3" or "ssl/tls"

  settings.ciphers = "NO-SUCH-SUITE";
  const auto none = ServerPolicy::make(settings, fresh_tickets());
  REQUIRE_FALSE(none);
  CHECK(none.error().detail() == "ciphers 'NO-SUCH-SUITE': OpenSSL knows none of them");
}

TEST_CASE("neither CBC nor static RSA is spoken") {
  for (const char* suite : {"ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256"}) {
    CAPTURE(suite);
    ServerEnd server;
    server.serve(policy(), make_certificate_set({certificate_for("a.example"),
                                                 certificate_for("a.example", KeyType::rsa2048)}));
    server.start();
    RawClient client;
    SSL_set_max_proto_version(client.ssl.get(), TLS1_2_VERSION);
    SSL_set_cipher_list(client.ssl.get(), suite);
    client.server_name("a.example");
    CHECK_FALSE(client.shake(server));
    CHECK(client.alert.ends_with("alert handshake failure"));  // behind "sslv3" or "ssl/tls"
  }
}

TEST_CASE("the certificate's key type is one the client can use") {
  const auto both = make_certificate_set(
      {certificate_for("a.example", KeyType::rsa2048), certificate_for("a.example")});
  struct Row {
    const char* what;
    int version;
    const char* suites;
    const char* signatures;
    const char* expected;
  };
  for (const Row& row : {
           Row{"1.3, anything", TLS1_3_VERSION, nullptr, nullptr, "ecdsa"},
           Row{"1.3, RSA signatures alone", TLS1_3_VERSION, nullptr, "rsa_pss_rsae_sha256", "rsa"},
           Row{"1.2, anything", TLS1_2_VERSION, nullptr, nullptr, "ecdsa"},
           Row{"1.2, RSA suites alone", TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", nullptr,
               "rsa"},
           Row{"1.2, RSA signatures alone", TLS1_2_VERSION, nullptr,
               "RSA+SHA256:rsa_pss_rsae_sha256", "rsa"},
           Row{"1.2, an ECDSA suite that our list lacks", TLS1_2_VERSION,
               "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-GCM-SHA256", nullptr, "rsa"},
       }) {
    CAPTURE(row.what);
    ServerEnd server;
    server.serve(policy(), both);
    server.start();
    RawClient client;
    SSL_set_max_proto_version(client.ssl.get(), row.version);
    if (row.suites != nullptr) SSL_set_cipher_list(client.ssl.get(), row.suites);
    if (row.signatures != nullptr) SSL_set1_sigalgs_list(client.ssl.get(), row.signatures);
    client.server_name("a.example");
    CHECK(client.shake(server));
    CHECK(client.peer_key() == row.expected);
    CHECK(server.seen.accepts_ecdsa == (std::string(row.expected) == "ecdsa"));
  }
}

TEST_CASE("a client without server name is told apart from one with a bad one") {
  const auto ask = [](const char* name) {
    ServerEnd server;
    server.answer = [](const Hello&) { return refusal(112); };
    server.start();
    RawClient client;
    if (name != nullptr) client.server_name(name);
    CHECK_FALSE(client.shake(server));
    CHECK(client.alert == "tlsv1 unrecognized name");
    CHECK(server.step->error().fault() == Fault::denied);
    CHECK(server.step->error().detail() == "TLS handshake: refused with alert 112");
    return std::pair(server.seen_name, server.seen.bad_server_name);
  };
  CHECK(ask(nullptr) == std::pair(std::string(), false));
  CHECK(ask("a.example.") == std::pair(std::string("a.example"), false));
  CHECK(ask("192.0.2.1") == std::pair(std::string(), true));
  CHECK(ask("a..example") == std::pair(std::string(), true));
  CHECK(ask("a b.example") == std::pair(std::string(), true));
}

TEST_CASE("protocols without overlap end the handshake, no list means none chosen") {
  ServerEnd server;
  server.serve(policy(), certificates_for("a.example"));
  server.start();
  RawClient client;
  client.server_name("a.example");
  client.alpn(
      std::string_view("\x03"
                       "ftp",
                       4));
  CHECK_FALSE(client.shake(server));
  CHECK(client.alert == "tlsv1 alert no application protocol");

  ServerEnd plain;
  plain.serve(policy(), certificates_for("a.example"));
  plain.start();
  RawClient silent;
  silent.server_name("a.example");
  CHECK(silent.shake(plain));
  CHECK(plain.shake->facts().alpn == "");
}

TEST_CASE("our order of protocols decides") {
  PolicySettings settings;
  settings.alpn = {"http/1.1", "h2"};
  ServerEnd server;
  server.serve(policy(settings), certificates_for("a.example"));
  server.start();
  RawClient client;
  client.server_name("a.example");
  client.alpn(h2_then_http11);
  CHECK(client.shake(server));
  CHECK(client.alpn_selected() == "http/1.1");
}

TEST_CASE("a CA's probe is answered with the challenge certificate") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    const auto made =
        make_tls_alpn_certificate("a.example", sha256("token.thumbprint"), FakeClock().wall());
    const auto challenge = make_certificate_set({*made});
    ServerEnd server;
    server.answer = [&](const Hello& hello) {
      HelloAnswer out;
      out.kind =
          hello.offers_acme_tls_alpn ? HelloAnswer::Kind::challenge : HelloAnswer::Kind::refuse;
      out.certificates = challenge;
      return out;
    };
    server.start();
    RawClient client;
    SSL_set_max_proto_version(client.ssl.get(), version);
    client.server_name("a.example");
    client.alpn(acme_tls);
    CHECK(client.shake(server));
    CHECK(client.alpn_selected() == "acme-tls/1");
    REQUIRE(*server.step);
    CHECK(server.shake->facts().challenge);
    CHECK(der<i2d_X509>(SSL_get0_peer_certificate(client.ssl.get())) == (*made)->leaf_der());
  }
}

TEST_CASE("acme-tls/1 beside other protocols is no probe") {
  ServerEnd server;
  server.serve(policy(), certificates_for("a.example"));
  server.start();
  RawClient client;
  client.server_name("a.example");
  client.alpn(std::string(acme_tls) + std::string(http11));
  CHECK(client.shake(server));
  CHECK_FALSE(server.seen.offers_acme_tls_alpn);
  CHECK(client.alpn_selected() == "http/1.1");
}

TEST_CASE("a probe that is served as usual gets no protocol") {
  ServerEnd server;
  server.serve(policy(), certificates_for("a.example"));
  server.start();
  RawClient client;
  client.server_name("a.example");
  client.alpn(acme_tls);
  CHECK_FALSE(client.shake(server));
  CHECK(client.alert == "tlsv1 alert no application protocol");
}

TEST_CASE("a handshake waits for its certificate and then goes on") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    ServerEnd server;
    server.answer = later;
    server.start();
    RawClient client;
    SSL_set_max_proto_version(client.ssl.get(), version);
    client.server_name("new.example");
    CHECK_FALSE(client.shake(server));
    REQUIRE(server.step);
    CHECK(**server.step == Step::suspended);
    CHECK(server.shake->wanted_name() == "new.example");
    CHECK(server.script->written().empty());
    server.serve(policy(), certificates_for("new.example"));
    server.start();
    CHECK(client.shake(server));
    REQUIRE(*server.step);
    CHECK(**server.step == Step::done);
    CHECK(server.shake->facts().sni == "new.example");
  }
}

TEST_CASE("a handshake that waited in vain is refused with an alert") {
  ServerEnd server;
  server.answer = later;
  server.start();
  RawClient client;
  client.server_name("denied.example");
  CHECK_FALSE(client.shake(server));
  server.shake->refuse(112);
  CHECK_FALSE(client.shake(server));
  CHECK(client.alert == "tlsv1 unrecognized name");
}

TEST_CASE("a second ClientHello after a retry request is not judged anew") {
  ServerEnd server;
  server.serve(policy(), certificates_for("a.example"));
  server.start();
  RawClient client;
  client.server_name("a.example");
  // A key share for P-521 alone, which we do not take: HelloRetryRequest.
  SSL_set1_groups_list(client.ssl.get(), "P-521:P-256");
  CHECK(client.shake(server));
  CHECK(server.asked == 1);
  CHECK(server.shake->facts().version == "TLSv1.3");
}

TEST_CASE("plain HTTP on the TLS port is recognised and left unanswered") {
  ServerEnd server;
  server.start();
  server.script->send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  server.settle();
  REQUIRE(server.step);
  CHECK(server.step->error().detail() == "TLS handshake: plain HTTP on a TLS port");
  CHECK(server.shake->plain_http());
  CHECK(server.script->written().empty());
}

TEST_CASE("garbage ends the handshake as the client's fault") {
  ServerEnd server;
  server.start();
  server.script->send(std::string_view("\x16\x03\x01\x00\x04\x63\x00\x00\x00", 9));
  server.settle();
  REQUIRE(server.step);
  CHECK(server.step->error().fault() == Fault::bad_message);
  CHECK_FALSE(server.shake->plain_http());
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("a silent client runs into the deadline of the stream below") {
  ServerEnd server;
  server.shake->under().deadline(net::Want::read, server.clock.steady() + std::chrono::seconds(10));
  server.start();
  server.clock.advance(std::chrono::seconds(9));
  server.settle();
  CHECK_FALSE(server.step);
  server.clock.advance(std::chrono::seconds(1));
  server.settle();
  REQUIRE(server.step);
  CHECK(server.step->error().fault() == Fault::timeout);
}

TEST_CASE("a client that goes in the middle of the handshake is a closed connection") {
  for (const bool reset : {false, true}) {
    ServerEnd server;
    server.serve(policy(), certificates_for("a.example"));
    server.start();
    server.script->send(std::string_view("\x16\x03\x01\x02\x00\x01", 6));
    if (reset) {
      server.script->cut();
    } else {
      server.script->end();
    }
    server.settle();
    REQUIRE(server.step);
    CHECK(server.step->error().fault() == Fault::closed);
  }
}

// Resumption.

using Ticket = std::unique_ptr<SSL_SESSION, FreedBy<SSL_SESSION_free>>;

/// One connection under `policy`; resumes `ticket` where there is one.
struct Visit {
  bool resumed = false;
  Ticket next;
};

Visit visit(const std::shared_ptr<const ServerPolicy>& with, int version, const Ticket& ticket) {
  ServerEnd server;
  server.serve(with, certificates_for("a.example"));
  server.start();
  RawClient client;
  SSL_set_max_proto_version(client.ssl.get(), version);
  client.server_name("a.example");
  if (ticket) SSL_set_session(client.ssl.get(), ticket.get());
  REQUIRE(client.shake(server));
  client.read(server);  // takes the tickets of TLS 1.3
  Visit out;
  out.resumed = SSL_session_reused(client.ssl.get()) == 1;
  CHECK(server.shake->facts().resumed == out.resumed);
  out.next.reset(SSL_get1_session(client.ssl.get()));
  SSL_shutdown(client.ssl.get());  // OpenSSL spoils the session of a client that just goes
  return out;
}

TEST_CASE("a ticket resumes its own policy and no other") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    const auto keys = fresh_tickets();
    const auto one = policy({}, keys);
    PolicySettings other_settings;
    other_settings.alpn = {"h2", "http/1.1"};
    const auto other = policy(other_settings, keys);
    const Visit first = visit(one, version, nullptr);
    CHECK_FALSE(first.resumed);
    CHECK(visit(one, version, first.next).resumed);
    CHECK_FALSE(visit(other, version, first.next).resumed);
    // The same settings made anew (a reload) are the same policy.
    CHECK(visit(policy({}, keys), version, first.next).resumed);
    // Another ring knows nothing of it.
    CHECK_FALSE(visit(policy(), version, first.next).resumed);
  }
}

std::string ticket_of(const Ticket& session) {
  const unsigned char* octets = nullptr;
  std::size_t size = 0;
  SSL_SESSION_get0_ticket(session.get(), &octets, &size);
  return std::string(octets, octets + size);
}

TEST_CASE("a client that uses each TLS 1.3 ticket once never runs out of them") {
  const auto with = policy({}, fresh_tickets());
  Visit last = visit(with, TLS1_3_VERSION, nullptr);
  for (int i = 0; i < 4; ++i) {
    Visit next = visit(with, TLS1_3_VERSION, last.next);
    CHECK(next.resumed);
    CHECK_FALSE(ticket_of(next.next).empty());
    CHECK(ticket_of(next.next) != ticket_of(last.next));
    last = std::move(next);
  }
}

TEST_CASE("tickets outlive two rotations of the keys and no more") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    FakeClock clock;
    const auto keys = std::make_shared<TicketKeys>(entropy(), clock.wall());
    const auto with = policy({}, keys);
    const Visit first = visit(with, version, nullptr);
    for (int turn = 1; turn <= 2; ++turn) {
      clock.advance(TicketKeys::rotation);
      CHECK(keys->rotate(clock.wall()));
      CHECK(visit(with, version, first.next).resumed);
    }
    clock.advance(TicketKeys::rotation);
    keys->rotate(clock.wall());
    CHECK_FALSE(visit(with, version, first.next).resumed);
  }
}

TEST_CASE("handshakes on many threads go on while the keys change") {
  FakeClock clock;
  const auto keys = std::make_shared<TicketKeys>(entropy(), clock.wall());
  const auto with = policy({}, keys);
  std::atomic<int> resumed = 0;
  std::atomic<bool> rotated = false;
  std::vector<std::thread> threads;
  for (int number = 0; number < 3; ++number) {
    threads.emplace_back([&] {
      Ticket ticket;
      for (int turn = 0; turn < 20 || !rotated; ++turn) {
        Visit made = visit(with, TLS1_3_VERSION, ticket);
        resumed += made.resumed ? 1 : 0;
        ticket = std::move(made.next);
      }
    });
  }
  for (int turn = 0; turn < 20; ++turn) {
    clock.advance(TicketKeys::rotation);
    CHECK(keys->rotate(clock.wall()));
    std::this_thread::yield();
  }
  rotated = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(resumed > 0);
  // What a thread remembers of before follows the ring.
  const Visit last = visit(with, TLS1_3_VERSION, nullptr);
  CHECK(visit(with, TLS1_3_VERSION, last.next).resumed);
}

TEST_CASE("a policy without ticket keys gives no tickets") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto with = policy({}, nullptr);
    const Visit first = visit(with, version, nullptr);
    CHECK_FALSE(SSL_SESSION_has_ticket(first.next.get()) == 1);
    CHECK_FALSE(visit(with, version, first.next).resumed);
  }
}

}  // namespace
}  // namespace gatehouse::tls::test::server_handshake_test
