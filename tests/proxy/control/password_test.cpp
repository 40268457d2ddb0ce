#include "proxy/control/password.hpp"

#include <crypt.h>
#include <doctest/doctest.h>

#include <cstring>
#include <memory>

namespace password_test {

using namespace gatehouse;
using control::HashAlgorithm;

namespace {

bool verifies(const std::string& password, const std::string& hash) {
  const auto room = std::make_unique<crypt_data>();
  const char* again = ::crypt_r(password.c_str(), hash.c_str(), room.get());
  return again && hash == again;
}

}  // namespace

TEST_CASE("a bcrypt hash verifies its password and no other") {
  const auto hash = control::hash_password("correct horse", HashAlgorithm::bcrypt);
  REQUIRE(hash.has_value());
  CHECK(hash->starts_with("$2b$12$"));
  CHECK(verifies("correct horse", *hash));
  CHECK_FALSE(verifies("correct horsf", *hash));
}

TEST_CASE("a yescrypt hash verifies its password, however long") {
  const std::string password(200, 'x');
  const auto hash = control::hash_password(password, HashAlgorithm::yescrypt);
  REQUIRE(hash.has_value());
  CHECK(hash->starts_with("$y$"));
  CHECK(verifies(password, *hash));
  CHECK_FALSE(verifies(std::string(199, 'x'), *hash));
}

TEST_CASE("two hashes of one password have their own salts") {
  const auto first = control::hash_password("p", HashAlgorithm::yescrypt);
  const auto second = control::hash_password("p", HashAlgorithm::yescrypt);
  CHECK(*first != *second);
}

TEST_CASE("a password that bcrypt would cut short is refused") {
  CHECK(control::hash_password(std::string(72, 'x'), HashAlgorithm::bcrypt).has_value());
  const auto refused = control::hash_password(std::string(73, 'x'), HashAlgorithm::bcrypt);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().detail().find("yescrypt") != std::string::npos);
}

TEST_CASE("an empty password and one with a NUL are refused") {
  CHECK_FALSE(control::hash_password("", HashAlgorithm::bcrypt).has_value());
  CHECK_FALSE(control::hash_password(std::string("a\0b", 3), HashAlgorithm::bcrypt).has_value());
}

}  // namespace password_test
