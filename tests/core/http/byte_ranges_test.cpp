#include "core/http/byte_ranges.hpp"

#include <doctest/doctest.h>

#include <string>

namespace byte_ranges_test {

using namespace gatehouse::http;
using Kind = RangeWish::Kind;

TEST_CASE("byte ranges are read as RFC 9110 §14 writes them") {
  struct Row {
    const char* what;
    const char* value;
    std::uint64_t size;
    std::vector<ByteRange> ranges;
  };
  const std::vector<Row> rows = {
      {"first and last", "bytes=0-99", 1000, {{0, 99}}},
      {"one octet", "bytes=5-5", 1000, {{5, 5}}},
      {"to the end", "bytes=900-", 1000, {{900, 999}}},
      {"the last octets", "bytes=-1", 1000, {{999, 999}}},
      {"more of the last octets than there are", "bytes=-5000", 1000, {{0, 999}}},
      {"past the end is cut", "bytes=990-2000", 1000, {{990, 999}}},
      {"a number past 64 bits", "bytes=990-99999999999999999999999", 1000, {{990, 999}}},
      {"the unit in capitals", "Bytes=0-0", 1000, {{0, 0}}},
      {"several in their order",
       "bytes=500-599, 0-99,-10",
       1000,
       {{500, 599}, {0, 99}, {990, 999}}},
      {"one of two is there", "bytes=2000-, 1-2", 1000, {{1, 2}}},
      {"empty members", "bytes=, ,1-2,", 1000, {{1, 2}}},
      {"the whole as a range", "bytes=0-", 10, {{0, 9}}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const RangeWish wish = read_range(row.value, row.size);
    CHECK(wish.kind == Kind::parts);
    CHECK(wish.ranges == row.ranges);
  }
}

TEST_CASE("what is no list of byte ranges is ignored") {
  for (const char* value :
       {"", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=a-b", "bytes=5-4", "bytes=1-2-3",
        "bytes=--1", "bytes=0 - 1", "bytes=0x1-2", "bytes=+1-2", "bytes 0-1", "items=0-1",
        "bytes=0-1,5-4", "bytes=1", "bytes=1-2;3-4"}) {
    CAPTURE(value);
    CHECK(read_range(value, 1000).kind == Kind::whole);
  }
}

TEST_CASE("ranges of what is not there cannot be satisfied") {
  CHECK(read_range("bytes=1000-", 1000).kind == Kind::unsatisfiable);
  CHECK(read_range("bytes=1000-1001, 5000-", 1000).kind == Kind::unsatisfiable);
  CHECK(read_range("bytes=-0", 1000).kind == Kind::unsatisfiable);
  CHECK(read_range("bytes=0-0", 0).kind == Kind::unsatisfiable);
  CHECK(read_range("bytes=18446744073709551615-", 1000).kind == Kind::unsatisfiable);
}

TEST_CASE("the last octets of something empty are all of it") {
  CHECK(read_range("bytes=-1", 0).kind == Kind::whole);
}

TEST_CASE("ranges that would cost more than the whole get the whole") {
  CHECK(read_range("bytes=0-,0-,0-", 1000).kind == Kind::whole);
  CHECK(read_range("bytes=0-599,400-999", 1000).kind == Kind::whole);
  std::string value = "bytes=";
  for (std::size_t i = 0; i < most_ranges; ++i) {
    value += std::to_string(2 * i) + "-" + std::to_string(2 * i) + ",";
  }
  CHECK(read_range(value, 1000).ranges.size() == most_ranges);
  value += "500-500";
  CHECK(read_range(value, 1000).kind == Kind::whole);
}

}  // namespace byte_ranges_test
