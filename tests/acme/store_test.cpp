#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "acme/store/file_store.hpp"
#include "core/base/bytes.hpp"
#include "core/tls/certificate.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/faulty_file_system.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/test_certificates.hpp"

namespace gatehouse::acme::store_test {
namespace {

using namespace std::chrono_literals;
using test::FaultyFileSystem;

const CertificateName name{"ca.example-dir", "a.example", "p256"};

struct Bench {
  std::shared_ptr<FileStore> open(const std::string& owner = "one", const std::string& key = "") {
    auto store = FileStore::open_as(owner, folder.path() + "/data", key, system, clock, entropy);
    REQUIRE(store.has_value());
    return *store;
  }
  StoredCertificate make(std::chrono::hours life) {
    const auto pair = test::make_pair_for({"a.example"}, clock.wall(), clock.wall() + life);
    StoredCertificate stored;
    stored.chain_pem = pair.chain_pem;
    stored.key_pem = pair.key_pem;
    stored.meta.names = {"a.example"};
    stored.meta.jitter = 0.25;
    stored.meta.sites = {"a.example"};
    return stored;
  }
  std::string path(const std::string& below) const { return folder.path() + "/data/" + below; }
  std::string text(const std::string& below) { return PosixFileSystem().read(path(below)).value(); }

