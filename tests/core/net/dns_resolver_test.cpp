#include "core/net/dns_resolver.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "core/net/within.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/result.hpp"
#include "tests/support/temporary_folder.hpp"

namespace dns_resolver_test {

using namespace gatehouse;
using namespace gatehouse::net;
using namespace std::chrono_literals;

namespace {

/// A DNS server on a loopback port that answers as a test says; no answer for an empty string.
class FakeDns {
 public:
  using Answer = std::function<std::string(std::string_view query, std::uint16_t type)>;
  explicit FakeDns(Answer answer) : answer_(std::move(answer)) {
    fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    socklen_t length = sizeof at;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &length);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeDns() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::atomic<int> asked{0};

 private:
  void serve() {
    char room[2048];
    for (;;) {
      sockaddr_in from{};
      socklen_t length = sizeof from;
      const ssize_t got =
          ::recvfrom(fd_, room, sizeof room, 0, reinterpret_cast<sockaddr*>(&from), &length);
      if (got <= 0) return;
      ++asked;
      const std::string_view query(room, static_cast<std::size_t>(got));
      const std::size_t end = query.find('\0', 12);
      const auto type = static_cast<std::uint16_t>(query[end + 1] << 8 | query[end + 2]);
      const std::string text = answer_(query, type);
      if (text.empty()) continue;
      ::sendto(fd_, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
    }
  }
  Answer answer_;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

std::string two(unsigned value) {
  return {static_cast<char>(value >> 8 & 0xFF), static_cast<char>(value & 0xFF)};
}

/// An answer to `query` with these resource data, of the type it asked for.
std::string answer_to(std::string_view query, const std::vector<std::string>& data, unsigned ttl,
                      unsigned code = 0) {
  const std::size_t end = query.find('\0', 12) + 5;
  std::string out(query.substr(0, 2));
  out += two(0x8180 | code) + two(1) + two(static_cast<unsigned>(data.size())) + two(0) + two(0);
  out += query.substr(12, end - 12);
  for (const std::string& each : data) {
    out += two(0xC00C) + std::string(query.substr(end - 4, 4)) + two(0) + two(ttl) +
           two(static_cast<unsigned>(each.size())) + each;
  }
  return out;
}

const std::string first_address("\xC0\x00\x02\x01", 4);
const std::string other_address("\xC0\x00\x02\x02", 4);

class NoResolver final : public Resolver {
 public:
  awaitable<Result<std::vector<asio::ip::address>>> resolve(std::string) override {
    ++asked;
    co_return Error(Fault::not_found, Side::server, "no such name");
  }
  int asked = 0;
};

DnsResolver::Files only(const FakeDns& server) {
  DnsResolver::Files files;
  files.resolv_conf = "/nonexistent";
  files.nsswitch_conf = "/nonexistent";
  files.servers = server.address();
  return files;
}

template <class T>
Result<T> run(awaitable<Result<T>> work) {
  asio::io_context io;
  std::optional<Result<T>> out;
  const auto done = [&](std::exception_ptr failure, Result<T> result) {
    if (!failure) out = std::move(result);
  };
  asio::co_spawn(io, std::move(work), done);
  io.run();
  REQUIRE(out);
  return std::move(*out);
}

}  // namespace

TEST_CASE("a name's addresses of both families come with the time they hold") {
  FakeDns server([](std::string_view query, std::uint16_t type) {
    if (type == 1) return answer_to(query, {first_address, other_address}, 30);
    return answer_to(query, {std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + '\1'},
                     20);
  });
  NoResolver system;
  DnsResolver resolver(system, only(server));
  const auto found = run(resolver.look_up("app.example"));
  REQUIRE(found);
  CHECK(found->addresses.size() == 3);
  CHECK(found->ttl == 20s);
  const auto again = run(resolver.resolve("app.example"));
  REQUIRE(again);
  CHECK(again->size() == 3);
  CHECK(system.asked == 0);
}

TEST_CASE("literals are not asked for, localhost is known") {
  FakeDns server([](std::string_view query, std::uint16_t) { return answer_to(query, {}, 1, 3); });
  NoResolver system;
  DnsResolver resolver(system, only(server));
  const auto literal = run(resolver.look_up("192.0.2.7"));
  REQUIRE(literal);
  CHECK(literal->addresses[0].to_string() == "192.0.2.7");
  const auto local = run(resolver.look_up("localhost"));
  REQUIRE(local);
  CHECK(local->addresses[0].is_loopback());
  CHECK(server.asked == 0);
}

TEST_CASE("a name that does not exist, and answers that are broken, are errors") {
  std::atomic<unsigned> code = 0;  // the server has a thread of its own
  std::atomic<bool> cut = false;
  FakeDns server([&](std::string_view query, std::uint16_t) {
    const std::vector<std::string> data(code == 0 ? 1 : 0, first_address);
    std::string whole = answer_to(query, data, 30, code);
    return cut ? whole.substr(0, whole.size() - 3) + '\0' : whole;
  });
  NoResolver system;
  DnsResolver resolver(system, only(server));
  SUBCASE("does not exist") {
    code = 3;
    const auto found = run(resolver.look_up("gone.example"));
    REQUIRE_FALSE(found);
    INFO(found.error().detail());
    CHECK(found.error().fault() == Fault::not_found);
  }
  SUBCASE("the server refuses") {
    code = 5;
    CHECK_FALSE(run(resolver.look_up("gone.example")).has_value());
  }
  SUBCASE("cut off") {
    cut = true;
    CHECK_FALSE(run(resolver.look_up("gone.example")).has_value());
  }
}

TEST_CASE("services are found with their time") {
  FakeDns server([](std::string_view query, std::uint16_t) {
    const std::string target = std::string("\1a\7example", 10) + '\0';
    return answer_to(query, {two(1) + two(2) + two(8080) + target}, 15);
  });
  NoResolver system;
  DnsResolver resolver(system, only(server));
  const auto found = run(resolver.services("_web._tcp.example"));
  REQUIRE(found);
  CHECK(found->records == std::vector<ServiceRecord>{{"a.example", 8080, 1, 2}});
  CHECK(found->ttl == 15s);
}

TEST_CASE("whoever runs out of time waits no longer for a server that is silent") {
  FakeDns server([](std::string_view, std::uint16_t) { return std::string(); });
  NoResolver system;
  DnsResolver resolver(system, only(server));
  SystemClock clock;
  const Steady began = clock.steady();
  auto asking = resolver.look_up("slow.example");
  const auto found = run(within(clock, began + 50ms, Side::server, std::move(asking)));
  REQUIRE_FALSE(found);
  CHECK(found.error().fault() == Fault::timeout);
  CHECK(clock.steady() - began < 1s);
}

TEST_CASE("servers that are named later are asked from then on, and then nobody else") {
  std::atomic<unsigned> code = 0;
  const auto telling = [&](const std::string& address) {
    return [&code, address](std::string_view query, std::uint16_t type) {
      if (type != 1) return answer_to(query, {}, 30);
      return answer_to(query, {address}, 30, code);
    };
  };
  FakeDns first(telling(first_address));
  FakeDns second(telling(other_address));
  NoResolver system;
  test::TemporaryFolder folder;
  DnsResolver::Files files = only(first);
  files.nsswitch_conf = folder.path() + "/nsswitch.conf";
  std::ofstream(files.nsswitch_conf) << "hosts: files mdns4 dns\n";
  DnsResolver resolver(system, files);
  const auto before = run(resolver.look_up("app.example"));
  REQUIRE(before);
  CHECK(before->addresses[0].to_string() == "192.0.2.1");
  code = 3;
  CHECK_FALSE(run(resolver.look_up("gone.example")).has_value());
  CHECK(system.asked == 1);

  resolver.ask_servers(second.address());
  CHECK_FALSE(run(resolver.look_up("gone.example")).has_value());
  CHECK(system.asked == 1);
  code = 0;
  const auto after = run(resolver.look_up("app.example"));
  REQUIRE(after);
  CHECK(after->addresses[0].to_string() == "192.0.2.2");

  resolver.ask_servers("");
  const auto again = run(resolver.look_up("app.example"));
  REQUIRE(again);
  CHECK(again->addresses[0].to_string() == "192.0.2.1");
}

}  // namespace dns_resolver_test
