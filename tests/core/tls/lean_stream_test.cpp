// From the handshake to records without an SSL: what is handed over, when, and when not.

#include "core/tls/detail/policy.hpp"
#include "core/tls/digest.hpp"
#include "tests/core/tls/bench.hpp"
#include "tests/core/tls/client_ca.hpp"

namespace gatehouse::tls::test::lean_stream_test {
namespace {

using net::IoState;
using Ticket = std::shared_ptr<SSL_SESSION>;

std::shared_ptr<TicketKeys> keys() {
  static SystemEntropy entropy;
  static const auto made = std::make_shared<TicketKeys>(entropy, std::chrono::system_clock::now());
  return made;
}

PolicySettings lean_settings() {
  PolicySettings settings;
  settings.alpn = {"h2", "http/1.1"};
  settings.lean_records = true;
  return settings;
}

/// One connection of OpenSSL's client to a server that frees its SSL where it can.
struct Visit {
  explicit Visit(const PolicySettings& settings = lean_settings(), const RecordLimits& limits = {},
                 std::shared_ptr<TicketKeys> tickets = keys())
      : server(limits) {
    server.serve(ServerPolicy::make(settings, std::move(tickets)).value(),
                 certificates_for("a.example"));
    server.start();
    client.server_name("a.example");
  }
  ~Visit() {
    // Else OpenSSL forgets the session.
    SSL_set_shutdown(client.ssl.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }

  void finish() {
    REQUIRE(server.step);
    REQUIRE(*server.step);
    stream = server.shake->finish();
  }
  void shake() {
    REQUIRE(client.shake(server));
    finish();
  }
  /// Shakes hands with `first` behind the client's Finished, all in one segment.
  void shake_and_say(std::string_view first) {
    for (int round = 0; round < 10; ++round) {
      if (SSL_do_handshake(client.ssl.get()) == 1) break;
      client.exchange(server);
    }
    std::size_t put = 0;
    REQUIRE(SSL_write_ex(client.ssl.get(), first.data(), first.size(), &put) == 1);
    client.exchange(server);
    finish();
  }

  bool lean() const { return dynamic_cast<const TlsStream&>(*stream).lean(); }
  std::string heard() {
    std::string out;
    char room[20'000];
    for (;;) {
      const net::IoResult got = stream->try_read(room);
      if (got.state != IoState::done || got.bytes == 0) return out;
      out.append(room, got.bytes);
    }
  }
  /// Both ways, and again after new keys in both directions.
  void talk() {
    for (int round = 0; round < 3; ++round) {
      client.write(server, "a question");
      CHECK(heard() == "a question");
      CHECK(stream->try_write("an answer").state == IoState::done);
      CHECK(client.read(server) == "an answer");
      REQUIRE(SSL_key_update(client.ssl.get(), SSL_KEY_UPDATE_REQUESTED) == 1);
    }
  }
  Ticket ticket() {
    client.read(server);
    return Ticket(SSL_get1_session(client.ssl.get()), SSL_SESSION_free);
  }

  ServerEnd server;
  RawClient client;
  std::unique_ptr<net::Stream> stream;
};

TEST_CASE("every suite of TLS 1.3 goes on without an SSL, and its facts stay known") {
  for (const char* suite :
       {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    const std::string name = suite;
    CAPTURE(name);
    Visit visit;
    SSL_set_ciphersuites(visit.client.ssl.get(), suite);
    visit.client.alpn("\x02h2");
    visit.shake();
    CHECK(visit.lean());
    visit.server.shake.reset();
    visit.talk();
    const SessionFacts& facts = *facts_of(*visit.stream);
    CHECK(facts.version == "TLSv1.3");
    CHECK(facts.cipher == suite);
    CHECK(facts.alpn == "h2");
    CHECK(facts.sni == "a.example");
    CHECK_FALSE(facts.resumed);
    CHECK(facts.client == nullptr);
  }
}

TEST_CASE("every group, and a second ClientHello, lead to it") {
  for (const std::string group : {"X25519MLKEM768", "X25519", "P-256", "P-384", "P-521:P-384"}) {
    CAPTURE(group);
    Visit visit;
    // Not all OpenSSLs have all of them.
    if (SSL_set1_groups_list(visit.client.ssl.get(), group.c_str()) != 1) continue;
    visit.shake();
    CHECK(visit.lean());
    visit.talk();
  }
  ERR_clear_error();
}

TEST_CASE("TLS 1.2, other ciphers and a CA's probe keep their SSL") {
  SUBCASE("TLS 1.2, also with data behind the Finished") {
    Visit visit;
    SSL_set_max_proto_version(visit.client.ssl.get(), TLS1_2_VERSION);
    // In TLS 1.2 the client's Finished is not the last: only a resumed handshake ends with it.
    visit.shake();
    const Ticket ticket = visit.ticket();
    CHECK_FALSE(visit.lean());
    Visit again;
    SSL_set_max_proto_version(again.client.ssl.get(), TLS1_2_VERSION);
    SSL_set_session(again.client.ssl.get(), ticket.get());
    again.shake_and_say("early words");
    CHECK(facts_of(*again.stream)->resumed);
    CHECK_FALSE(again.lean());
    CHECK(again.stream->pending());
    CHECK_FALSE(again.stream->silent());
    CHECK(again.heard() == "early words");
    CHECK(again.stream->silent());
  }
  SUBCASE("a suite with a short tag") {
    Visit visit;
    SSL_set_ciphersuites(visit.client.ssl.get(), "TLS_AES_128_CCM_SHA256");
    CHECK_FALSE(visit.client.shake(visit.server));  // is not even spoken
  }
  SUBCASE("a policy without") {
    PolicySettings settings = lean_settings();
    settings.lean_records = false;
    Visit visit(settings);
    visit.shake_and_say("early words");
    CHECK_FALSE(visit.lean());
    CHECK(visit.heard() == "early words");
    visit.talk();
  }
  SUBCASE("a probe") {
    Visit visit;
    visit.server.answer = [](const Hello&) {
      HelloAnswer out;
      out.kind = HelloAnswer::Kind::challenge;
      out.certificates = certificates_for("a.example");
      return out;
    };
    visit.client.alpn(
        "\x0a"
        "acme-tls/1");
    visit.shake();
    CHECK_FALSE(visit.lean());
  }
}

TEST_CASE("policies with and without it are one policy to tickets") {
  PolicySettings fat = lean_settings();
  fat.lean_records = false;
  CHECK(ServerPolicy::make(fat, keys()).value()->id() ==
        ServerPolicy::make(lean_settings(), keys()).value()->id());
  Visit first(fat);
  first.shake();
  const Ticket ticket = first.ticket();
  Visit second;
  SSL_set_session(second.client.ssl.get(), ticket.get());
  second.shake();
  CHECK(second.server.shake->facts().resumed);
  CHECK(second.lean());
}

TEST_CASE("data that comes with the client's Finished is not lost, however it is cut") {
  for (const std::size_t step : {Script::no_limit, std::size_t{1}, std::size_t{7}}) {
    for (const std::size_t size : {1U, 1000U, 4000U, 16'000U, 100'000U}) {
      CAPTURE(step);
      CAPTURE(size);
      Visit visit;
      std::string octets(size, '\0');
      SystemEntropy().fill(octets);
      visit.server.script->at_most(step);
      SSL_set_mode(visit.client.ssl.get(), SSL_MODE_ENABLE_PARTIAL_WRITE);
      visit.shake_and_say(std::string_view(octets).substr(0, 16'000));
      CHECK(visit.lean());
      if (size == 1 && step == Script::no_limit) CHECK(visit.stream->pending());
      std::string got = visit.heard();
      for (std::size_t at = 16'000; at < size; at += 16'000) {
        visit.client.write(visit.server, std::string_view(octets).substr(at, 16'000));
        got += visit.heard();
      }
      for (int round = 0; round < 100 && got.size() < size; ++round) {
        visit.client.exchange(visit.server);
        got += visit.heard();
      }
      CHECK((got == octets));
      CHECK(visit.stream->try_write("an answer").state == IoState::done);
      CHECK(visit.client.read(visit.server) == "an answer");
    }
  }
}

TEST_CASE("new keys and an end right behind the Finished are understood") {
  Visit visit;
  while (SSL_do_handshake(visit.client.ssl.get()) != 1) visit.client.exchange(visit.server);
  SSL_key_update(visit.client.ssl.get(), SSL_KEY_UPDATE_REQUESTED);
  std::size_t put = 0;
  REQUIRE(SSL_write_ex(visit.client.ssl.get(), "words", 5, &put) == 1);
  SSL_shutdown(visit.client.ssl.get());
  visit.client.exchange(visit.server);
  visit.finish();
  CHECK(visit.lean());
  char room[100];
  CHECK(visit.stream->try_read(room).bytes == 5);
  CHECK(visit.stream->try_read(room).state == IoState::end);
  CHECK(visit.stream->try_write("an answer").state == IoState::done);
  visit.stream->shutdown_write();
}

TEST_CASE("tickets leave before the SSL does, and resume") {
  Visit first;
  first.shake();
  CHECK(first.lean());
  first.talk();
  Ticket ticket = first.ticket();
  CHECK(SSL_SESSION_is_resumable(ticket.get()) == 1);
  for (int round = 0; round < 3; ++round) {
    Visit next;
    SSL_set_session(next.client.ssl.get(), ticket.get());
    next.shake_and_say("early words");
    CHECK(next.server.shake->facts().resumed);
    CHECK(SSL_session_reused(next.client.ssl.get()) == 1);
    CHECK(next.lean());
    CHECK(next.heard() == "early words");
    next.talk();
    ticket = next.ticket();
  }
}

TEST_CASE("early data is neither offered nor heard, and the handshake goes on without it") {
  for (const bool lean : {false, true}) {
    CAPTURE(lean);
    PolicySettings settings = lean_settings();
    settings.lean_records = lean;
    Visit first(settings);
    first.shake();
    const Ticket ticket = first.ticket();
    CHECK(SSL_SESSION_get_max_early_data(ticket.get()) == 0);
    for (const std::size_t size : {1U, 1'000U, 16'000U}) {
      CAPTURE(size);
      // RFC 8446 §4.2.10: a client that sends some all the same. All of it has to be passed over.
      const Ticket forged(SSL_SESSION_dup(ticket.get()), SSL_SESSION_free);
      REQUIRE(SSL_SESSION_set_max_early_data(forged.get(), 16'384) == 1);
      Visit bold(settings);
      SSL_set_session(bold.client.ssl.get(), forged.get());
      std::size_t put = 0;
      const std::string early(size, 'e');
      REQUIRE(SSL_write_early_data(bold.client.ssl.get(), early.data(), early.size(), &put) == 1);
      CHECK(put == size);
      bold.client.exchange(bold.server);
      bold.shake_and_say("words in their time");
      CHECK(SSL_get_early_data_status(bold.client.ssl.get()) == SSL_EARLY_DATA_REJECTED);
      CHECK(bold.server.shake->facts().resumed);
      CHECK(bold.lean() == lean);
      CHECK(bold.heard() == "words in their time");
      bold.talk();
    }
  }
}

TEST_CASE("early data without end ends the handshake") {
  Visit first;
  first.shake();
  const Ticket ticket = first.ticket();
  const Ticket forged(SSL_SESSION_dup(ticket.get()), SSL_SESSION_free);
  REQUIRE(SSL_SESSION_set_max_early_data(forged.get(), 1'000'000) == 1);
  Visit bold;
  SSL_set_session(bold.client.ssl.get(), forged.get());
  const std::string early(16'000, 'e');
  for (int i = 0; i < 10; ++i) {
    std::size_t put = 0;
    REQUIRE(SSL_write_early_data(bold.client.ssl.get(), early.data(), early.size(), &put) == 1);
  }
  bold.client.shake(bold.server);  // for the client all is done before the server is at its end
  REQUIRE(bold.server.step);
  CHECK_FALSE(*bold.server.step);
  CHECK(bold.server.step->error().fault() == Fault::bad_message);
}

TEST_CASE("a client's certificate is known after its SSL is gone, and by its tickets") {
  const ClientCa ca("Clients");
  Wish wish;
  for (int i = 0; i < 400; ++i)
    wish.san += (i > 0 ? ",DNS:" : "DNS:") + std::to_string(i) + ".example";
  const Shown alice = ca.issue(wish);
  PolicySettings settings = lean_settings();
  settings.client_auth = {ClientAuth::Mode::require, ca.pem(), {}};
  Visit first(settings);
  SSL_use_certificate(first.client.ssl.get(), alice.certificate.get());
  SSL_use_PrivateKey(first.client.ssl.get(), alice.key.handle());
  first.shake_and_say("early words");
  CHECK(first.lean());
  CHECK(first.heard() == "early words");
  first.talk();
  REQUIRE(facts_of(*first.stream)->client);
  CHECK(facts_of(*first.stream)->client->subject == "CN=alice,O=Example");
  const Ticket ticket = first.ticket();
  Visit second(settings);
  SSL_set_session(second.client.ssl.get(), ticket.get());
  second.shake();
  CHECK(second.lean());
  second.talk();
  CHECK(facts_of(*second.stream)->resumed);
  REQUIRE(facts_of(*second.stream)->client);
  CHECK(facts_of(*second.stream)->client->subject == "CN=alice,O=Example");
}

TEST_CASE("many octets pass under many keys, ours changing by count and the client's by wish") {
  RecordLimits limits;
  limits.sealed_by_key = 50;
  Visit visit(lean_settings(), limits);
  visit.shake();
  std::string block(1024 * 1024, '\0');
  SystemEntropy().fill(block);
  for (int mebibyte = 0; mebibyte < 32; ++mebibyte) {
    block[0] = static_cast<char>(mebibyte);
    std::string got;
    for (std::string_view rest = block; !rest.empty();) {
      const net::IoResult put = visit.stream->try_write(rest);
      REQUIRE(put.state == IoState::done);
      rest.remove_prefix(put.bytes);
      for (int round = 0; round < 4; ++round) got += visit.client.read(visit.server);
    }
    CHECK((got == block));
    got.clear();
    for (std::size_t at = 0; at < block.size(); at += 16'000) {
      visit.client.write(visit.server, std::string_view(block).substr(at, 16'000));
      for (int round = 0; round < 2; ++round) visit.client.exchange(visit.server);
      got += visit.heard();
    }
    CHECK((got == block));
    SSL_key_update(visit.client.ssl.get(),
                   mebibyte % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
  }
}

TEST_CASE("a bulk of records is read a block at a time, however it is cut") {
  std::string block(300'000, '\0');
  SystemEntropy().fill(block);
  std::vector<char> room(64 * 1024);
  // All at once; in pieces that end within records; hardly anything at a time.
  for (const std::size_t at_once :
       {std::size_t{1'000'000}, std::size_t{40'000}, std::size_t{7'001}}) {
    CAPTURE(at_once);
    Visit visit;
    visit.shake();
    visit.server.script->at_most(at_once);
    visit.client.write(visit.server, block);
    std::string got;
    std::size_t most = 0;
    for (;;) {
      const net::IoResult read = visit.stream->try_read(room);
      if (read.state != IoState::done) break;
      got.append(room.data(), read.bytes);
      most = std::max(most, read.bytes);
    }
    CHECK((got == block));
    if (at_once > block.size()) CHECK(most == room.size());
    visit.client.write(visit.server, "and a question");
    CHECK(visit.heard() == "and a question");
  }
}

TEST_CASE("a connection that breaks at any octet fails its lean stream") {
  for (std::size_t at = 1; at < 60; ++at) {
    Visit visit;
    visit.shake();
    visit.server.script->cut_reads_after(visit.server.script->read_bytes() + at);
    visit.client.write(visit.server, "a question");
    visit.client.write(visit.server, "and one more");
    const std::string got = visit.heard();
    CHECK(std::string_view("a questionand one more").starts_with(got));
    char room[100];
    CHECK(visit.stream->try_read(room).state == IoState::failed);
    CHECK(visit.stream->error().fault() == Fault::closed);
    CHECK(visit.stream->try_write("x").state == IoState::failed);
    visit.stream->shutdown_write();
  }
  for (std::size_t at = 0; at < 60; ++at) {
    Visit visit;
    visit.shake();
    visit.server.script->cut_writes_after(visit.server.script->written().size() + at);
    IoState state = IoState::done;
    for (int i = 0; i < 4 && state == IoState::done; ++i) {
      state = visit.stream->try_write("an answer of some octets").state;
    }
    CHECK(state == IoState::failed);
    CHECK(visit.stream->error().fault() == Fault::closed);
  }
}

}  // namespace
}  // namespace gatehouse::tls::test::lean_stream_test
