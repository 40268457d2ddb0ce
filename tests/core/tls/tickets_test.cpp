#include "core/tls/tickets.hpp"

#include "tests/support/fake_clock.hpp"
#include "tests/support/result.hpp"

namespace gatehouse::tls::tickets_test {
namespace {

using gatehouse::test::FakeClock;

std::string current_secret(const TicketKeys& keys) {
  const auto ring = keys.ring();
  return std::string(ring->keys[ring->current].secret.view());
}

TEST_CASE("a fresh ring has a current key and the next one") {
  SystemEntropy entropy;
  FakeClock clock;
  TicketKeys keys(entropy, clock.wall());
  CHECK(keys.ring()->keys.size() == 2);
  CHECK(keys.ring()->current == 0);
  CHECK(keys.next_rotation() == clock.wall() + TicketKeys::rotation);
  CHECK_FALSE(keys.rotate(clock.wall()));
}

TEST_CASE("the key made ahead becomes current, two old ones stay") {
  SystemEntropy entropy;
  FakeClock clock;
  TicketKeys keys(entropy, clock.wall());
  const std::string first = current_secret(keys);
  std::string upcoming(keys.ring()->keys.back().secret.view());
  for (int turn = 1; turn <= 5; ++turn) {
    clock.advance(TicketKeys::rotation - std::chrono::seconds(1));
    CHECK_FALSE(keys.rotate(clock.wall()));
    clock.advance(std::chrono::seconds(1));
    CHECK(keys.rotate(clock.wall()));
    CHECK(current_secret(keys) == upcoming);
    upcoming = keys.ring()->keys.back().secret.view();
    CHECK(keys.ring()->keys.size() == static_cast<std::size_t>(std::min(turn, 2) + 2));
    CHECK((keys.ring()->keys.front().secret.view() == first) == (turn <= 2));
  }
}

TEST_CASE("a ring comes back from its text as it was") {
  SystemEntropy entropy;
  FakeClock clock;
  TicketKeys keys(entropy, clock.wall());
  clock.advance(TicketKeys::rotation);
  keys.rotate(clock.wall());
  const auto again = TicketKeys::from_text(keys.to_text(), entropy, clock.wall());
  REQUIRE(again);
  CHECK((*again)->to_text() == keys.to_text());
  CHECK(current_secret(**again) == current_secret(keys));

  TicketKeys other(entropy, clock.wall());
  CHECK(current_secret(other) != current_secret(keys));
  CHECK(other.adopt(keys.to_text(), clock.wall()));
  CHECK(current_secret(other) == current_secret(keys));
  CHECK_FALSE(other.adopt("damaged", clock.wall()));
  CHECK(current_secret(other) == current_secret(keys));
}

TEST_CASE("a ring stored long ago starts anew") {
  SystemEntropy entropy;
  FakeClock clock;
  TicketKeys keys(entropy, clock.wall());
  const std::string stored = keys.to_text();
  clock.advance(std::chrono::hours(24 * 365));
  const auto again = TicketKeys::from_text(stored, entropy, clock.wall());
  REQUIRE(again);
  CHECK((*again)->ring()->keys.size() == 2);
  CHECK((*again)->to_text().find(stored.substr(0, 20)) == std::string::npos);
}

TEST_CASE("a ring from a clock far ahead does not stay") {
  SystemEntropy entropy;
  FakeClock clock;
  TicketKeys keys(entropy, clock.wall() + std::chrono::hours(24 * 365));
  const auto again = TicketKeys::from_text(keys.to_text(), entropy, clock.wall());
  REQUIRE(again);
  CHECK((*again)->next_rotation() <= clock.wall() + TicketKeys::rotation);
}

TEST_CASE("damaged text is refused") {
  SystemEntropy entropy;
  for (const char* text : {"x", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z AAAA",
                           "yesterday AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}) {
    CAPTURE(text);
    CHECK_FALSE(TicketKeys::from_text(text, entropy, FakeClock().wall()));
  }
}

}  // namespace
}  // namespace gatehouse::tls::tickets_test
