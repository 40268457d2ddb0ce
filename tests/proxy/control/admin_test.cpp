#include "proxy/control/admin.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <boost/asio/detached.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "proxy/control/admin_client.hpp"
#include "proxy/control/table.hpp"
#include "tests/support/temporary_folder.hpp"

namespace admin_test {

using namespace gatehouse;
using namespace gatehouse::control;
using nlohmann::json;

namespace {

class Subject final : public AdminSubject {
 public:
  awaitable<AdminReply> status() override { co_return AdminReply::json("{\"state\":\"serving\"}"); }
  AdminReply effective_config() override { return AdminReply::json("{\"toml\":\"\"}"); }
  AdminReply certificates() override { return AdminReply::json("{\"certificates\":[]}"); }
  AdminReply certificate(const std::string& host) override {
    return AdminReply::json("{\"host\":\"" + host + "\"}");
  }
  awaitable<AdminReply> reload() override {
    ++reloads;
    co_return AdminReply::json("{\"applied\":[]}");
  }
  AdminReply stop() override {
    ++stops;
    return {202, "application/json", "{}"};
  }
  bool ready() const override { return is_ready; }

  int reloads = 0;
  int stops = 0;
  std::atomic<bool> is_ready{true};
};

/// An admin server on a thread of its own, asked from the test's.
class Bench {
 public:
  Bench() : server_(io_.get_executor(), clock_, subject) {}
  ~Bench() {
    asio::co_spawn(io_, server_.stop(), asio::detached);
    thread_.join();
  }

  void listen_on_unix() {
    auto door = UnixDoor::open(path());
    REQUIRE(door.has_value());
    server_.serve(*std::move(door));
    where_.path = path();
    start();
  }
  void listen_on_tcp(const std::string& token) {
    net::ListenAddress address;
    address.kind = net::ListenAddress::Kind::address;
    address.address = asio::ip::make_address("127.0.0.1");
    address.text = "127.0.0.1:0";
    auto socket = net::ListenSocket::open(address);
    REQUIRE(socket.has_value());
    where_.kind = AdminAddress::Kind::tcp;
    where_.host = "127.0.0.1";
    where_.port = socket->port();
    const AdminDoor rules{false, "127.0.0.1", socket->port(), token};
    server_.serve(*std::move(socket), rules);
    start();
  }
  AdminAnswer ask(const std::string& method, const std::string& target,
                  const std::string& token = "") {
    const auto answer = ask_admin(where_, token, method, target);
    REQUIRE_MESSAGE(answer.has_value(), answer.error().detail());
    return *answer;
  }
  std::string path() const { return folder_ / "admin.sock"; }

  Subject subject;

 private:
  void start() {
    thread_ = std::thread([this] { io_.run(); });
  }

  test::TemporaryFolder folder_;
  SystemClock clock_;
  asio::io_context io_{1};
  AdminServer server_;
  AdminAddress where_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("the admin API answers on its unix socket") {
  Bench bench;
  bench.listen_on_unix();
  CHECK(bench.ask("GET", "/v1/status").body == "{\"state\":\"serving\"}");
  CHECK(bench.ask("GET", "/v1/config").status == 200);
  CHECK(bench.ask("GET", "/v1/certs").status == 200);
  CHECK(bench.ask("GET", "/v1/certs/a.example").body == "{\"host\":\"a.example\"}");
  CHECK(bench.ask("GET", "/healthz").status == 200);
  CHECK(bench.ask("GET", "/readyz").status == 200);
  bench.subject.is_ready = false;
  CHECK(bench.ask("GET", "/readyz").status == 503);
  CHECK(bench.ask("POST", "/v1/reload").status == 200);
  CHECK(bench.subject.reloads == 1);
  CHECK(bench.ask("POST", "/v1/stop").status == 202);
  CHECK(bench.subject.stops == 1);
}

TEST_CASE("what the admin API does not have is a problem document") {
  Bench bench;
  bench.listen_on_unix();
  for (const char* path : {"/", "/v1/plan", "/v1/certsx", "/v1/explain/a.example"}) {
    CAPTURE(path);
    const AdminAnswer answer = bench.ask("GET", path);
    CHECK(answer.status == 404);
    CHECK(json::parse(answer.body).at("status") == 404);
  }
  CHECK(bench.ask("GET", "/v1/reload").status == 405);
  CHECK(bench.ask("POST", "/v1/status").status == 405);
  CHECK(bench.subject.reloads == 0);
}

TEST_CASE("over TCP anybody here may read, and only who has the token may act") {
  Bench bench;
  bench.listen_on_tcp("0123456789abcdef");
  CHECK(bench.ask("GET", "/v1/status").status == 200);
  const AdminAnswer refused = bench.ask("POST", "/v1/stop");
  CHECK(refused.status == 401);
  CHECK(json::parse(refused.body).at("title") == "Unauthorized");
  CHECK(bench.ask("POST", "/v1/stop", "0123456789abcdeX").status == 401);
  CHECK(bench.subject.stops == 0);
  CHECK(bench.ask("POST", "/v1/stop", "0123456789abcdef").status == 202);
  CHECK(bench.subject.stops == 1);
}

TEST_CASE("asking where nobody runs says so") {
  const test::TemporaryFolder folder;
  AdminAddress where;
  where.path = folder / "admin.sock";
  const auto answer = ask_admin(where, "", "GET", "/v1/status");
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().detail().find("no running Gatehouse") != std::string::npos);
}

TEST_CASE("a table pads its columns and escapes what came from outside") {
  Table table({"HOST", "STATE"});
  table.add({"a.example", "live"});
  table.add({"b", "\x1b[31m"});
  table.add({"", "x"});
  CHECK(table.text() ==
        "HOST       STATE\n"
        "a.example  live\n"
        "b          \\x1b[31m\n"
        "-          x\n");
}

}  // namespace admin_test
