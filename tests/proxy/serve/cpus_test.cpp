#include "proxy/serve/cpus.hpp"

#include <doctest/doctest.h>

namespace cpus_test {

using gatehouse::serve::cpus_of_quota;

TEST_CASE("a quota counts as so many CPUs, rounded up") {
  CHECK(cpus_of_quota("100000 100000") == 1U);
  CHECK(cpus_of_quota("150000 100000") == 2U);
  CHECK(cpus_of_quota("400000 100000") == 4U);
  CHECK(cpus_of_quota("5000 100000") == 1U);
}

TEST_CASE("no quota, or one that cannot be read, limits nothing") {
  CHECK_FALSE(cpus_of_quota("max 100000"));
  CHECK_FALSE(cpus_of_quota(""));
  CHECK_FALSE(cpus_of_quota("100000"));
  CHECK_FALSE(cpus_of_quota("0 100000"));
  CHECK_FALSE(cpus_of_quota("100000 0"));
}

TEST_CASE("there is always a CPU to serve on") { CHECK(gatehouse::serve::available_cpus() >= 1); }

}  // namespace cpus_test
