#pragma once

#include <string>

#include "tests/proxy/forward/bench.hpp"

namespace gatehouse::test {

/// Everything behind the head of an HTTP/1.1 answer, chunks taken apart.
inline std::string body_in(const std::string& answer) {
  std::string rest = answer.substr(answer.find("\r\n\r\n") + 4);
  if (field_of(answer, "Transfer-Encoding").empty()) return rest;
  std::string body;
  for (;;) {
    const std::size_t end = rest.find("\r\n");
    if (end == std::string::npos) return body;
    const std::size_t size = std::stoul(rest.substr(0, end), nullptr, 16);
    if (size == 0) return body;
    body += rest.substr(end + 2, size);
    rest.erase(0, end + 2 + size + 2);
  }
}

inline int status_of(const std::string& answer) { return std::stoi(answer.substr(9, 3)); }

}  // namespace gatehouse::test