  test::TemporaryFolder folder;
  test::FakeClock clock;
  SystemEntropy entropy;
  FaultyFileSystem system;
};

const std::string pair_folder = "certificates/ca.example-dir/a.example/p256";

TEST_CASE("a certificate comes back as it was stored, from the documented files") {
  Bench bench;
  const StoredCertificate made = bench.make(24h);
  REQUIRE(bench.open()->save_certificate(name, made).has_value());
  const auto loaded = bench.open()->load_certificate(name);
  REQUIRE(loaded.has_value());
  REQUIRE(loaded->has_value());
  CHECK((*loaded)->chain_pem == made.chain_pem);
  CHECK((*loaded)->key_pem == made.key_pem);
  CHECK((*loaded)->meta.jitter == doctest::Approx(0.25));
  CHECK((*loaded)->meta.sites == std::vector<std::string>{"a.example"});
  CHECK((*loaded)->meta.not_after == bench.clock.wall() + 24h);
  CHECK(bench.text(pair_folder + "/cert.pem") == made.chain_pem);
  CHECK(bench.text(pair_folder + "/key.pem") == made.key_pem);
}

TEST_CASE("everything in the data directory is for its owner alone") {
  Bench bench;
  auto store = bench.open();
  REQUIRE(store->save_certificate(name, bench.make(24h)).has_value());
  REQUIRE(store->save_certificate(name, bench.make(48h)).has_value());
  REQUIRE(store->save_order("ca", "a.example", OrderRecord()).has_value());
  std::size_t seen = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(bench.folder.path() + "/data")) {
    CAPTURE(entry.path().string());
    const auto mode = static_cast<unsigned>(entry.status().permissions());
    CHECK(mode == (entry.is_directory() ? 0700U : 0600U));
    ++seen;
  }
  CHECK(seen >= 14);
}

TEST_CASE("a host becomes a folder name as the layout says") {
  CHECK(host_folder("a.example") == "a.example");
  CHECK(host_folder("*.a.example") == "_wildcard.a.example");
  CHECK(host_folder("2001:db8::1") == "2001-db8--1");
  const std::string longest(250, 'a');
  CHECK(host_folder(longest).size() <= 200);
  CHECK(host_folder(longest) != host_folder(longest + "b"));
}

TEST_CASE("a name that is no folder name never becomes a path") {
  Bench bench;
  auto store = bench.open();
  for (const char* bad : {"..", "", ".hidden", "a b"}) {
    CAPTURE(bad);
    CHECK(store->load_certificate({bad, "a.example", "p256"}).error().fault() ==
          Fault::bad_message);
    CHECK(store->load_certificate({"ca", bad, "p256"}).error().fault() == Fault::bad_message);
  }
  CHECK_FALSE(store->load_certificate({"a/../../b", "a.example", "p256"}).has_value());
}

TEST_CASE("a key that others may read is refused, with its file and mode") {
  Bench bench;
  auto store = bench.open();
  REQUIRE(store->save_certificate(name, bench.make(24h)).has_value());
  ::chmod(bench.path(pair_folder + "/key.pem").c_str(), 0640);
  const auto loaded = store->load_certificate(name);
  REQUIRE_FALSE(loaded.has_value());
  CHECK(loaded.error().fault() == Fault::denied);
  CHECK(loaded.error().detail().find(pair_folder + "/key.pem") != std::string::npos);
  CHECK(loaded.error().detail().find("0640") != std::string::npos);
}

TEST_CASE("damage is told apart from absence") {
  Bench bench;
  auto store = bench.open();
  CHECK_FALSE(store->load_certificate(name)->has_value());
  REQUIRE(store->save_certificate(name, bench.make(24h)).has_value());
  SUBCASE("a cut certificate") {
    std::filesystem::resize_file(bench.path(pair_folder + "/cert.pem"), 100);
  }
  SUBCASE("a missing key") { std::filesystem::remove(bench.path(pair_folder + "/key.pem")); }
  SUBCASE("a key of another certificate") {
    std::ofstream(bench.path(pair_folder + "/key.pem")) << bench.make(24h).key_pem;
  }
  const auto loaded = store->load_certificate(name);
  REQUIRE_FALSE(loaded.has_value());
  CHECK(loaded.error().fault() == Fault::bad_message);
}

TEST_CASE("damaged meta does not cost the certificate") {
  Bench bench;
  auto store = bench.open();
  REQUIRE(store->save_certificate(name, bench.make(24h)).has_value());
  std::ofstream(bench.path(pair_folder + "/meta.json")) << "{]";
  const auto loaded = store->load_certificate(name);
  REQUIRE(loaded.has_value());
  CHECK((*loaded)->meta.names == std::vector<std::string>{"a.example"});
  CHECK((*loaded)->meta.not_after == bench.clock.wall() + 24h);
}

TEST_CASE("a crash at any step of a change leaves the old pair or the new one") {
  for (const auto kind : {FaultyFileSystem::Kind::crash, FaultyFileSystem::Kind::error}) {
    int step = 0;
    std::size_t old_seen = 0;
    std::size_t new_seen = 0;
    for (bool failed = true; failed; ++step) {
      CAPTURE(step);
      REQUIRE(step < 200);
      Bench bench;
      auto store = bench.open();
      const StoredCertificate before = bench.make(24h);
      REQUIRE(store->save_certificate(name, bench.make(12h)).has_value());
      REQUIRE(store->save_certificate(name, before).has_value());
      const StoredCertificate after = bench.make(48h);
      bench.system.fail_at(step, kind);
      const auto saved = store->save_certificate(name, after);
      failed = bench.system.failed();
      bench.system.heal();
      const auto loaded = bench.open("two")->load_certificate(name);
      REQUIRE(loaded.has_value());
      REQUIRE(loaded->has_value());
      const bool is_new = (*loaded)->chain_pem == after.chain_pem;
      CHECK((*loaded)->chain_pem == (is_new ? after : before).chain_pem);
      CHECK((*loaded)->key_pem == (is_new ? after : before).key_pem);
      if (saved) CHECK(is_new);
      ++(is_new ? new_seen : old_seen);
      // And the next change goes through.
      const StoredCertificate next = bench.make(72h);
      REQUIRE(store->save_certificate(name, next).has_value());
      CHECK((*store->load_certificate(name))->key_pem == next.key_pem);
    }
    CHECK(old_seen > 3);
    CHECK(new_seen > 3);
  }
}

TEST_CASE("a crash at any step of the first issuance leaves nothing or the pair") {
  for (const auto kind : {FaultyFileSystem::Kind::crash, FaultyFileSystem::Kind::error}) {
    int step = 0;
    std::size_t seen = 0;
    for (bool failed = true; failed; ++step) {
      CAPTURE(step);
      REQUIRE(step < 200);
      Bench bench;
      auto store = bench.open();
      const StoredCertificate first = bench.make(48h);
      bench.system.fail_at(step, kind);
      const auto saved = store->save_certificate(name, first);
      failed = bench.system.failed();
      bench.system.heal();
      auto after = bench.open("two");
      const auto loaded = after->load_certificate(name);
      REQUIRE(loaded.has_value());
      if (saved) CHECK(loaded->has_value());
      if (*loaded) CHECK((*loaded)->key_pem == first.key_pem);
      seen += loaded->has_value() ? 1 : 0;
      // What is left of it is taken for nobody's certificate, and the next one goes through.
      auto walk = after->walk(name.ca);
      REQUIRE(walk.has_value());
      CHECK((*walk)->next(100)->seen.size() == (loaded->has_value() ? 1 : 0));
      const std::filesystem::path host =
          std::filesystem::path(bench.path(pair_folder)).parent_path();
      if (step % 2 == 0 && std::filesystem::exists(host)) {
        REQUIRE(after->remove_certificate(name).has_value());
        CHECK(std::filesystem::is_empty(host));
      }
      const StoredCertificate next = bench.make(72h);
      REQUIRE(store->save_certificate(name, next).has_value());
      CHECK((*store->load_certificate(name))->key_pem == next.key_pem);
    }
    CHECK(step > 6);
    CHECK(seen > 0);
  }
}

TEST_CASE("a storage that turned read-only in the middle of a change is still read whole") {
  for (int step = 0; step < 30; ++step) {
    CAPTURE(step);
    Bench bench;
    auto store = bench.open();
    const StoredCertificate before = bench.make(24h);
    const StoredCertificate after = bench.make(48h);
    REQUIRE(store->save_certificate(name, before).has_value());
    bench.system.fail_at(step, FaultyFileSystem::Kind::crash);
    (void)store->save_certificate(name, after);
    const auto loaded = store->load_certificate(name);  // nothing can be moved up
    REQUIRE(loaded.has_value());
    const bool is_new = (*loaded)->chain_pem == after.chain_pem;
    CHECK((*loaded)->key_pem == (is_new ? after : before).key_pem);
  }
}

TEST_CASE("rolling back swaps the current certificate and the one before") {
  Bench bench;
  auto store = bench.open();
  const StoredCertificate first = bench.make(24h);
  const StoredCertificate second = bench.make(48h);
  REQUIRE(store->save_certificate(name, first).has_value());
  CHECK(store->roll_back(name).error().fault() == Fault::not_found);
  REQUIRE(store->save_certificate(name, second).has_value());
  REQUIRE(store->roll_back(name).has_value());
  CHECK((*store->load_certificate(name))->key_pem == first.key_pem);
  REQUIRE(store->roll_back(name).has_value());
  CHECK((*store->load_certificate(name))->key_pem == second.key_pem);
}

TEST_CASE("a removed certificate leaves nothing behind") {
  Bench bench;
  auto store = bench.open();
  REQUIRE(store->save_certificate(name, bench.make(24h)).has_value());
  REQUIRE(store->save_certificate(name, bench.make(48h)).has_value());
  REQUIRE(store->remove_certificate(name).has_value());
  CHECK_FALSE(store->load_certificate(name)->has_value());
  CHECK_FALSE(std::filesystem::exists(bench.path(pair_folder)));
}

TEST_CASE("with an encryption key no private key lies in the clear") {
  Bench bench;
  const std::string key = base64(std::string(32, 'k'));
  auto store = bench.open("one", key);
  const StoredCertificate made = bench.make(24h);
  REQUIRE(store->save_certificate(name, made).has_value());
  OrderRecord record;
  record.order = PendingOrder();
  record.order->names = {"a.example"};
  record.order->key_type = "p256";
  record.order->key_pem = made.key_pem;
  REQUIRE(store->save_order("ca", "a.example", record).has_value());
  AccountRecord account;
  account.directory = "https://ca.example/dir";
  account.key_pem = made.key_pem;
  REQUIRE(store->save_account("ca", account).has_value());
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(bench.folder.path() + "/data")) {
    if (!entry.is_regular_file()) continue;
    const std::string text = PosixFileSystem().read(entry.path().string()).value();
    CAPTURE(entry.path().string());
    CHECK(text.find("PRIVATE KEY") == std::string::npos);
  }
  CHECK((*store->load_certificate(name))->key_pem == made.key_pem);
  CHECK((*store->load_order("ca", "a.example"))->order->key_pem == made.key_pem);
  CHECK((*store->load_account("ca"))->key_pem == made.key_pem);

