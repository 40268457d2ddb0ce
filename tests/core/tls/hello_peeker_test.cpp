#include "core/tls/hello_peeker.hpp"

#include "tests/core/tls/bench.hpp"
#include "tests/support/client_hello.hpp"

namespace gatehouse::tls::test::hello_peeker_test {
namespace {

using namespace gatehouse::test;
using State = HelloPeeker::State;

HelloPeeker fed(const std::string& wire, std::size_t step) {
  HelloPeeker peeker;
  for (std::size_t at = 0; at < wire.size(); at += step) {
    peeker.feed(std::string_view(wire).substr(at, step));
  }
  return peeker;
}

HelloPeeker fed(const std::string& wire) { return fed(wire, wire.size()); }

/// What a client of OpenSSL's says first.
std::string first_flight(RawClient& client) {
  SSL_do_handshake(client.ssl.get());
  ERR_clear_error();
  std::string wire(32 * 1024, '\0');
  const int size = BIO_read(SSL_get_wbio(client.ssl.get()), wire.data(), int_size(wire));
  wire.resize(static_cast<std::size_t>(size));
  return wire;
}

}  // namespace

TEST_CASE("a client's name is read off its hello, however that is cut") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    RawClient client;
    SSL_set_max_proto_version(client.ssl.get(), version);
    client.server_name("Shop.Example");
    const std::string wire = first_flight(client);
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, wire.size()}) {
      const HelloPeeker peeker = fed(wire, step);
      CHECK(peeker.state() == State::whole);
      CHECK(peeker.server_name() == "shop.example");
      CHECK_FALSE(peeker.bad_server_name());
    }
    // The last octet is what makes it whole.
    CHECK(fed(wire.substr(0, wire.size() - 1)).state() == State::more);
    const std::string message = wire.substr(5);
    for (const std::size_t each : {std::size_t{1}, std::size_t{3}, std::size_t{100}}) {
      CHECK(fed(in_records(message, each), 11).server_name() == "shop.example");
    }
  }
}

TEST_CASE("a hello without a name is whole without one") {
  RawClient client;
  const HelloPeeker peeker = fed(first_flight(client));
  CHECK(peeker.state() == State::whole);
  CHECK(peeker.server_name().empty());
  CHECK_FALSE(peeker.bad_server_name());
}

TEST_CASE("extensions that nobody knows are passed over") {
  const std::string grease =
      hello_extension(0x0A0A, "") + hello_extension(0xFAFA, std::string(1, '\0'));
  const std::string encrypted = hello_extension(0xFE0D, std::string(300, '\xEE'));
  const std::string wire = in_records(
      hello_message(grease + encrypted + server_name_extension("public.example") + grease));
  CHECK(fed(wire).state() == State::whole);
  CHECK(fed(wire).server_name() == "public.example");
}

TEST_CASE("a name that is no host name is told from one that was not sent") {
  for (const std::string& name :
       {std::string("192.0.2.1"), std::string("2001:db8::1"), std::string("a b"),
        std::string("a.example\0.b", 12), std::string(), std::string(300, 'a')}) {
    CAPTURE(name);
    const HelloPeeker peeker = fed(in_records(hello_message(server_name_extension(name))));
    CHECK(peeker.state() == State::whole);
    CHECK(peeker.bad_server_name());
    CHECK(peeker.server_name().empty());
  }
  CHECK(fed(in_records(hello_message(server_name_extension("a.example.")))).server_name() ==
        "a.example");
}

TEST_CASE("a hello of TLS 1.2 may have no extensions at all") {
  std::string message = hello_message("");
  message.resize(message.size() - 2);
  message[3] = static_cast<char>(message.size() - 4);
  CHECK(fed(in_records(message)).state() == State::whole);
}

TEST_CASE("what is no ClientHello is given up, as early as that can be told") {
  const std::string good = hello_message(server_name_extension("a.example"));
  std::string wrong_length = good;
  wrong_length[3] = static_cast<char>(wrong_length[3] + 1);
  const std::string cut_extension = octets16(5) + octets16(9) + "short";
  struct Row {
    const char* what;
    std::string wire;
  };
  const Row rows[] = {
      {"plain HTTP", "GET"},
      {"a hello of SSL 2", std::string("\x80\x2e\x01", 3)},
      {"an alert", std::string("\x15", 1)},
      {"another major version", std::string("\x16\x02", 2)},
      {"an empty record", std::string("\x16\x03\x01\x00\x00", 5)},
      {"a record too long", std::string("\x16\x03\x01\x40\x01", 5)},
      {"another message", in_records("\x02")},
      {"a hello too long", in_records(std::string("\x01\x00\x40\x01", 4))},
      {"octets behind the extensions",
       in_records(hello_message(server_name_extension("a.example"), "x"))},
      {"an extension cut short", in_records(hello_message(cut_extension))},
      {"half an extension's head", in_records(hello_message("\x01\x01\x01"))},
      {"two names", in_records(hello_message(server_name_extension("a.example") +
                                             server_name_extension("b.example")))},
      {"a hello shorter than its parts", in_records(std::string("\x01\x00\x00\x02\x03\x03", 6))},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    const HelloPeeker peeker = fed(row.wire, 1);
    CHECK(peeker.state() == State::unreadable);
    CHECK(peeker.server_name().empty());
  }
  CHECK(fed(in_records(wrong_length)).state() == State::more);
}

TEST_CASE("a hello that never ends is not waited for beyond the bound") {
  const std::string message = std::string("\x01\x00\x3F\xFF", 4) + std::string(16 * 1024 - 2, 'x');
  const std::string drip = in_records(message, 1);
  HelloPeeker peeker;
  std::size_t taken = 0;
  while (peeker.state() == State::more && taken < drip.size()) {
    peeker.feed(std::string_view(drip).substr(taken++, 1));
  }
  CHECK(peeker.state() == State::unreadable);
  CHECK(taken == HelloPeeker::most_on_wire);
  peeker.feed(in_records(hello_message(server_name_extension("a.example"))));
  CHECK(peeker.state() == State::unreadable);
}

TEST_CASE("the handshake and a look at the hello read the same name") {
  for (const char* name : {"a.example", "A.EXAMPLE.", "xn--bcher-kva.example", "192.0.2.1"}) {
    CAPTURE(name);
    RawClient looked;
    looked.server_name(name);
    const HelloPeeker peeker = fed(first_flight(looked));
    ServerEnd server;
    server.answer = [](const Hello&) { return HelloAnswer(); };
    server.start();
    RawClient shaken;
    shaken.server_name(name);
    CHECK_FALSE(shaken.shake(server));
    CHECK(peeker.server_name() == server.seen_name);
    CHECK(peeker.bad_server_name() == server.seen.bad_server_name);
  }
}

TEST_CASE("a plain alert is one that a client understands") {
  RawClient client;
  first_flight(client);
  const std::string alert = plain_alert(80);
  BIO_write(SSL_get_rbio(client.ssl.get()), alert.data(), int_size(alert));
  CHECK(SSL_do_handshake(client.ssl.get()) != 1);
  CHECK(openssl_problem() == "tlsv1 alert internal error");
}

}  // namespace gatehouse::tls::test::hello_peeker_test
