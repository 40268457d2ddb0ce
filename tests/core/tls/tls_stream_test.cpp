#include <sys/socket.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <fstream>

#include "core/net/socket_stream.hpp"
#include "tests/core/tls/bench.hpp"
#include "tests/support/temporary_folder.hpp"

namespace gatehouse::tls::test::tls_stream_test {
namespace {

using net::IoState;
using net::Stream;
using Connected = Result<std::unique_ptr<Stream>>;

const std::string& roots_file() {
  static const gatehouse::test::TemporaryFolder folder;
  static const std::string path = [] {
    const std::string at = folder / "root.pem";
    std::ofstream(at) << test_root().certificate_pem();
    return at;
  }();
  return path;
}

std::shared_ptr<const ServerPolicy> server_policy(
    bool lean = false, const std::shared_ptr<TicketKeys>& keys = nullptr) {
  PolicySettings settings;
  settings.lean_records = lean;
  settings.alpn = {"h2", "http/1.1"};
  return ServerPolicy::make(settings, keys).value();
}

ClientPolicy::Settings trusting() {
  ClientPolicy::Settings settings;
  settings.roots_file = roots_file();
  settings.alpn = {"http/1.1"};
  return settings;
}

std::string noise(std::size_t size) {
  std::string out(size, '\0');
  SystemEntropy().fill(out);
  return out;
}

/// Both ends of ours, joined in memory on one thread.
struct Pair {
  explicit Pair(const std::string& host = "a.example", const RecordLimits& served_limits = {},
                bool lean_records = false)
      : server(served_limits), lean(lean_records) {
    server.serve(server_policy(lean), certificates_for(host));
    join(server.script, client_script);
  }

  /// True: both ends are done.
  bool shake(const std::string& name = "a.example",
             const ClientPolicy::Settings& settings = trusting()) {
    auto policy = ClientPolicy::make(settings);
    REQUIRE(policy);
    auto under = std::make_unique<ScriptedStream>(client_script, server.clock, Side::server);
    asio::co_spawn(server.io, connect(std::move(under), *policy, name), asio::detached);
    server.start();
    if (!connected || !*connected || !server.step || !*server.step) return false;
    client = std::move(**connected);
    served = server.shake->finish();
    CHECK(dynamic_cast<const TlsStream&>(*served).lean() == lean);
    return true;
  }
  awaitable<void> connect(std::unique_ptr<Stream> under, std::shared_ptr<const ClientPolicy> policy,
                          std::string name) {
    auto result = co_await connect_tls(std::move(under), std::move(policy), std::move(name));
    connected.emplace(std::move(result));
  }

