#include "core/tls/certificate_index.hpp"

#include <doctest/doctest.h>

namespace gatehouse::tls::certificate_index_test {
namespace {

using Need = CertificateIndex::Need;

CertificateHandle some() { return std::make_shared<const CertificateSet>(); }
std::string host(int n) { return "host-" + std::to_string(n) + ".example"; }

TEST_CASE("an exact name comes before the wildcard one label up, and nothing else fits") {
  CertificateIndex index;
  const auto exact = some();
  const auto wildcard = some();
  index.put("a.example", exact, Need::now);
  index.put("*.example", wildcard, Need::now);
  CHECK(*index.find("a.example") == exact);
  CHECK(*index.find("b.example") == wildcard);
  CHECK(index.find("example") == nullptr);
  CHECK(index.find("x.a.example") == nullptr);
  CHECK(index.find("") == nullptr);
  CHECK(index.find_exact("b.example") == nullptr);
  CHECK(*index.find_exact("*.example") == wildcard);
  index.erase("a.example");
  CHECK(*index.find("a.example") == wildcard);
  index.erase("never.there");
  CHECK(index.size() == 1);
}

TEST_CASE("putting a name again replaces its certificates") {
  CertificateIndex index;
  index.put("a.example", some(), Need::now);
  const auto next = some();
  index.put("a.example", next, Need::now);
  CHECK(*index.find("a.example") == next);
  CHECK(index.size() == 1);
}

TEST_CASE("200,000 names are all found, and none of them after their removal") {
  CertificateIndex index(300'000);
  std::vector<CertificateHandle> handles;
  for (int i = 0; i < 200'000; ++i) {
    handles.push_back(some());
    index.put(host(i), handles.back(), Need::now);
  }
  CHECK(index.size() == 200'000);
  int wrong = 0;
  for (int i = 0; i < 200'000; ++i) {
    const CertificateHandle* found = index.find(host(i));
    if (found == nullptr || *found != handles[static_cast<std::size_t>(i)]) ++wrong;
  }
  CHECK(wrong == 0);
  for (int i = 0; i < 200'000; i += 2) index.erase(host(i));
  CHECK(index.size() == 100'000);
  for (int i = 0; i < 200'000; ++i) {
    if ((index.find(host(i)) != nullptr) != (i % 2 == 1)) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("names that come and go for long leave no trace") {
  CertificateIndex index(100);
  const auto held = some();
  for (int round = 0; round < 2000; ++round) {
    for (int i = 0; i < 48; ++i) index.put(host(round * 48 + i), held, Need::now);
    for (int i = 0; i < 48; ++i) index.erase(host(round * 48 + i));
  }
  CHECK(index.size() == 0);
  CHECK(held.use_count() == 1);
  CHECK(index.find(host(1)) == nullptr);
}

TEST_CASE("a full index lets go of what nobody asked for") {
  CertificateIndex index(1000);
  for (int i = 0; i < 1000; ++i) index.put(host(i), some(), Need::now);
  // The first newcomer takes every mark away; from then on only the asked-for have one.
  index.put("first.newcomer", some(), Need::now);
  for (int i = 0; i < 100; ++i) index.find(host(i));
  int there = 0;
  for (int i = 0; i < 100; ++i) there += index.find_exact(host(i)) != nullptr ? 1 : 0;
  for (int i = 2000; i < 2500; ++i) index.put(host(i), some(), Need::now);
  CHECK(index.size() == 1000);
  int kept = 0;
  for (int i = 0; i < 100; ++i) kept += index.find_exact(host(i)) != nullptr ? 1 : 0;
  CHECK(kept == there);
  CHECK(there >= 99);
}

TEST_CASE("what nobody waits for takes no other name's place") {
  CertificateIndex index(100);
  for (int i = 0; i < 100; ++i) index.put(host(i), some(), Need::ahead);
  for (int i = 100; i < 300; ++i) index.put(host(i), some(), Need::ahead);
  CHECK(index.size() == 100);
  int first = 0;
  for (int i = 0; i < 100; ++i) first += index.find_exact(host(i)) != nullptr ? 1 : 0;
  CHECK(first == 100);
  // What is there is replaced, full or not.
  const auto next = some();
  index.put(host(7), next, Need::ahead);
  CHECK(*index.find_exact(host(7)) == next);
}

TEST_CASE("a limit that sinks lets go of names at once, one that rises makes room") {
  CertificateIndex index(1000);
  for (int i = 0; i < 1000; ++i) index.put(host(i), some(), Need::ahead);
  for (int i = 0; i < 10; ++i) index.find(host(i));
  CHECK(index.limit(20).size() == 980);
  CHECK(index.size() == 20);
  int asked = 0;
  for (int i = 0; i < 10; ++i) asked += index.find_exact(host(i)) != nullptr ? 1 : 0;
  CHECK(asked == 10);
  CHECK(index.limit(30).empty());
  for (int i = 2000; i < 2020; ++i) index.put(host(i), some(), Need::ahead);
  CHECK(index.size() == 30);
  CHECK(index.limit(0).size() == 29);
  CHECK(index.size() == 1);
  index.put("last.example", some(), Need::now);
  CHECK(index.size() == 1);
  CHECK(index.find("last.example") != nullptr);
}

}  // namespace
}  // namespace gatehouse::tls::certificate_index_test
