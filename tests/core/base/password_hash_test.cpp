#include "core/base/password_hash.hpp"

#include <doctest/doctest.h>

namespace password_hash_test {

using gatehouse::is_usable_hash;
using gatehouse::password_fits;
using namespace std::string_literals;

TEST_CASE("the password fits the hash that was made of it and no other one does") {
  const char* const hashes[] = {
      "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
      "$y$j75$abcdefghijkl$pG0KXbHxpjIKguh3BCfALSHrI366WlMzNka7nozr8.8",
      ("$6$rounds=1000$saltsalt$4GMtaIz3E1AdDi2SmCokEW0ehi."
       "HdxNDcL3fGE1XXuzvo6kbx7UOloZKONqEk5H3JrQA"
       "4NOfU8BmqFPrpGqwA1"),
  };
  for (const char* const hash : hashes) {
    INFO(hash);
    CHECK(is_usable_hash(hash));
    CHECK(password_fits("correct horse", hash));
    CHECK_FALSE(password_fits("wrong horse", hash));
    CHECK_FALSE(password_fits("", hash));
    CHECK_FALSE(password_fits("correct horse\0x"s, hash));
  }
}

TEST_CASE("what is no hash fits no password") {
  for (const char* const text : {"", "*0", "hunter2", "$nothing$x", "$2b$04$short"}) {
    INFO(text);
    CHECK_FALSE(password_fits("hunter2", text));
    CHECK_FALSE(password_fits("", text));
  }
  CHECK_FALSE(is_usable_hash("$nothing$x"));
}

}  // namespace password_hash_test
