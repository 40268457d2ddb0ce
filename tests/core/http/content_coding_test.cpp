#include "core/http/content_coding.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace content_coding_test {

using namespace gatehouse::http;

namespace {

AcceptedCodings accepted(const std::vector<std::string>& lines) {
  Fields fields;
  for (const std::string& line : lines) fields.add_copy("accept-encoding", line);
  return AcceptedCodings::of(fields);
}

/// What is chosen of all we write, the best first.
Coding chosen(const std::vector<std::string>& lines) {
  constexpr std::array offered = {Coding::zstd, Coding::br, Coding::gzip};
  return accepted(lines).best_of(offered);
}

}  // namespace

TEST_CASE("the coding a client weighs highest is chosen, and ours goes first among equals") {
  const std::vector<std::tuple<const char*, std::vector<std::string>, Coding>> rows = {
      {"a silent client gets none", {}, Coding::identity},
      {"an empty field wants none", {""}, Coding::identity},
      {"one coding", {"gzip"}, Coding::gzip},
      {"its old name", {"x-gzip"}, Coding::gzip},
      {"names in capitals", {"GZIP"}, Coding::gzip},
      {"what browsers send", {"gzip, deflate, br, zstd"}, Coding::zstd},
      {"weights count", {"gzip;q=1.0, br;q=0.8, zstd;q=0.5"}, Coding::gzip},
      {"spaces around a weight", {"br ; q=0.2 , gzip ; Q=0.3"}, Coding::gzip},
      {"three digits", {"br;q=0.001, gzip;q=0.002"}, Coding::gzip},
      {"zero refuses", {"gzip;q=0"}, Coding::identity},
      {"zero with digits refuses", {"gzip;q=0.000, br"}, Coding::br},
      {"any", {"*"}, Coding::zstd},
      {"any but one", {"*, zstd;q=0"}, Coding::br},
      {"none but one", {"*;q=0, gzip"}, Coding::gzip},
      {"identity before a coding", {"gzip;q=0.5, identity"}, Coding::identity},
      {"a coding before identity", {"gzip, identity;q=0.5"}, Coding::gzip},
      {"identity alone", {"identity"}, Coding::identity},
      {"what we do not write", {"compress, deflate"}, Coding::identity},
      {"several lines are one list", {"gzip;q=0.1", "br;q=0.2"}, Coding::br},
      {"a weight over one accepts nothing", {"br;q=1.001, gzip"}, Coding::gzip},
      {"a weight of four digits accepts nothing", {"br;q=0.0001, gzip;q=0.1"}, Coding::gzip},
      {"a weight that is none accepts nothing", {"br;q=x, zstd;q=, gzip;q=0.1"}, Coding::gzip},
      {"a strange parameter accepts nothing", {"br;level=4, gzip"}, Coding::gzip},
      {"empty members", {",, gzip ,,"}, Coding::gzip},
  };
  for (const auto& [what, lines, expected] : rows) {
    const auto& shown = what;  // clang 14 captures no structured binding
    CAPTURE(shown);
    CHECK(chosen(lines) == expected);
  }
}

TEST_CASE("identity is refused only by name or by a star that it is not named beside") {
  CHECK(accepted({}).weight(Coding::identity) == 1000);
  CHECK(accepted({"gzip"}).weight(Coding::identity) > 0);
  CHECK(accepted({"identity;q=0"}).weight(Coding::identity) == 0);
  CHECK(accepted({"*;q=0"}).weight(Coding::identity) == 0);
  CHECK(accepted({"*;q=0, identity;q=0.5"}).weight(Coding::identity) == 500);
}

}  // namespace content_coding_test