  CHECK(bench.open("one")->load_certificate(name).error().fault() == Fault::denied);
  const auto other = bench.open("one", base64(std::string(32, 'x')))->load_certificate(name);
  CHECK(other.error().fault() == Fault::denied);
}

TEST_CASE("keys from before encryption was configured stay readable") {
  Bench bench;
  const StoredCertificate made = bench.make(24h);
  REQUIRE(bench.open()->save_certificate(name, made).has_value());
  auto store = bench.open("one", base64(std::string(32, 'k')));
  CHECK((*store->load_certificate(name))->key_pem == made.key_pem);
}

TEST_CASE("an encryption key of the wrong length is refused") {
  Bench bench;
  const auto store =
      FileStore::open_as("one", bench.folder.path() + "/data", base64(std::string(16, 'k')),
                         bench.system, bench.clock, bench.entropy);
  CHECK(store.error().fault() == Fault::denied);
}

TEST_CASE("accounts are found again, archived, and damaged without their key") {
  Bench bench;
  auto store = bench.open();
  CHECK_FALSE(store->load_account("ca")->has_value());
  AccountRecord account;
  account.directory = "https://ca.example/dir";
  account.url = "https://ca.example/acct/1";
  account.key_pem = bench.make(24h).key_pem;
  REQUIRE(store->save_account("ca", account).has_value());
  CHECK((*store->load_account("ca"))->url == account.url);
  CHECK((*store->load_account("ca"))->key_pem == account.key_pem);
  std::filesystem::rename(bench.path("acme/ca/account.key"), bench.path("acme/ca/away"));
  CHECK(store->load_account("ca").error().fault() == Fault::bad_message);
  std::filesystem::rename(bench.path("acme/ca/away"), bench.path("acme/ca/account.key"));
  REQUIRE(store->archive_account("ca", bench.clock.wall()).has_value());
  CHECK_FALSE(store->load_account("ca")->has_value());
  CHECK(std::filesystem::exists(bench.path("acme/ca/account.key.2026-01-01T00:00:00Z")));
}

