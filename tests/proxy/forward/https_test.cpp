// Servers that are reached over TLS: real handshakes over loopback, all on the test's thread.

#include <boost/asio/ip/tcp.hpp>
#include <fstream>

#include "tests/proxy/forward/bench.hpp"
#include "tests/support/log_file.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/test_certificates.hpp"
#include "tests/support/tls_server.hpp"

namespace https_test {

using namespace gatehouse;
using namespace gatehouse::test;
using asio::ip::tcp;

namespace {

const std::string get = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";

/// A TlsServer behind a port of its own, on the worker's thread.
class Door {
 public:
  Door(Bench& bench, std::shared_ptr<TlsServer> server)
      : acceptor_(std::make_shared<tcp::acceptor>(
            bench.worker->io, tcp::endpoint(asio::ip::address_v4::loopback(), 0))) {
    bench.worker->crew.add(accept_all(acceptor_, *bench.worker, std::move(server)));
  }
  ~Door() { acceptor_->close(); }
  std::uint16_t port() const { return acceptor_->local_endpoint().port(); }

 private:
  static awaitable<void> accept_all(std::shared_ptr<tcp::acceptor> acceptor, Worker& worker,
                                    std::shared_ptr<TlsServer> server) {
    for (;;) {
      auto [ec, socket] = co_await acceptor->async_accept(as_result);
      if (ec) co_return;
      net::Socket generic(std::move(socket));
      auto stream =
          std::make_unique<net::SocketStream>(std::move(generic), worker.wheel, Side::client);
      const http::H1Worker lent{worker.clock, worker.buffers, worker.date};
      worker.crew.add(TlsServer::serve(server, std::move(stream), lent));
    }
  }
  std::shared_ptr<tcp::acceptor> acceptor_;
};

config::BackendServer https(const std::string& host, std::uint16_t port) {
  config::BackendServer out;
  out.scheme = config::BackendServer::Scheme::https;
  out.host = host;
  out.port = port;
  out.text = "https://" + host + ":" + std::to_string(port);
  return out;
}

/// A backend of one server, "app.internal", and a client.
struct Secure {
  Bench bench;
  TemporaryFolder folder;
  std::shared_ptr<TlsServer> server;
  Door door;
  std::shared_ptr<RawSocket> client;

