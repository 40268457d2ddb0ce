#pragma once

#include <doctest/doctest.h>

#include <string>

#include "core/base/error.hpp"

/// `CHECK(result)` says the error when it fails, whatever the value's type.
namespace doctest {

template <class T>
struct StringMaker<boost::system::result<T, gatehouse::Error>> {
  static String convert(const boost::system::result<T, gatehouse::Error>& result) {
    if (result) return "a value";
    const gatehouse::Error error = result.error();
    const std::string words = "error " + std::string(gatehouse::name(error.fault())) + " of " +
                              std::string(gatehouse::name(error.side())) + ": " + error.detail();
    return words.c_str();
  }
};

}  // namespace doctest