TEST_CASE("a crash at any step of storing an account never pairs a record with another key") {
  int step = 0;
  for (bool failed = true; failed; ++step) {
    CAPTURE(step);
    REQUIRE(step < 50);
    Bench bench;
    auto store = bench.open();
    AccountRecord account;
    account.directory = "https://ca.example/dir";
    account.key_pem = bench.make(24h).key_pem;
    bench.system.fail_at(step, FaultyFileSystem::Kind::crash);
    const auto saved = store->save_account("ca", account);
    failed = bench.system.failed();
    bench.system.heal();
    const auto loaded = bench.open()->load_account("ca");
    REQUIRE(loaded.has_value());
    if (saved) REQUIRE(loaded->has_value());
    if (*loaded) CHECK((*loaded)->key_pem == account.key_pem);
  }
}

TEST_CASE("the back-off of a name survives a restart") {
  Bench bench;
  OrderRecord record;
  record.backoff.attempts = 7;
  record.backoff.next_attempt = bench.clock.wall() + 20min;
  record.backoff.problem = "connection";
  REQUIRE(bench.open()->save_order("ca", "*.a.example", record).has_value());
  CHECK(std::filesystem::exists(bench.path("acme/ca/orders/_wildcard.a.example.json")));
  const auto loaded = bench.open()->load_order("ca", "*.a.example");
  REQUIRE(loaded.has_value());
  CHECK((*loaded)->backoff.attempts == 7);
  CHECK((*loaded)->backoff.next_attempt == bench.clock.wall() + 20min);
  REQUIRE(bench.open()->remove_order("ca", "*.a.example").has_value());
  CHECK_FALSE(bench.open()->load_order("ca", "*.a.example")->has_value());
}