  /// Writes all of `octets` at one end while the other reads it to the end of it.
  std::string carry(Stream& from, Stream& to, const std::string& octets) {
    std::string got;
    sent.reset();
    asio::co_spawn(server.io, send(from, octets), asio::detached);
    asio::co_spawn(server.io, receive(to, got, octets.size()), asio::detached);
    server.settle();
    CHECK(sent == true);
    return got;
  }
  awaitable<void> send(Stream& to, std::string octets) {
    auto result = co_await to.write(octets);
    sent = result.has_value();
  }
  static awaitable<void> receive(Stream& from, std::string& got, std::size_t size) {
    char buffer[10'000];
    while (got.size() < size) {
      auto some = co_await from.read_some(buffer);
      if (!some || *some == 0) co_return;
      got.append(buffer, *some);
    }
  }

  ServerEnd server;
  bool lean;
  std::shared_ptr<Script> client_script = std::make_shared<Script>();
  std::optional<Connected> connected;
  std::optional<bool> sent;
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> served;
};

template <class Records>
struct PairOf : Pair {
  explicit PairOf(const RecordLimits& limits = {}) : Pair("a.example", limits, Records::lean) {}
};

TEST_CASE_TEMPLATE("two ends of ours talk both ways and know what was settled", Records, WithSsl,
                   Lean) {
  PairOf<Records> pair;
  REQUIRE(pair.shake());
  CHECK(pair.carry(*pair.client, *pair.served, "a question") == "a question");
  const std::string large = noise(300'000);
  CHECK(pair.carry(*pair.served, *pair.client, large) == large);
  CHECK(pair.carry(*pair.client, *pair.served, large) == large);
  REQUIRE(facts_of(*pair.client) != nullptr);
  CHECK(facts_of(*pair.client)->alpn == "http/1.1");
  CHECK(facts_of(*pair.client)->version == "TLSv1.3");
  CHECK(facts_of(*pair.served)->sni == "a.example");
  const ScriptedStream plain(std::make_shared<Script>(), pair.server.clock);
  CHECK(facts_of(plain) == nullptr);
}

TEST_CASE_TEMPLATE("nothing is lost when octets come and go one at a time", Records, WithSsl,
                   Lean) {
  PairOf<Records> pair;
  pair.server.script->at_most(1, 1);
  pair.client_script->at_most(1, 1);
  REQUIRE(pair.shake());
  const std::string octets = noise(40'000);
  CHECK(pair.carry(*pair.client, *pair.served, octets) == octets);
  CHECK(pair.carry(*pair.served, *pair.client, octets) == octets);
}

TEST_CASE_TEMPLATE("what is written at once leaves in one send, up to 64 KiB", Records, WithSsl,
                   Lean) {
  PairOf<Records> pair;
  REQUIRE(pair.shake());
  const auto sends = [&](std::size_t size) {
    const std::size_t before = pair.server.script->writes().size();
    pair.carry(*pair.served, *pair.client, std::string(size, 'x'));
    return pair.server.script->writes().size() - before;
  };
  CHECK(sends(1) == 1);
  CHECK(sends(3000) == 1);
  CHECK(sends(64 * 1024) == 1);
  CHECK(sends(64 * 1024 + 1) == 2);
  CHECK(sends(1024 * 1024) == 16);
}

TEST_CASE_TEMPLATE("a proper end of one side leaves the other direction open", Records, WithSsl,
                   Lean) {
  PairOf<Records> pair;
  REQUIRE(pair.shake());
  pair.client->shutdown_write();
  char buffer[100];
  CHECK(pair.served->try_read(buffer).state == IoState::end);
  CHECK(pair.served->try_read(buffer).state == IoState::end);
  CHECK(pair.carry(*pair.served, *pair.client, "an answer") == "an answer");
  pair.served->shutdown_write();
  CHECK(pair.client->try_read(buffer).state == IoState::end);
  CHECK(pair.client->try_write("too late").state == IoState::failed);
  CHECK(pair.client->error().fault() == Fault::closed);
}

TEST_CASE_TEMPLATE("octets before the end are delivered first", Records, WithSsl, Lean) {
  PairOf<Records> pair;
  REQUIRE(pair.shake());
  CHECK(pair.client->try_write("last words").state == IoState::done);
  pair.client->shutdown_write();
  char buffer[100];
  const net::IoResult got = pair.served->try_read(buffer);
  CHECK(got.state == IoState::done);
  CHECK(std::string_view(buffer, got.bytes) == "last words");
  CHECK(pair.served->try_read(buffer).state == IoState::end);
}

TEST_CASE_TEMPLATE("an end without close_notify is a failure", Records, WithSsl, Lean) {
  for (const bool reset : {false, true}) {
    PairOf<Records> pair;
    REQUIRE(pair.shake());
    CHECK(pair.client->try_write("half a sen").state == IoState::done);
    if (reset) {
      pair.server.script->cut();
    } else {
      pair.server.script->end();
    }
    char buffer[100];
    CHECK(pair.served->try_read(buffer).bytes == 10);
    CHECK(pair.served->try_read(buffer).state == IoState::failed);
    CHECK(pair.served->error().fault() == Fault::closed);
    CHECK(pair.served->error().side() == Side::client);
    pair.served->shutdown_write();  // must not touch the broken session
    CHECK(pair.served->try_read(buffer).state == IoState::failed);
    CHECK(pair.served->try_write("x").state == IoState::failed);
  }
}

TEST_CASE_TEMPLATE("a changed octet breaks the stream as the peer's fault", Records, WithSsl,
                   Lean) {
  PairOf<Records> pair;
  REQUIRE(pair.shake());
  pair.client_script->on_write(nullptr);
  const std::size_t before = pair.client_script->written().size();
  CHECK(pair.client->try_write("to be changed").state == IoState::done);
  std::string record = pair.client_script->written().substr(before);
  record.back() = static_cast<char>(record.back() ^ 1);
  pair.server.script->send(record);
  char buffer[100];
  CHECK(pair.served->try_read(buffer).state == IoState::failed);
  CHECK(pair.served->error().fault() == Fault::bad_message);
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE_TEMPLATE("a stalled peer makes a write wait, which goes on from moved memory", Records,
                   WithSsl, Lean) {
  PairOf<Records> pair;
  REQUIRE(pair.shake());
  pair.server.script->take(1000);
  const std::string octets = noise(100'000);
  CHECK(pair.served->try_write(octets).state == IoState::want_write);
  CHECK(pair.served->try_write(std::string(octets)).state == IoState::want_write);
  std::string got;
  asio::co_spawn(pair.server.io, Pair::receive(*pair.client, got, octets.size()), asio::detached);
  asio::co_spawn(pair.server.io, pair.send(*pair.served, octets), asio::detached);
  for (int i = 0; i < 200; ++i) {
    pair.server.script->take(1000);
    pair.server.settle();
  }
  CHECK(pair.sent == true);
  CHECK(got == octets);
}

TEST_CASE_TEMPLATE("records already taken off the socket show as pending", Records, WithSsl, Lean) {
  PairOf<Records> pair;
  REQUIRE(pair.shake());
  CHECK_FALSE(pair.served->pending());
  CHECK(pair.client->try_write("0123456789").state == IoState::done);
  CHECK_FALSE(pair.served->pending());
  char small[4];
  CHECK(pair.served->try_read(small).bytes == 4);
  CHECK(pair.served->pending());
  CHECK(pair.served->try_read(small).bytes == 4);
  CHECK(pair.served->try_read(small).bytes == 2);
  CHECK_FALSE(pair.served->pending());
  CHECK(pair.served->try_read(small).state == IoState::want_read);
}

TEST_CASE_TEMPLATE("a stream is silent until its peer says or ends something", Records, WithSsl,
                   Lean) {
  SystemEntropy entropy;
  PairOf<Records> pair;
  const auto keys = std::make_shared<TicketKeys>(entropy, std::chrono::system_clock::now());
  pair.server.serve(server_policy(Records::lean, keys), certificates_for("a.example"));
  REQUIRE(pair.shake());
  REQUIRE(pair.client_script->unread() > 0);  // session tickets
  SUBCASE("tickets are not said to us") {
    CHECK(pair.client->silent());
    CHECK(pair.client_script->unread() == 0);
    CHECK(pair.carry(*pair.served, *pair.client, "words") == "words");
    CHECK(pair.client->silent());
  }
  SUBCASE("words behind tickets are, and stay to be read") {
    CHECK(pair.served->try_write("words").state == IoState::done);
    CHECK_FALSE(pair.client->silent());
    char buffer[100];
    const net::IoResult got = pair.client->try_read(buffer);
    CHECK(std::string_view(buffer, got.bytes) == "words");
    CHECK(pair.client->silent());
  }
  SUBCASE("an end behind tickets is") {
    pair.served->shutdown_write();
    CHECK_FALSE(pair.client->silent());
    char buffer[100];
    CHECK(pair.client->try_read(buffer).state == IoState::end);
  }
  SUBCASE("half a record may become anything") {
    CHECK(pair.client->silent());
    pair.client_script->send("\x17\x03");
    CHECK_FALSE(pair.client->silent());
  }
  SUBCASE("a broken connection is not silent") {
    pair.client_script->cut();
    CHECK_FALSE(pair.client->silent());
    CHECK_FALSE(pair.client->silent());
  }
}

TEST_CASE_TEMPLATE("a client that changes its keys is answered and understood", Records, WithSsl,
                   Lean) {
  ServerEnd server;
  server.serve(server_policy(), certificates_for("a.example"));
  server.start();
  RawClient client;
  client.server_name("a.example");
  REQUIRE(client.shake(server));
  const auto served = server.shake->finish();
  SSL_key_update(client.ssl.get(), SSL_KEY_UPDATE_REQUESTED);
  client.write(server, "with new keys");
  char buffer[100];
  const net::IoResult got = served->try_read(buffer);
  CHECK(std::string_view(buffer, got.bytes) == "with new keys");
  CHECK(served->try_write("understood").state == IoState::done);
  CHECK(client.read(server) == "understood");
}

TEST_CASE_TEMPLATE("a client of ours changes its key before it has sealed too much", Records,
                   WithSsl, Lean) {
  ClientPolicy::Settings settings = trusting();
  settings.limits.sealed_by_key = 3;
  SUBCASE("data goes on both ways") {
    RecordLimits limits;
    limits.sealed_by_key = 2;
    PairOf<Records> pair(limits);
    REQUIRE(pair.shake("a.example", settings));
    const std::string octets = noise(500'000);
    CHECK(pair.carry(*pair.client, *pair.served, octets) == octets);
    CHECK(pair.carry(*pair.served, *pair.client, octets) == octets);
    CHECK(pair.carry(*pair.client, *pair.served, "end") == "end");
  }
  SUBCASE("with the fourth record, not with the third") {
    RecordLimits limits;
    limits.messages_without_data = 0;  // ends at the first KeyUpdate
    PairOf<Records> pair(limits);
    REQUIRE(pair.shake("a.example", settings));
    for (int record = 1; record <= 3; ++record) {
      CHECK(pair.carry(*pair.client, *pair.served, "octets") == "octets");
    }
    CHECK(pair.client->try_write("octets").state == IoState::done);
    char buffer[100];
    // An SSL delivers what came with the KeyUpdate before it stops.
    CHECK((Records::lean || pair.served->try_read(buffer).bytes == 6));
    CHECK(pair.served->try_read(buffer).state == IoState::failed);
    CHECK(pair.served->error().fault() == Fault::limit);
  }
}

TEST_CASE("a TLS 1.2 client may not renegotiate") {
  ServerEnd server;
  server.serve(server_policy(), certificates_for("a.example"));
  server.start();
  RawClient client;
  SSL_set_max_proto_version(client.ssl.get(), TLS1_2_VERSION);
  client.server_name("a.example");
  REQUIRE(client.shake(server));
  const auto served = server.shake->finish();
  SSL_renegotiate(client.ssl.get());
  SSL_do_handshake(client.ssl.get());
  client.exchange(server);
  char buffer[100];
  CHECK(served->try_read(buffer).state == IoState::want_read);
  client.exchange(server);
  CHECK(SSL_do_handshake(client.ssl.get()) != 1);
  CHECK(openssl_problem() == "no renegotiation");
}

TEST_CASE("a client of ours verifies whom it talks to") {
  const auto failure = [](const std::string& host, const std::string& name,
                          const ClientPolicy::Settings& settings) {
    Pair pair(host);
    if (pair.shake(name, settings)) return std::string("none");
    REQUIRE(pair.connected);
    CHECK(pair.connected->error().side() == Side::server);
    return pair.connected->error().detail();
  };
  ClientPolicy::Settings stranger;  // the system's roots
  ClientPolicy::Settings careless;
  careless.verify = false;
  const std::string failed = "TLS handshake: certificate verify failed: ";
  CHECK(failure("a.example", "a.example", trusting()) == "none");
  CHECK(failure("a.example", "b.example", trusting()) == failed + "hostname mismatch");
  CHECK(failure("*.b.example", "a.b.example", trusting()) == "none");
  CHECK(failure("a.example", "a.example", stranger) ==
        failed + "unable to get local issuer certificate");
  CHECK(failure("a.example", "b.example", careless) == "none");
  CHECK(failure("192.0.2.1", "192.0.2.1", trusting()) == "none");
  CHECK(failure("192.0.2.1", "192.0.2.2", trusting()) == failed + "IP address mismatch");
}

TEST_CASE("a client policy says which roots it could not read") {
  ClientPolicy::Settings settings;
  settings.roots_file = "/no/such/file.pem";
  const auto made = ClientPolicy::make(settings);
  REQUIRE_FALSE(made);
  CHECK(made.error().detail().starts_with("roots file /no/such/file.pem: "));
}

TEST_CASE_TEMPLATE(
    "a connection that breaks at any octet of the handshake is an error of that peer", Records,
    WithSsl, Lean) {
  std::size_t to_server = 0;
  std::size_t to_client = 0;
  {
    PairOf<Records> whole;
    REQUIRE(whole.shake());
    to_server = whole.server.script->read_bytes();
    to_client = whole.client_script->read_bytes();
  }
  REQUIRE(to_server > 300);
  REQUIRE(to_client > 500);
  const auto check = [](PairOf<Records>& pair) {
    CHECK_FALSE(pair.shake());
    REQUIRE(pair.connected);
    REQUIRE_FALSE(*pair.connected);
    CHECK(pair.connected->error().fault() == Fault::closed);
    CHECK(pair.connected->error().side() == Side::server);
  };
  // Sizes vary by a few octets (signatures): stay clear of the very end.
  for (std::size_t at = 0; at + 16 < to_server; at += 17) {
    CAPTURE(at);
    PairOf<Records> pair;
    pair.server.script->cut_reads_after(at);
    CHECK_FALSE(pair.shake());
    REQUIRE(pair.server.step);
    REQUIRE_FALSE(*pair.server.step);
    CHECK(pair.server.step->error().fault() == Fault::closed);
    CHECK(pair.server.step->error().side() == Side::client);
  }
  for (std::size_t at = 0; at + 16 < to_client; at += 17) {
    CAPTURE(at);
    PairOf<Records> pair;
    pair.client_script->cut_reads_after(at);
    check(pair);
    PairOf<Records> other;
    other.client_script->cut_writes_after(std::min(at, to_server - 16));
    check(other);
  }
}

TEST_CASE("megabytes pass over a real socket, both ways at once") {
  SystemClock clock;
  asio::io_context io{1};
  net::DeadlineWheel wheel(clock);
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  const asio::generic::stream_protocol protocol(AF_UNIX, SOCK_STREAM);
  ServerEnd judge;
  judge.serve(server_policy(), certificates_for("a.example"));
  auto shake = ServerHandshake::make(
      std::make_unique<net::SocketStream>(net::Socket(io, protocol, ends[0]), wheel, Side::client),
      judge);
  auto under =
      std::make_unique<net::SocketStream>(net::Socket(io, protocol, ends[1]), wheel, Side::server);

  struct Talk {
    std::string octets = noise(5'000'000);
    std::string to_server, to_client;
    std::unique_ptr<Stream> client, served;
    static awaitable<void> send(Stream& to, const std::string& octets) {
      co_await to.write(octets);
      to.shutdown_write();
    }
    awaitable<void> serve(asio::io_context& context, ServerHandshake& handshake) {
      auto step = co_await handshake.run();
      if (!step) co_return;
      served = handshake.finish();
      asio::co_spawn(context, send(*served, octets), asio::detached);
      asio::co_spawn(context, Pair::receive(*served, to_server, octets.size()), asio::detached);
    }
    awaitable<void> connect(asio::io_context& context, std::unique_ptr<Stream> below,
                            std::shared_ptr<const ClientPolicy> policy) {
      auto result = co_await connect_tls(std::move(below), std::move(policy), "a.example");
      if (!result) co_return;
      client = std::move(*result);
      asio::co_spawn(context, send(*client, octets), asio::detached);
      asio::co_spawn(context, Pair::receive(*client, to_client, octets.size()), asio::detached);
    }
  } talk;
  asio::co_spawn(io, talk.serve(io, *shake), asio::detached);
  asio::co_spawn(io, talk.connect(io, std::move(under), ClientPolicy::make(trusting()).value()),
                 asio::detached);
  io.run();
  CHECK((talk.to_server == talk.octets));
  CHECK((talk.to_client == talk.octets));
}

}  // namespace
}  // namespace gatehouse::tls::test::tls_stream_test