  explicit Secure(tls::CertificateHandle certificates,
                  std::chrono::milliseconds idle = std::chrono::hours(1))
      : server(std::make_shared<TlsServer>(std::move(certificates), idle)), door(bench, server) {
    bench.resolver.table["app.internal"] = {asio::ip::address_v4::loopback()};
    bench.backend.servers = {https("app.internal", door.port())};
    bench.backend.tls.roots = roots("root.pem", test_root());
    client = bench.connect();
  }
  std::string roots(const std::string& name, const tls::CertificateAuthority& root) {
    std::ofstream(folder / name) << root.certificate_pem();
    return folder / name;
  }
  std::string ask() {
    client->send(get);
    bench.until([&] { return whole_message(client->received); });
    return std::exchange(client->received, {});
  }
};

}  // namespace

TEST_CASE("a server behind TLS is asked by its name, and its connection carries the next request") {
  Secure secure(server_certificate({"app.internal"}));
  secure.bench.publish();
  for (int i = 0; i < 3; ++i) {
    const std::string answer = secure.ask();
    CHECK(answer.starts_with("HTTP/1.1 200 "));
    CHECK(answer.ends_with("over TLS"));
    secure.bench.advance(20s);  // past several looks at idle connections
  }
  CHECK(secure.server->names == std::vector<std::string>{"app.internal"});
  CHECK(secure.server->handshakes == 1);
  CHECK(secure.server->requests == 3);
  CHECK(secure.bench.outcomes[2].reused);
}

TEST_CASE("a server that cannot prove its name is a 502, told in the log, and is asked nothing") {
  const LogFile log;
  std::string why;
  std::unique_ptr<Secure> secure;
  SUBCASE("another name") {
    secure = std::make_unique<Secure>(server_certificate({"other.internal"}));
    why = "hostname mismatch";
  }
  SUBCASE("a certificate whose time is over") {
    secure = std::make_unique<Secure>(expired_certificate({"app.internal"}));
    why = "certificate has expired";
  }
  SUBCASE("the root of another CA") {
    secure = std::make_unique<Secure>(server_certificate({"app.internal"}));
    const auto root = tls::CertificateAuthority::make_root(
        "Another Root", *tls::PrivateKey::generate(tls::KeyType::p256),
        {Wall(), Wall(std::chrono::hours(24 * 365 * 100))});
    secure->bench.backend.tls.roots = secure->roots("another.pem", *root);
    why = "unable to get local issuer certificate";
  }
  SUBCASE("a root that the system does not know") {
    secure = std::make_unique<Secure>(server_certificate({"app.internal"}));
    secure->bench.backend.tls.roots.clear();
    why = "unable to get local issuer certificate";
  }
  SUBCASE("a server_name that it is not") {
    secure = std::make_unique<Secure>(server_certificate({"app.internal"}));
    secure->bench.backend.tls.server_name = "inner.internal";
    why = "hostname mismatch";
  }
  secure->bench.publish();
  CHECK(secure->ask().starts_with("HTTP/1.1 502 "));
  CHECK(secure->server->requests == 0);
  const std::string& name = secure->bench.backend.tls.server_name;
  const std::string told = "dial 127.0.0.1:" + std::to_string(secure->door.port()) + " as " +
                           (name.empty() ? "app.internal" : name) +
                           ": TLS handshake: certificate verify failed: " + why;
  CHECK(secure->bench.outcomes[0].error == told);
  CHECK(log.holds("warn server failed backend=app server=https://app.internal:" +
                  std::to_string(secure->door.port()) + " error=\"" + told + "\""));
}

TEST_CASE("server_name is what is asked for and proven in place of the address' own name") {
  Secure secure(server_certificate({"inner.internal"}));
  secure.bench.backend.tls.server_name = "inner.internal";
  secure.bench.publish();
  CHECK(secure.ask().ends_with("over TLS"));
  CHECK(secure.server->names == std::vector<std::string>{"inner.internal"});
}

TEST_CASE("a server reached by its address proves that address and is told no name") {
  Secure secure(server_certificate({"127.0.0.1"}));
  secure.bench.backend.servers = {https("127.0.0.1", secure.door.port())};
  secure.bench.publish();
  CHECK(secure.ask().ends_with("over TLS"));
  CHECK(secure.server->names == std::vector<std::string>{""});
}

TEST_CASE("verify = false takes any certificate and still names the server") {
  Secure secure(expired_certificate({"other.internal"}));
  secure.bench.backend.tls.roots.clear();
  secure.bench.backend.tls.verify = false;
  secure.bench.publish();
  CHECK(secure.ask().ends_with("over TLS"));
  CHECK(secure.server->names == std::vector<std::string>{"app.internal"});
}

TEST_CASE("a TLS connection that its server closed while idle is not used again") {
  Secure secure(server_certificate({"app.internal"}), 10s);
  secure.bench.publish();
  CHECK(secure.ask().ends_with("over TLS"));
  SUBCASE("seen when it is looked for") { secure.bench.advance(10s); }
  SUBCASE("seen by the sweep") {
    secure.bench.advance(11s);
    secure.bench.advance(2s);
    CHECK(secure.bench.pool()->idle() == 0);
  }
  CHECK(secure.ask().ends_with("over TLS"));
  CHECK(secure.server->handshakes == 2);
  CHECK(secure.bench.outcomes[1].attempts == 1);
  CHECK_FALSE(secure.bench.outcomes[1].reused);
}

TEST_CASE("a server that fails its handshake costs no request when another one is there") {
  Secure secure(server_certificate({"app.internal"}));
  const auto bad = std::make_shared<TlsServer>(server_certificate({"other.internal"}));
  const Door bad_door(secure.bench, bad);
  secure.bench.backend.servers = {https("app.internal", bad_door.port()),
                                  https("app.internal", secure.door.port())};
  secure.bench.publish();
  for (int i = 0; i < 6; ++i) CHECK(secure.ask().ends_with("over TLS"));
  CHECK(secure.server->requests == 6);
  CHECK(bad->requests == 0);
}

TEST_CASE("a server that does not shake hands is a 504 after connect_timeout") {
  Secure secure(server_certificate({"app.internal"}));
  RawServer mute;
  secure.bench.watch(mute);
  secure.bench.backend.servers = {https("app.internal", mute.port())};
  secure.bench.publish();
  secure.client->send(get);
  secure.bench.until([&] { return mute.connections.size() == 1; });
  secure.bench.advance(2900ms);
  CHECK(secure.client->received.empty());
  secure.bench.advance(300ms);
  secure.bench.until([&] { return whole_message(secure.client->received); });
  CHECK(secure.client->received.starts_with("HTTP/1.1 504 "));
  secure.bench.until([&] { return mute.connections[0]->ended(); });
  secure.bench.forget();
}

TEST_CASE("a server that speaks plain HTTP where TLS is due is a 502") {
  Secure secure(server_certificate({"app.internal"}));
  RawServer plain;
  secure.bench.watch(plain);
  secure.bench.backend.servers = {https("app.internal", plain.port())};
  secure.bench.publish();
  secure.client->send(get);
  secure.bench.until([&] { return plain.connections.size() == 1; });
  plain.connections[0]->send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  secure.bench.until([&] { return whole_message(secure.client->received); });
  CHECK(secure.client->received.starts_with("HTTP/1.1 502 "));
  CHECK(secure.bench.outcomes[0].error.find("wrong version number") != std::string::npos);
  secure.bench.forget();
}

}  // namespace https_test
