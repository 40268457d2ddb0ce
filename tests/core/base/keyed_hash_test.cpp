#include "core/base/keyed_hash.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

namespace keyed_hash_test {

using gatehouse::KeyedHash;

TEST_CASE("the hash is SipHash-2-4: the vectors of its authors come out") {
  // Key 00 01 … 0f, text 00 01 … of each length.
  const KeyedHash hash({0x0706050403020100, 0x0f0e0d0c0b0a0908});
  std::string text;
  const auto next = [&] { text += static_cast<char>(text.size()); };
  CHECK(hash(text) == 0x726fdb47dd0e0e31);
  next();
  CHECK(hash(text) == 0x74f839c593dc67fd);
  while (text.size() < 8) next();
  CHECK(hash(text) == 0x93f5f5799a932462);
  while (text.size() < 15) next();
  CHECK(hash(text) == 0xa129ca6149be45e5);
}

TEST_CASE("another key gives other hashes") {
  gatehouse::SystemEntropy entropy;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 16; ++i) seen.insert(KeyedHash(entropy)("client"));
  CHECK(seen.size() == 16);
}

}  // namespace keyed_hash_test
