#include "core/net/dns_answer.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/result.hpp"

namespace dns_answer_test {

using namespace gatehouse;
using namespace gatehouse::net;
using namespace std::chrono_literals;

namespace {

std::string two(unsigned value) {
  return {static_cast<char>(value >> 8 & 0xFF), static_cast<char>(value & 0xFF)};
}

std::string name(const std::string& dotted) {
  std::string out;
  std::size_t at = 0;
  while (at < dotted.size()) {
    const std::size_t end = std::min(dotted.find('.', at), dotted.size());
    out += static_cast<char>(end - at);
    out += dotted.substr(at, end - at);
    at = end + 1;
  }
  return out + '\0';
}

const std::string question = name("_web._tcp.example.com");

std::string header(unsigned answers) {
  return two(7) + two(0x8180) + two(1) + two(answers) + two(0) + two(0) + question + two(33) +
         two(1);
}

std::string record(unsigned type, unsigned ttl, const std::string& data) {
  return two(0xC00C) + two(type) + two(1) + two(0) + two(ttl) +
         two(static_cast<unsigned>(data.size())) + data;
}

std::string srv(unsigned priority, unsigned weight, unsigned port, const std::string& target,
                unsigned ttl = 60) {
  return record(33, ttl, two(priority) + two(weight) + two(port) + target);
}

}  // namespace

TEST_CASE("services come by priority, with the shortest time they hold") {
  const auto answer =
      parse_services(header(3) + srv(20, 0, 81, name("B.example.com"), 90) +
                     record(5, 1, name("alias.example")) + srv(10, 5, 80, name("a.example.com")));
  REQUIRE(answer);
  REQUIRE(answer->records.size() == 2);
  CHECK(answer->records[0] == ServiceRecord{"a.example.com", 80, 10, 5});
  CHECK(answer->records[1] == ServiceRecord{"b.example.com", 81, 20, 0});
  CHECK(answer->ttl == 60s);
}

TEST_CASE("a target may point back into the message") {
  // "c" and the tail of the question: example.com stands after _web and _tcp.
  const std::string tail = two(0xC000U | (12 + 5 + 5));
  const auto answer = parse_services(header(1) + srv(0, 0, 80, std::string("\1c", 2) + tail));
  REQUIRE(answer);
  CHECK(answer->records[0].host == "c.example.com");
}

TEST_CASE("targets that are no hosts are passed over") {
  const auto answer =
      parse_services(header(3) + srv(0, 0, 80, name("")) + srv(0, 0, 0, name("a.example")) +
                     srv(0, 0, 80, name("a b.example")));
  REQUIRE(answer);
  CHECK(answer->records.empty());
}

TEST_CASE("a message cut anywhere, or with pointers in circles, is broken or empty, never more") {
  const std::string whole =
      header(2) + srv(1, 1, 80, name("a.example")) + srv(2, 1, 80, name("b.example"));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const auto answer = parse_services(std::string_view(whole).substr(0, length));
    if (answer) CHECK(answer->records.size() < 2);
  }
  const std::size_t here = header(1).size();
  const std::string itself = two(0xC000U | static_cast<unsigned>(here));
  CHECK_FALSE(
      parse_services(header(1) + itself + two(33) + two(1) + std::string(6, '\0')).has_value());
  const std::string ahead = two(0xC0FF);
  CHECK_FALSE(
      parse_services(header(1) + ahead + two(33) + two(1) + std::string(6, '\0')).has_value());
}

TEST_CASE("no more services are taken than anybody has") {
  std::string message = header(500);
  for (unsigned i = 0; i < 500; ++i) message += srv(0, 0, 80 + i, name("a.example"));
  const auto answer = parse_services(message);
  REQUIRE(answer);
  CHECK(answer->records.size() == most_service_records);
}

}  // namespace dns_answer_test
