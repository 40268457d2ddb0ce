#include "proxy/control/trust.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/result.hpp"
#include "tests/support/temporary_folder.hpp"

namespace trust_test {

using namespace gatehouse;
using namespace gatehouse::control;
using gatehouse::test::TemporaryFolder;

namespace {

const std::string one = "-----BEGIN CERTIFICATE-----\nb25l\n-----END CERTIFICATE-----\n";
const std::string other = "-----BEGIN CERTIFICATE-----\ndHdv\n-----END CERTIFICATE-----\n";

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// A trust store whose tool notes, each time it runs, what it found.
struct Store {
  Store() {
    std::filesystem::create_directory(folder / "store");
    store.directory = folder / "store";
    store.update = {
        "/bin/sh", "-c",
        "cd '" + store.directory + "' && cat *.crt 2>/dev/null >> ../seen; echo ran >> ../seen"};
  }
  std::string seen() const { return content(folder / "seen"); }
  std::size_t files() const {
    const std::filesystem::directory_iterator all(store.directory);
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  TemporaryFolder folder;
  TrustStore store;
};

}  // namespace

TEST_CASE("a root is put into the store for all to read, once, and the store is read anew") {
  Store bench;
  const auto first = trust(bench.store, one);
  REQUIRE(first.has_value());
  CHECK(*first == Trusted::anew);
  CHECK(content(bench.store.file()) == one);
  CHECK(bench.seen() == one + "ran\n");
  struct stat facts {};
  REQUIRE(::stat(bench.store.file().c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0644);

  const auto again = trust(bench.store, one);
  REQUIRE(again.has_value());
  CHECK(*again == Trusted::before);
  CHECK(bench.files() == 1);
}

TEST_CASE("another root takes the place of an earlier one, which the store forgets first") {
  Store bench;
  REQUIRE(trust(bench.store, one).has_value());
  const auto next = trust(bench.store, other);
  REQUIRE(next.has_value());
  CHECK(*next == Trusted::replaced);
  CHECK(bench.seen() == one + "ran\n" + "ran\n" + other + "ran\n");
  CHECK(bench.files() == 1);
}

TEST_CASE("a root is taken out once, and taking out what is not there is no failure") {
  Store bench;
  REQUIRE(trust(bench.store, one).has_value());
  const auto out = untrust(bench.store);
  REQUIRE(out.has_value());
  CHECK(*out);
  CHECK(bench.files() == 0);
  const auto again = untrust(bench.store);
  REQUIRE(again.has_value());
  CHECK_FALSE(*again);
  CHECK(bench.seen() == one + "ran\nran\n");
}

TEST_CASE("a store that cannot be written or read anew says so") {
  Store bench;
  SUBCASE("it is not there") {
    bench.store.directory = bench.folder / "nowhere";
    const auto failed = trust(bench.store, one);
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error().detail() == bench.store.file() + ": No such file or directory");
  }
  SUBCASE("its tool fails") {
    bench.store.update = {"false"};
    const auto failed = trust(bench.store, one);
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error().detail() == "false failed; run it by hand to see why");
    // The next try runs it again.
    bench.store.update = {"true"};
    CHECK(trust(bench.store, one).has_value());
  }
  SUBCASE("its tool is not there") {
    bench.store.update = {"no-such-tool-here"};
    const auto failed = trust(bench.store, one);
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error().detail() == "no-such-tool-here: No such file or directory");
  }
}

TEST_CASE("the internal CA's root is looked for where it is kept") {
  const TemporaryFolder folder;
  const auto missing = internal_root(folder.path());
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().fault() == Fault::not_found);
  CHECK(missing.error().detail() ==
        folder.path() +
            "/internal-ca/root.pem: there is no internal CA yet; it is made when 'gatehouse run' "
            "first needs it");
  std::filesystem::create_directory(folder / "internal-ca");
  std::ofstream(folder / "internal-ca/root.pem") << one;
  const auto found = internal_root(folder.path());
  REQUIRE(found.has_value());
  CHECK(*found == one);
  std::ofstream(folder / "internal-ca/root.pem") << "something else";
  const auto other_file = internal_root(folder.path());
  REQUIRE_FALSE(other_file.has_value());
  CHECK(other_file.error().detail() ==
        folder.path() + "/internal-ca/root.pem: this is no certificate");
}

}  // namespace trust_test
