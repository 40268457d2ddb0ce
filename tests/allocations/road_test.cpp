// A connection that goes on with one request after the other takes no memory for them: what one
// request needed is there for the next.

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>

#include "core/net/listen_socket.hpp"
#include "proxy/serve/listener.hpp"
#include "proxy/serve/outlet.hpp"
#include "tests/allocations/counted.hpp"
#include "tests/proxy/serve/bench.hpp"
#include "tests/support/h2_peer.hpp"

namespace road_test {

using namespace gatehouse;
using namespace gatehouse::serve::test;
using asio::ip::tcp;
using config::TlsMode;

namespace {

constexpr int warming = 300;
constexpr int counted = 2000;
// What the worker does beside requests while these run: its timer ticks, and it is asked to count.
constexpr std::uint64_t beside = 30;

/// Answers every request on every connection with the same octets, on a thread of its own.
class Server {
 public:
  Server() : acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    thread_ = std::thread([this] { run(); });
  }
  ~Server() {
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    thread_.join();
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  void run() {
    std::vector<std::thread> conversations;
    for (;;) {
      boost::system::error_code failed;
      tcp::socket socket = acceptor_.accept(failed);
      if (failed) break;
      conversations.emplace_back(converse, socket.release());
    }
    for (std::thread& each : conversations) each.join();
  }
  static void converse(int fd) {
    static const std::string answer =
        "HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/plain\r\nContent-Length: "
        "1024\r\n\r\n" +
        std::string(1024, 'x');
    std::string seen;
    char room[4096];
    for (;;) {
      const ssize_t got = ::recv(fd, room, sizeof room, 0);
      if (got <= 0) break;
      seen.append(room, static_cast<std::size_t>(got));
      if (!seen.ends_with("\r\n\r\n")) continue;
      seen.clear();
      if (::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
    }
    ::close(fd);
  }

  asio::io_context io_;
  tcp::acceptor acceptor_;
  std::thread thread_;
};

class Literals final : public net::Resolver {
 public:
  awaitable<Result<std::vector<asio::ip::address>>> resolve(std::string host) override {
    co_return std::vector<asio::ip::address>{asio::ip::make_address(host)};
  }
};

/// One worker on its own thread in front of a Server.
class House {
 public:
  House()
      : workers_(1, {clock, entropy_, resolver_, dialer_, source_, helpers_, 4096}),
        listeners_(workers_) {
    workers_.start();
    config::Backend backend;
    backend.name = "app";
    config::BackendServer server;
    server.host = "127.0.0.1";
    server.port = server_.port();
    server.text = "127.0.0.1:" + std::to_string(server.port);
    backend.servers.push_back(server);
    config::Route route;
    route.backend = "app";
    config::Site plain = site_for({"plain.test"}, TlsMode::off, {route});
    config::Site secure = site_for({"secure.test"}, TlsMode::internal, {route});
    secure.tls.alpn = {"h2", "http/1.1"};
    config::Config config = config_with({plain, secure});
    config.server.https[0].port = 0;  // of the kernel's choice
    config.backends.push_back(backend);
    const auto snapshot = snapshot_of(std::move(config));
    auto opened = listeners_.open(*snapshot);
    REQUIRE(opened);
    run(workers_.publish(snapshot));
    run(listeners_.apply(std::move(*opened), snapshot));
    serve::WorkersOutlet outlet(workers_);
    run(outlet.publish("secure.test", certificates_for({"secure.test"}),
                       tls::CertificateIndex::Need::now));
  }

  template <class T>
  T run(awaitable<T> work) {
    auto done = asio::co_spawn(control, std::move(work), asio::use_future);
    control.restart();
    control.run();
    return done.get();
  }
  std::uint16_t port(const std::string& address) const {
    for (const auto& open : listeners_.open_addresses()) {
      if (open.address == address) return open.port;
    }
    return 0;
  }
  /// What the worker's thread has taken so far.
  std::uint64_t taken() {
    std::uint64_t count = 0;
    const std::function<void(serve::Worker&)> ask = [&](serve::Worker&) {
      count = test::allocations_of_this_thread();
    };
    run(workers_.on_each(ask));
    return count;
  }

  SystemClock clock;
  asio::io_context control;
  net::DeadlineWheel wheel{clock};
  net::BufferPool buffers;

 private:
  Server server_;
  SystemEntropy entropy_;
  Literals resolver_;
  net::SystemDialer dialer_{clock, resolver_};
  FakeSource source_;
  HelperPool helpers_{1};
  serve::Workers workers_;
  serve::Listeners listeners_;
};

awaitable<std::unique_ptr<net::Stream>> connect(House& house, std::uint16_t port,
                                                std::string secure_name, std::string alpn) {
  auto executor = co_await asio::this_coro::executor;
  tcp::socket socket(executor);
  const tcp::endpoint there(asio::ip::address_v4::loopback(), port);
  co_await socket.async_connect(there, asio::use_awaitable);
  net::Socket generic(std::move(socket));
  std::unique_ptr<net::Stream> stream =
      std::make_unique<net::SocketStream>(std::move(generic), house.wheel, Side::server);
  if (secure_name.empty()) co_return stream;
  tls::ClientPolicy::Settings settings;
  settings.verify = false;
  settings.alpn = {std::move(alpn)};
  auto policy = tls::ClientPolicy::make(settings).value();
  auto secured = co_await tls::connect_tls(std::move(stream), policy, secure_name);
  co_return std::move(secured).value();
}

/// So many requests, one after the other. Returns how many were answered whole.
awaitable<int> ask(net::Stream& stream, std::string request, int times) {
  std::string heard;
  char room[8192];
  int answered = 0;
  for (; answered < times; ++answered) {
    auto sent = co_await stream.write(request);
    if (!sent) co_return answered;
    heard.clear();
    while (heard.find("\r\n\r\n") == std::string::npos ||
           heard.size() < heard.find("\r\n\r\n") + 4 + 1024) {
      auto got = co_await stream.read_some(room);
      if (!got || *got == 0) co_return answered;
      heard.append(room, *got);
      if (!heard.starts_with("HTTP/1.1 200 ")) co_return answered;
    }
  }
  co_return answered;
}

std::string get(const std::string& host) {
  return "GET /some/path?and=query HTTP/1.1\r\nHost: " + host +
         "\r\nUser-Agent: test/1.0 (with a comment)\r\nAccept: */*\r\n"
         "Accept-Encoding: gzip, br\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\r\n";
}

void check_steady(House& house, net::Stream& stream, const std::string& host) {
  CHECK(house.run(ask(stream, get(host), warming)) == warming);
  const std::uint64_t before = house.taken();
  CHECK(house.run(ask(stream, get(host), counted)) == counted);
  CHECK(house.taken() - before <= beside);
}

/// The same over HTTP/2, each on a stream of its own, `width` at once. `stream_id`: the first
/// one's.
awaitable<int> ask_h2(net::Stream& stream, test::h2::Reader& reader, std::string scheme,
                      std::uint32_t stream_id, int times, int width) {
  char room[8192];
  const std::string host = scheme == "https" ? "secure.test" : "plain.test";
  const test::h2::Pairs fields = {{":method", "GET"},
                                  {":scheme", scheme},
                                  {":authority", host},
                                  {":path", "/some/path?and=query"},
                                  {"user-agent", "test/1.0 (with a comment)"},
                                  {"accept", "*/*"},
                                  {"cookie", "session=0123456789abcdef0123456789abcdef"}};
  int answered = 0;
  while (answered < times) {
    std::string octets;
    for (int one = 0; one < width; ++one) {
      octets += test::h2::request(stream_id + 2 * static_cast<std::uint32_t>(one), fields) +
                test::h2::grow(0, 1024);
    }
    auto sent = co_await stream.write(octets);
    if (!sent) co_return answered;
    for (int one = 0; one < width; ++one, stream_id += 2) {
      const auto& answer = reader.stream(stream_id);
      while (!answer.ended) {
        auto got = co_await stream.read_some(room);
        if (!got || *got == 0) co_return answered;
        reader.read({room, *got});
      }
      if (answer.status() != 200 || answer.body.size() != 1024) co_return answered;
      ++answered;
    }
  }
  co_return answered;
}

}  // namespace

TEST_CASE("requests of a plain connection that lives on take no memory") {
  House house;
  auto stream = house.run(connect(house, house.port("plain"), "", ""));
  check_steady(house, *stream, "plain.test");
}

TEST_CASE("requests of a TLS connection that lives on take no memory") {
  House house;
  auto stream = house.run(connect(house, house.port("tls"), "secure.test", "http/1.1"));
  check_steady(house, *stream, "secure.test");
}

void check_steady_h2(House& house, net::Stream& stream, const std::string& scheme, int width) {
  const std::string hello = test::h2::hello();
  CHECK(house.run(stream.write(hello)));
  test::h2::Reader reader;
  CHECK(house.run(ask_h2(stream, reader, scheme, 1, warming, width)) == warming);
  const std::uint64_t before = house.taken();
  const std::uint32_t next = 1 + 2 * warming;
  CHECK(house.run(ask_h2(stream, reader, scheme, next, counted, width)) == counted);
  CHECK(house.taken() - before <= beside);
}

TEST_CASE("requests of an HTTP/2 connection that lives on take no memory") {
  for (const int width : {1, 20}) {
    CAPTURE(width);
    House house;
    auto plain = house.run(connect(house, house.port("plain"), "", ""));
    check_steady_h2(house, *plain, "http", width);
    auto secure = house.run(connect(house, house.port("tls"), "secure.test", "h2"));
    check_steady_h2(house, *secure, "https", width);
  }
}

}  // namespace road_test
