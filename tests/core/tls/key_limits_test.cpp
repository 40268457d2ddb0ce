#include "tests/core/tls/bench.hpp"

namespace gatehouse::tls::test::key_limits_test {
namespace {

using net::IoState;

constexpr unsigned char key_update = 24;  // RFC 8446 §4

/// A connection of OpenSSL's own client, done with its handshake. Counts the KeyUpdates it gets.
struct Served {
  explicit Served(const RecordLimits& limits, int version = TLS1_3_VERSION, bool lean = false)
      : server(limits) {
    PolicySettings settings;
    settings.lean_records = lean;
    server.serve(ServerPolicy::make(settings, nullptr).value(), certificates_for("a.example"));
    server.start();
    SSL_set_max_proto_version(client.ssl.get(), version);
    SSL_set_msg_callback(client.ssl.get(), hear);
    SSL_set_msg_callback_arg(client.ssl.get(), this);
    client.server_name("a.example");
    REQUIRE(client.shake(server));
    stream = server.shake->finish();
    CHECK(dynamic_cast<const TlsStream&>(*stream).lean() == (lean && version == TLS1_3_VERSION));
  }

  static void hear(int written, int, int type, const void* octets, std::size_t size, SSL*,
                   void* self) {
    const bool ours = written == 0 && type == SSL3_RT_HANDSHAKE && size > 0;
    if (ours && *static_cast<const unsigned char*>(octets) == key_update) {
      ++static_cast<Served*>(self)->updates;
    }
  }

  std::string read() {
    char buffer[1000];
    const net::IoResult got = stream->try_read(buffer);
    last = got.state;
    return std::string(buffer, got.bytes);
  }

  /// The client changes its key `count` times and says nothing else.
  void update(int count, int kind) {
    for (int i = 0; i < count; ++i) {
      REQUIRE(SSL_key_update(client.ssl.get(), kind) == 1);
      REQUIRE(SSL_do_handshake(client.ssl.get()) == 1);
    }
    client.exchange(server);
  }

  ServerEnd server;
  RawClient client;
  std::unique_ptr<net::Stream> stream;
  IoState last = IoState::done;
  int updates = 0;
};

template <class Records>
struct ServedBy : Served {
  explicit ServedBy(const RecordLimits& limits) : Served(limits, TLS1_3_VERSION, Records::lean) {}
};

TEST_CASE_TEMPLATE("a server changes its key before the key has sealed too much, and data goes on",
                   Records, WithSsl, Lean) {
  RecordLimits limits;
  limits.sealed_by_key = 3;
  ServedBy<Records> served(limits);
  for (int record = 1; record <= 10; ++record) {
    CAPTURE(record);
    CHECK(served.stream->try_write("an answer").state == IoState::done);
    CHECK(served.client.read(served.server) == "an answer");
    CHECK(served.updates == (record - 1) / 3);
    served.client.write(served.server, "a question");
    CHECK(served.read() == "a question");
  }
  CHECK_FALSE(served.stream->worn());
}

TEST_CASE_TEMPLATE("every record of a long write counts", Records, WithSsl, Lean) {
  RecordLimits limits;
  limits.sealed_by_key = 2;
  ServedBy<Records> served(limits);
  const std::string four_records(64 * 1024, 'x');
  CHECK(served.stream->try_write(four_records).bytes == four_records.size());
  std::string got;
  while (got.size() < four_records.size()) {
    const std::string piece = served.client.read(served.server);
    REQUIRE_FALSE(piece.empty());
    got += piece;
  }
  CHECK(got == four_records);
  CHECK(served.updates == 1);
}

TEST_CASE_TEMPLATE("a client that asks for a new key of ours gets one before our next octet",
                   Records, WithSsl, Lean) {
  ServedBy<Records> served({});
  served.update(1, SSL_KEY_UPDATE_REQUESTED);
  CHECK(served.read().empty());
  CHECK(served.last == IoState::want_read);
  CHECK(served.stream->try_write("with it").state == IoState::done);
  CHECK(served.client.read(served.server) == "with it");
  CHECK(served.updates == 1);
}

TEST_CASE_TEMPLATE("a client that changes its key again and again without data is cut off", Records,
                   WithSsl, Lean) {
  RecordLimits limits;
  limits.messages_without_data = 10;
  for (const int kind : {SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED}) {
    CAPTURE(kind);
    ServedBy<Records> served(limits);
    SUBCASE("data between them makes it well") {
      for (int round = 0; round < 5; ++round) {
        served.update(10, kind);
        served.client.write(served.server, "data");
        CHECK(served.read() == "data");
        CHECK(served.stream->try_write("answer").state == IoState::done);
        CHECK(served.client.read(served.server) == "answer");
      }
    }
    SUBCASE("our own changes do not count") {
      RecordLimits own = limits;
      own.sealed_by_key = 1;
      ServedBy<Records> answering(own);
      for (int record = 0; record < 30; ++record) {
        CHECK(answering.stream->try_write("answer").state == IoState::done);
      }
      answering.client.write(answering.server, "data");
      CHECK(answering.read() == "data");
    }
    SUBCASE("one too many ends it, however they come") {
      for (int i = 0; i < 10; ++i) {
        served.update(1, kind);
        CHECK(served.read().empty());
        CHECK(served.last == IoState::want_read);
      }
      served.update(1, kind);
      CHECK(served.read().empty());
      CHECK(served.last == IoState::failed);
      CHECK(served.stream->error().fault() == Fault::limit);
      CHECK(served.stream->error().side() == Side::client);
      CHECK(served.stream->error().detail() == "TLS: too many handshake messages without data");
      CHECK(served.stream->try_write("x").state == IoState::failed);
    }
    SUBCASE("a flood is not taken in to its end") {
      served.server.script->at_most(4096);
      for (int i = 0; i < 50; ++i) served.update(100, kind);
      const std::size_t before = served.server.script->unread();
      REQUIRE(before > 100'000);
      CHECK(served.read().empty());
      CHECK(served.last == IoState::failed);
      CHECK(before - served.server.script->unread() < 32 * 1024);
    }
  }
}

TEST_CASE("a TLS 1.2 stream, whose key cannot change, is worn at the limit and ends past it") {
  RecordLimits limits;
  limits.sealed_by_key = 6;
  Served served(limits, TLS1_2_VERSION, true);
  for (int record = 1; record <= 8; ++record) {
    CAPTURE(record);
    CHECK(served.stream->try_write("octets").state == IoState::done);
    CHECK(served.stream->worn() == (record >= 6));
  }
  CHECK(served.client.read(served.server) ==
        std::string("octetsoctetsoctetsoctets") + "octetsoctetsoctetsoctets");
  CHECK(served.stream->try_write("octets").state == IoState::failed);
  CHECK(served.stream->error().fault() == Fault::limit);
  CHECK(served.stream->error().detail() == "TLS: the connection's key has sealed all it may");
}

}  // namespace
}  // namespace gatehouse::tls::test::key_limits_test