TEST_CASE("an installation keeps its id") {
  Bench bench;
  const auto id = bench.open()->instance_id();
  REQUIRE(id.has_value());
  CHECK(id->size() == 32);
  CHECK(*bench.open("two")->instance_id() == *id);
}

TEST_CASE("a lease is one owner's until it ends or is given back") {
  Bench bench;
  auto one = bench.open("one");
  auto two = bench.open("two");
  const auto held = one->take_lease("a.example");
  REQUIRE(held.has_value());
  const auto refused = two->take_lease("a.example");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().fault() == Fault::refused);
  CHECK(refused.error().detail().find("one") != std::string::npos);
  CHECK(two->take_lease("b.example").has_value());
  one->release_lease(*held);
  CHECK(two->take_lease("a.example").has_value());
}

TEST_CASE("a lease that is not renewed is taken over, and its owner hears of it") {
  Bench bench;
  auto one = bench.open("one");
  auto two = bench.open("two");
  const auto held = one->take_lease("a.example");
  REQUIRE(held.has_value());
  bench.clock.advance(20s);
  const auto renewed = one->renew_lease(*held);
  REQUIRE(renewed.has_value());
  bench.clock.advance(20s);
  CHECK_FALSE(two->take_lease("a.example").has_value());
  bench.clock.advance(20s);
  const auto taken = two->take_lease("a.example");
  REQUIRE(taken.has_value());
  CHECK(one->renew_lease(*renewed).error().fault() == Fault::refused);
  one->release_lease(*renewed);  // must not free what is another's now
  CHECK_FALSE(bench.open("three")->take_lease("a.example").has_value());
}

TEST_CASE("a damaged lease holds nobody up") {
  Bench bench;
  auto store = bench.open();
  std::filesystem::create_directories(bench.path("locks"));
  std::ofstream(bench.path("locks/a.example")) << "half a li";
  CHECK(store->take_lease("a.example").has_value());
}

TEST_CASE("the leases of a dead process of this machine need not expire") {
  const std::string self = owner_of_this_process();
  CHECK_FALSE(surely_dead(self));
  CHECK_FALSE(surely_dead("another machine"));
  const auto last = self.rfind('/');
  CHECK(surely_dead(self.substr(0, last) + "/1"));  // the pid was used again: another start time
  Bench bench;
  auto before = bench.open(self.substr(0, last) + "/1");
  REQUIRE(before->take_lease("a.example").has_value());
  CHECK(bench.open(self)->take_lease("a.example").has_value());
}

TEST_CASE("a crash at any step of taking a lease leaves it free or held by one") {
  int step = 0;
  for (bool failed = true; failed; ++step) {
    CAPTURE(step);
    REQUIRE(step < 50);
    Bench bench;
    auto one = bench.open("one");
    auto two = bench.open("two");
    bench.system.fail_at(step, FaultyFileSystem::Kind::crash);
    (void)one->take_lease("a.example");
    failed = bench.system.failed();
    bench.system.heal();
    bench.clock.advance(40s);
    CHECK(two->take_lease("a.example").has_value());
    CHECK_FALSE(one->take_lease("a.example").has_value());
  }
}

}  // namespace
}  // namespace gatehouse::acme::store_test
