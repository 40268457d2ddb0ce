// Which server a request goes to: policies, health, ejection, limits, cookies.

#include "tests/proxy/forward/farm.hpp"

namespace choice_test {

using namespace gatehouse;
using namespace gatehouse::test;

namespace {

std::string get_with(const std::string& field) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + field + "\r\n\r\n";
}

std::string answer(const std::string& status) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: 2\r\n\r\nno";
}

}  // namespace

TEST_CASE("in turn means in turn") {
  Farm farm(3);
  farm.bench.backend.policy = "round_robin";
  farm.open();
  farm.ask_times(9);
  CHECK(farm.asked == std::vector<int>{3, 3, 3});
}

TEST_CASE("requests with the same key go to the same server, others elsewhere") {
  Farm farm(4);
  std::string field;
  SUBCASE("by header") {
    farm.bench.backend.policy = "header_hash";
    farm.bench.backend.hash_key = "X-Tenant";
    field = "X-Tenant: ";
  }
  SUBCASE("by cookie") {
    farm.bench.backend.policy = "cookie_hash";
    farm.bench.backend.hash_key = "sid";
    field = "Cookie: a=b; sid=";
  }
  farm.open();
  std::vector<int> used(4);
  for (int tenant = 0; tenant < 24; ++tenant) {
    farm.count_anew();
    for (int i = 0; i < 3; ++i) farm.ask(get_with(field + "t" + std::to_string(tenant)));
    REQUIRE(farm.only_asked() >= 0);
    ++used[static_cast<std::size_t>(farm.only_asked())];
  }
  for (const int each : used) CHECK(each > 0);
}

TEST_CASE("a path has its server, whatever its query") {
  Farm farm(4);
  farm.bench.backend.policy = "path_hash";
  farm.open();
  for (int i = 0; i < 4; ++i) {
    farm.ask("GET /p?q=" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  CHECK(farm.only_asked() >= 0);
}

TEST_CASE("a server that is down gets nothing, and with none up the answer is a 503 at once") {
  Farm farm(2);
  farm.open();
  farm.bench.pool(0)->vitals().down(true, farm.bench.clock.steady());
  farm.ask_times(6);
  CHECK(farm.asked == std::vector<int>{0, 6});
  farm.bench.pool(1)->vitals().down(true, farm.bench.clock.steady());
  const std::string refused = farm.ask();
  CHECK(refused.starts_with("HTTP/1.1 503 "));
  CHECK(field_of(refused, "Retry-After") == "10");
  CHECK(farm.asked == std::vector<int>{0, 6});
  farm.bench.pool(1)->vitals().down(false, farm.bench.clock.steady());
  CHECK(farm.ask().starts_with("HTTP/1.1 200 "));
}

TEST_CASE("a backup serves only while no other server is healthy") {
  Farm farm(2);
  farm.open();
  farm.bench.backend.servers[1].backup = true;
  farm.bench.publish();
  farm.ask_times(5);
  CHECK(farm.asked == std::vector<int>{5, 0});
  farm.bench.pool(0)->vitals().down(true, farm.bench.clock.steady());
  farm.ask_times(2);
  CHECK(farm.asked == std::vector<int>{5, 2});
}

TEST_CASE("a server that breaks requests is ejected, tried again by one of them, and comes back") {
  Farm farm(3);
  farm.bench.backend.policy = "round_robin";
  farm.bench.backend.eject.failures = 2;
  farm.bench.backend.eject.for_ = 20s;
  farm.answers[1] = "";
  farm.open();
  for (int i = 0; i < 12; ++i) {
    CHECK(farm.ask().starts_with("HTTP/1.1 200 "));
    farm.bench.advance(600ms);
  }
  CHECK(farm.asked[1] == 2);
  farm.count_anew();
  farm.bench.advance(20s);
  SUBCASE("still broken: one request finds out, and is saved by another server") {
    for (int i = 0; i < 12; ++i) CHECK(farm.ask().starts_with("HTTP/1.1 200 "));
    CHECK(farm.asked[1] == 1);
  }
  SUBCASE("a request that cannot be repeated does not find out") {
    for (int i = 0; i < 6; ++i) farm.ask(small_post);
    CHECK(farm.asked[1] == 0);
  }
  SUBCASE("well again") {
    farm.answers[1] = ok;
    farm.ask_times(12);
    CHECK(farm.asked[1] >= 3);
  }
}

TEST_CASE("no more servers are ejected than the config allows") {
  Farm farm(4);
  farm.bench.backend.eject.failures = 1;
  farm.bench.backend.eject.max_share = 0.5;
  farm.answers.assign(4, "");
  farm.open();
  farm.ask_times(20);
  int ejected = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto state = farm.bench.pool(i)->vitals().ejection(farm.bench.clock.steady());
    ejected += state == backend::Vitals::Ejection::none ? 0 : 1;
  }
  CHECK(ejected == 2);
}

TEST_CASE("an ejected server is better than none") {
  Farm farm(2);
  farm.bench.backend.eject.failures = 1;
  farm.answers[0] = "";
  farm.open();
  farm.ask_times(4);
  CHECK(farm.asked[0] == 1);
  farm.answers[0] = ok;
  farm.answers[1] = "";
  CHECK(farm.ask().starts_with("HTTP/1.1 200 "));
  farm.bench.pool(1)->vitals().down(true, farm.bench.clock.steady());
  CHECK(farm.ask().starts_with("HTTP/1.1 200 "));
}

TEST_CASE("as a circuit breaker ejection may take every server, and tells when to come again") {
  Farm farm(1);
  farm.bench.backend.eject.failures = 3;
  farm.bench.backend.eject.for_ = 7s;
  farm.bench.backend.eject.max_share = 1;
  farm.answers[0] = "";
  farm.open();
  for (int i = 0; i < 3; ++i) CHECK(farm.ask().starts_with("HTTP/1.1 502 "));
  const std::string refused = farm.ask();
  CHECK(refused.starts_with("HTTP/1.1 503 "));
  CHECK(field_of(refused, "Retry-After") == "7");
  CHECK(farm.asked[0] == 3);
}

TEST_CASE(
    "an answer that retry_on names is asked of another server, and the last one is passed on") {
  Farm farm(2);
  farm.bench.backend.retry_on = {"503"};
  farm.answers[0] = answer("503 Service Unavailable");
  SUBCASE("the other one can") {
    farm.open();
    for (int i = 0; i < 8; ++i) CHECK(farm.ask().starts_with("HTTP/1.1 200 "));
  }
  SUBCASE("the other one cannot either") {
    farm.answers[1] = answer("503 Busy");
    farm.open();
    const std::string got = farm.ask();
    CHECK(got.starts_with("HTTP/1.1 503 "));
    CHECK(body_of(got) == "no");
    CHECK(farm.asked == std::vector<int>{1, 1});
  }
  SUBCASE("a POST is passed on as it was answered") {
    farm.answers[1] = farm.answers[0];
    farm.open();
    CHECK(farm.ask(small_post).starts_with("HTTP/1.1 503 "));
    CHECK(farm.asked[0] + farm.asked[1] == 1);
  }
}

TEST_CASE("a server is given no more requests at a time than its max_requests, the others wait") {
  Farm farm(1);
  farm.answers[0] = "-";
  farm.open();
  farm.bench.backend.servers[0].max_requests = 2;
  farm.bench.publish();
  std::vector<std::shared_ptr<RawSocket>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(farm.bench.connect());
    clients.back()->send(get);
    farm.bench.settle();
  }
  farm.serve();
  CHECK(farm.asked[0] == 2);
  SUBCASE("their turn comes in the order they came") {
    farm.servers[0]->connections[0]->send(ok);
    farm.bench.settle();
    farm.serve();
    CHECK(farm.asked[0] == 3);
    farm.answers[0] = ok;
    farm.servers[0]->connections[0]->send(ok);
    farm.bench.until([&] {
      farm.serve();
      return whole_message(clients[3]->received);
    });
    CHECK(clients[2]->received.starts_with("HTTP/1.1 200 "));
    CHECK(farm.bench.outcomes.size() == 3);
  }
  SUBCASE("whose turn does not come in time is told to come again") {
    farm.bench.advance(3200ms);
    CHECK(clients[2]->received.starts_with("HTTP/1.1 503 "));
    CHECK(field_of(clients[3]->received, "Retry-After") == "1");
    CHECK(farm.asked[0] == 2);
  }
  SUBCASE("a server that takes more is asked at once") {
    farm.bench.backend.servers[0].max_requests = 0;
    farm.bench.publish();
    farm.servers[0]->connections[0]->send(ok);
    farm.bench.settle();
    farm.serve();
    farm.bench.settle();
    farm.serve();
    CHECK(farm.asked[0] == 4);
  }
}

