#include "acme/internal_ca.hpp"

#include <doctest/doctest.h>

#include <filesystem>

#include "core/tls/certificate.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/faulty_file_system.hpp"
#include "tests/support/temporary_folder.hpp"

namespace gatehouse::acme::internal_ca_test {
namespace {

using namespace std::chrono_literals;

struct Bench {
  std::unique_ptr<InternalCa> open() {
    return std::make_unique<InternalCa>(
        *FileStore::open_as("one", folder.path() + "/data", "", system, clock, entropy), helpers,
        clock);
  }
  IssueOutcome issue(InternalCa& ca, const std::string& host, const std::string& type = "p256") {
    IssueRequest request;
    request.host = host;
    request.names = {host};
    request.key_type = type;
    IssueOutcome outcome;
    asio::co_spawn(io, ca.issue(request), [&outcome](std::exception_ptr, IssueOutcome issued) {
      outcome = std::move(issued);
    });
    io.restart();
    io.run();
    return outcome;
  }
  std::string file(const std::string& name) {
    return PosixFileSystem().read(folder.path() + "/data/internal-ca/" + name).value();
  }

  test::TemporaryFolder folder;
  test::FakeClock clock;
  SystemEntropy entropy;
  test::FaultyFileSystem system;
  asio::io_context io;  // a helper may be about to leave it when run() has returned
  HelperPool helpers{2};
};

TEST_CASE("the internal CA certifies names, wildcards and addresses for seven days") {
  Bench bench;
  auto ca = bench.open();
  for (const std::string host : {"localhost", "*.test.internal", "127.0.0.1", "::1"}) {
    CAPTURE(host);
    const auto issued = bench.issue(*ca, host);
    REQUIRE(issued.has_value());
    CHECK(issued->ca == "internal");
    const auto leaf = tls::Certificate::parse(issued->certificate->chain_pem(), issued->key_pem);
    REQUIRE(leaf.has_value());
    CHECK((*leaf)->names() == std::vector<std::string>{host});
    CHECK((*leaf)->chain_size() == 2);
    CHECK((*leaf)->not_after() == bench.clock.wall() + 7 * 24h);
    CHECK((*leaf)->not_before() <= bench.clock.wall());
  }
  const auto rsa = bench.issue(*ca, "localhost", "rsa2048");
  REQUIRE(rsa.has_value());
  CHECK(rsa->certificate->key_type() == tls::KeyType::rsa2048);
  CHECK_FALSE(bench.issue(*ca, "localhost", "dsa").has_value());
}

TEST_CASE("the root lasts ten years and stays the same over restarts") {
  Bench bench;
  const auto path = bench.open()->root_path();
  REQUIRE(path.has_value());
  const std::string root = bench.file("root.pem");
  CHECK(PosixFileSystem().read(*path).value() == root);
  const auto certificate = tls::Certificate::parse_public(root);
  REQUIRE(certificate.has_value());
  CHECK((*certificate)->not_after() > bench.clock.wall() + 24h * 365 * 10 - 1h);
  CHECK((*certificate)->self_signed());
  REQUIRE(bench.issue(*bench.open(), "localhost").has_value());
  CHECK(bench.file("root.pem") == root);
  const std::string intermediate = bench.file("intermediate.pem");
  REQUIRE(bench.issue(*bench.open(), "localhost").has_value());
  CHECK(bench.file("intermediate.pem") == intermediate);
}

TEST_CASE("the intermediate is replaced when less than a third of its year is left") {
  Bench bench;
  auto ca = bench.open();
  REQUIRE(bench.issue(*ca, "localhost").has_value());
  const std::string root = bench.file("root.pem");
  const std::string first = bench.file("intermediate.pem");
  bench.clock.advance(24h * 240);
  REQUIRE(bench.issue(*ca, "localhost").has_value());
  CHECK(bench.file("intermediate.pem") == first);
  bench.clock.advance(24h * 5);
  REQUIRE(bench.issue(*ca, "localhost").has_value());
  CHECK(bench.file("intermediate.pem") != first);
  CHECK(bench.file("root.pem") == root);
}

TEST_CASE("a lost intermediate is made again below the same root") {
  Bench bench;
  REQUIRE(bench.issue(*bench.open(), "localhost").has_value());
  const std::string root = bench.file("root.pem");
  std::filesystem::remove(bench.folder.path() + "/data/internal-ca/intermediate.key");
  REQUIRE(bench.issue(*bench.open(), "localhost").has_value());
  CHECK(bench.file("root.pem") == root);
}

TEST_CASE("a crash at any step of making the CA leaves one that works at the next start") {
  int step = 0;
  for (bool failed = true; failed; ++step) {
    CAPTURE(step);
    REQUIRE(step < 100);
    Bench bench;
    auto ca = bench.open();
    bench.system.fail_at(step, test::FaultyFileSystem::Kind::crash);
    const auto first = bench.issue(*ca, "localhost");
    failed = bench.system.failed();
    if (!first) CHECK(first.error().detail.starts_with("internal CA: "));
    bench.system.heal();
    bench.clock.advance(1min);
    REQUIRE(bench.issue(*bench.open(), "localhost").has_value());
  }
}

TEST_CASE("a root key that others may read stops the CA instead of replacing its root") {
  Bench bench;
  REQUIRE(bench.issue(*bench.open(), "localhost").has_value());
  const std::string root = bench.file("root.pem");
  std::filesystem::permissions(bench.folder.path() + "/data/internal-ca/root.key",
                               std::filesystem::perms(0644));
  const auto refused = bench.issue(*bench.open(), "localhost");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().detail.find("0644") != std::string::npos);
  CHECK(bench.file("root.pem") == root);
}

}  // namespace
}  // namespace gatehouse::acme::internal_ca_test
