#include "core/base/kept_handler.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

namespace kept_handler_test {

using gatehouse::KeptHandler;
namespace asio = gatehouse::asio;

TEST_CASE("a kept handler is called once, and may keep another one meanwhile") {
  KeptHandler<int> kept;
  std::vector<int> told;
  CHECK_FALSE(kept.there());
  kept.put([&](int first) {
    told.push_back(first);
    kept.put([&](int second) { told.push_back(second); });
  });
  CHECK(kept.there());
  kept.finish(1);
  CHECK(told == std::vector{1});
  REQUIRE(kept.there());
  kept.finish(2);
  CHECK(told == std::vector{1, 2});
  CHECK_FALSE(kept.there());
}

TEST_CASE("a kept handler that is called later makes room at once") {
  asio::io_context context;
  KeptHandler<int> kept;
  int told = 0;
  kept.put([&](int what) { told = what; });
  kept.finish_later(context, 3);
  CHECK_FALSE(kept.there());
  CHECK(told == 0);
  context.run();
  CHECK(told == 3);
}

TEST_CASE("a handler that is dropped dies without a call") {
  const auto held = std::make_shared<int>(0);
  KeptHandler<int> kept;
  kept.put([held](int what) { *held = what; });
  CHECK(held.use_count() == 2);
  SUBCASE("by itself") { kept.drop(); }
  SUBCASE("with whoever keeps it") {
    KeptHandler<int> dies;
    kept.drop();
    dies.put([held](int what) { *held = what; });
  }
  CHECK(held.use_count() == 1);
  CHECK(*held == 0);
}

}  // namespace kept_handler_test