TEST_CASE(
    "a client comes back to the server that its cookie names, and to another when it is gone") {
  Farm farm(3);
  farm.bench.backend.sticky_cookie = "pin";
  farm.open();
  const std::string first = farm.ask();
  const std::string cookie = field_of(first, "Set-Cookie");
  CHECK(cookie.starts_with("pin="));
  CHECK(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"));
  const std::string back = get_with("Cookie: theme=dark; " + cookie.substr(0, cookie.find(';')));
  const auto home = static_cast<std::size_t>(farm.only_asked());
  for (int i = 0; i < 5; ++i) CHECK(field_of(farm.ask(back), "Set-Cookie").empty());
  CHECK(farm.asked[home] == 6);
  farm.bench.publish();  // a reload changes nothing
  farm.ask(back);
  CHECK(farm.asked[home] == 7);

  farm.bench.pool(home)->vitals().down(true, farm.bench.clock.steady());
  const std::string moved = farm.ask(back);
  CHECK(moved.starts_with("HTTP/1.1 200 "));
  CHECK(field_of(moved, "Set-Cookie").starts_with("pin="));
  CHECK(field_of(moved, "Set-Cookie") != cookie);
  CHECK(farm.asked[home] == 7);
  // A forged one names nobody.
  CHECK(field_of(farm.ask(get_with("Cookie: pin=AAAAAAAAAAAAAAAAAAAAAA")), "Set-Cookie")
            .starts_with("pin="));
}

TEST_CASE(
    "a server that came back, or was added by a reload, is given its share little by little") {
  Farm farm(2);
  farm.bench.backend.policy = "random";
  farm.bench.backend.slow_start = 10s;
  std::vector<RawServer*> all{farm.servers[0].get(), farm.servers[1].get()};
  SUBCASE("found up again by its checks") {
    farm.open();
    auto& vitals = farm.bench.pool(1)->vitals();
    vitals.down(true, farm.bench.clock.steady());
    vitals.down(false, farm.bench.clock.steady());
  }
  SUBCASE("added") {
    farm.bench.serve_by({all[0]});
    farm.client = farm.bench.connect();
    farm.ask();
    farm.bench.serve_by(all);
  }
  const auto share = [&] {  // of a hundred requests
    farm.count_anew();
    farm.ask_times(100);
    return farm.asked[1];
  };
  const int at_first = share();
  farm.bench.advance(5s);
  const int half_way = share();
  farm.bench.advance(5s);
  const int in_the_end = share();
  CHECK(at_first < 15);
  CHECK(half_way > 20);
  CHECK(half_way < 45);
  CHECK(in_the_end > 38);
  CHECK(in_the_end < 62);
}

}  // namespace choice_test
