#include "core/net/listen_socket.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <fstream>

#include "tests/support/result.hpp"
#include "tests/support/temporary_folder.hpp"

namespace listen_socket_test {

using namespace gatehouse;
using asio::ip::tcp;
using net::ListenAddress;
using net::ListenSocket;

namespace {

ListenAddress loopback(std::uint16_t port = 0) {
  ListenAddress where;
  where.kind = ListenAddress::Kind::address;
  where.address = asio::ip::address_v4::loopback();
  where.port = port;
  where.text = "127.0.0.1:" + std::to_string(port);
  return where;
}

ListenAddress unix_at(const std::string& path) {
  ListenAddress where;
  where.kind = ListenAddress::Kind::unix_path;
  where.unix_path = path;
  where.text = "unix:" + path;
  return where;
}

bool connects(asio::io_context& io, const tcp::endpoint& to) {
  tcp::socket client(io);
  boost::system::error_code failed;
  client.connect(to, failed);
  return !failed;
}

}  // namespace

TEST_CASE("a socket listens on the port the kernel chose") {
  const auto socket = ListenSocket::open(loopback());
  REQUIRE(socket);
  CHECK(socket->port() != 0);
  CHECK(socket->family() == AF_INET);
  asio::io_context io;
  CHECK(connects(io, tcp::endpoint(asio::ip::address_v4::loopback(), socket->port())));
  CHECK((::fcntl(socket->descriptor(), F_GETFL) & O_NONBLOCK) != 0);
  CHECK((::fcntl(socket->descriptor(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("every address of the machine takes IPv4 clients too") {
  ListenAddress where;
  where.text = ":0";
  const auto socket = ListenSocket::open(where);
  REQUIRE(socket);
  asio::io_context io;
  CHECK(connects(io, tcp::endpoint(asio::ip::address_v4::loopback(), socket->port())));
}

TEST_CASE("a client that vanishes is found out, by whichever socket it came in") {
  auto own = ListenSocket::open(loopback());
  REQUIRE(own);
  asio::io_context io;
  tcp::acceptor plain(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  ListenAddress handed_over;
  handed_over.kind = ListenAddress::Kind::descriptor;
  handed_over.descriptor = plain.native_handle();
  handed_over.text = "fd:3";
  auto socket = ListenSocket::open(loopback());
  SUBCASE("one of its own") {}
  SUBCASE("a further one for another worker") {
    auto sibling = own->sibling();
    REQUIRE(sibling);
    socket = std::move(sibling);
    own = ListenSocket::open(loopback());  // the first of the two closes
  }
  SUBCASE("one that was handed over") { socket = ListenSocket::open(handed_over); }
  REQUIRE(socket);
  tcp::socket client(io);
  client.connect({asio::ip::address_v4::loopback(), socket->port()});
  const int fd = ::accept(socket->descriptor(), nullptr, nullptr);
  REQUIRE(fd >= 0);
  const auto option = [fd](int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, level, name, &value, &size) == 0 ? value : -1;
  };
  CHECK(option(SOL_SOCKET, SO_KEEPALIVE) == 1);
  CHECK(option(IPPROTO_TCP, TCP_NODELAY) == 1);
  CHECK(option(IPPROTO_TCP, TCP_KEEPIDLE) == 60);
  CHECK(option(IPPROTO_TCP, TCP_KEEPINTVL) == 15);
  CHECK(option(IPPROTO_TCP, TCP_KEEPCNT) == 4);
  ::close(fd);
}

TEST_CASE("a sibling has the same port and a queue of its own") {
  auto first = ListenSocket::open(loopback());
  REQUIRE(first);
  const auto second = first->sibling();
  REQUIRE(second);
  CHECK(second->port() == first->port());
  CHECK(second->descriptor() != first->descriptor());
  // With the first one closed by its owner, the second still takes connections.
  const std::uint16_t port = first->port();
  { const ListenSocket dropped = std::move(*first); }
  asio::io_context io;
  CHECK(connects(io, tcp::endpoint(asio::ip::address_v4::loopback(), port)));
}

TEST_CASE("a port that somebody listens on is refused with the way out") {
  const auto first = ListenSocket::open(loopback());
  REQUIRE(first);
  const auto second = ListenSocket::open(loopback(first->port()));
  REQUIRE_FALSE(second);
  CHECK(second.error().fault() == Fault::io);
  const std::string why = second.error().detail();
  CHECK(why.find("another process listens there") != std::string::npos);
  CHECK(why.find(std::to_string(first->port())) != std::string::npos);
}

TEST_CASE("beside a listener of our own a socket is bound at once and takes over when told") {
  ListenAddress everywhere;
  everywhere.text = ":0";
  auto first = ListenSocket::open(everywhere);
  REQUIRE(first);
  const std::uint16_t port = first->port();
  REQUIRE(net::overlap(first->bound(), loopback(port)));
  CHECK_FALSE(ListenSocket::open(loopback(port)));
  const auto second = ListenSocket::open(loopback(port), net::Held::by_us);
  REQUIRE(second);
  const auto third = second->sibling();
  REQUIRE(third);
  asio::io_context io;
  const tcp::endpoint at(asio::ip::address_v4::loopback(), port);
  const auto waits = [](const ListenSocket& socket) {
    const int fd = ::accept4(socket.descriptor(), nullptr, nullptr, SOCK_NONBLOCK);
    if (fd >= 0) ::close(fd);
    return fd >= 0;
  };
  REQUIRE(connects(io, at));
  CHECK(waits(*first));
  REQUIRE(second->listen());
  REQUIRE(third->listen());
  REQUIRE(connects(io, at));
  CHECK_FALSE(waits(*first));
  CHECK((waits(*second) || waits(*third)));
}

TEST_CASE("a port that a listener of our own cannot share is refused with the way out") {
  asio::io_context io;
  const tcp::acceptor handed_over(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const auto refused =
      ListenSocket::open(loopback(handed_over.local_endpoint().port()), net::Held::by_us);
  REQUIRE_FALSE(refused);
  const std::string why = refused.error().detail();
  CHECK(why.find("another listener of this process has the port") != std::string::npos);
  CHECK(why.find("another process") == std::string::npos);
}

TEST_CASE("addresses overlap when one connection could come to either") {
  struct Row {
    const char* name;
    ListenAddress a;
    ListenAddress b;
    bool overlap;
  };
  const auto at = [](const char* address, std::uint16_t port) {
    ListenAddress where;
    where.kind = ListenAddress::Kind::address;
    where.address = asio::ip::make_address(address);
    where.port = port;
    return where;
  };
  ListenAddress any;
  any.port = 443;
  const std::vector<Row> rows = {
      {"all and one", any, at("127.0.0.1", 443), true},
      {"all and one of IPv6", any, at("::1", 443), true},
      {"all, twice", any, any, true},
      {"all IPv4 and one", at("0.0.0.0", 443), at("127.0.0.1", 443), true},
      {"all IPv6 and one", at("::", 443), at("::1", 443), true},
      {"the same", at("127.0.0.1", 443), at("127.0.0.1", 443), true},
      {"all IPv6 and one of IPv4", at("::", 443), at("127.0.0.1", 443), false},
      {"two", at("127.0.0.1", 443), at("127.0.0.2", 443), false},
      {"another port", any, at("127.0.0.1", 444), false},
      {"ports that the kernel chooses", at("127.0.0.1", 0), at("127.0.0.1", 0), false},
      {"a unix socket", unix_at("/x"), unix_at("/x"), false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(net::overlap(row.a, row.b) == row.overlap);
    CHECK(net::overlap(row.b, row.a) == row.overlap);
  }
}

TEST_CASE("an address that this machine does not have is refused with the way out") {
  ListenAddress where = loopback();
  where.address = asio::ip::make_address("192.0.2.1");
  const auto socket = ListenSocket::open(where);
  REQUIRE_FALSE(socket);
  CHECK(socket.error().detail().find("no such address") != std::string::npos);
}

TEST_CASE("a unix socket replaces one that nobody listens on, and no other") {
  const test::TemporaryFolder folder;
  const std::string path = folder / "x.sock";
  {
    auto first = ListenSocket::open(unix_at(path));
    REQUIRE(first);
    CHECK(first->port() == 0);
    CHECK_FALSE(ListenSocket::open(unix_at(path)));
    const auto sibling = first->sibling();  // shares the queue
    REQUIRE(sibling);
    CHECK(sibling->family() == AF_UNIX);
  }
  CHECK(ListenSocket::open(unix_at(path)));  // the file of the dead one was there
}

TEST_CASE("a file that is no socket is never removed") {
  const test::TemporaryFolder folder;
  const std::string path = folder / "precious";
  std::ofstream(path) << "data";
  CHECK_FALSE(ListenSocket::open(unix_at(path)));
  struct stat found {};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  CHECK(S_ISREG(found.st_mode));
}

TEST_CASE("an inherited socket is shared and not closed") {
  auto original = ListenSocket::open(loopback());
  REQUIRE(original);
  ListenAddress where;
  where.kind = ListenAddress::Kind::descriptor;
  where.descriptor = original->descriptor();
  where.text = "fd:3";
  {
    const auto adopted = ListenSocket::open(where);
    REQUIRE(adopted);
    CHECK(adopted->descriptor() != original->descriptor());
    CHECK(adopted->port() == original->port());
  }
  CHECK(::fcntl(original->descriptor(), F_GETFD) >= 0);
  SUBCASE("anything else handed over is an error that says so") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    where.descriptor = ends[0];
    const auto refused = ListenSocket::open(where);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().detail().find("no listening socket") != std::string::npos);
    ::close(ends[0]);
    ::close(ends[1]);
  }
}

}  // namespace listen_socket_test
