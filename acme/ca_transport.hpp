#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/asio.hpp"
#include "core/base/bytes.hpp"
#include "core/base/clock.hpp"
#include "core/base/error.hpp"

namespace gatehouse::acme {

/// One request to a CA. With a body it is `application/jose+json` (RFC 8555 §6.2).
struct CaRequest {
  std::string method;  // GET, HEAD or POST
  std::string url;
  std::string accept;  // empty: anything
  std::string body;
  std::size_t most_bytes = 0;  // of the reply's body; more is Fault::limit
};

struct CaReply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;

  /// The first value of that name; empty where there is none.
  std::string field(std::string_view name) const {
    for (const auto& [key, value] : fields) {
      if (equal_ignoring_case(key, name)) return value;
    }
    return {};
  }
  std::vector<std::string> all(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& [key, value] : fields) {
      if (equal_ignoring_case(key, name)) values.push_back(value);
    }
    return values;
  }
};

/// One request, one reply; no redirects, no second tries, no meaning. Control thread.
class CaTransport {
 public:
  virtual ~CaTransport() = default;
  /// Any status is a reply. Errors are Side::ca; the request may have taken effect all the same.
  /// The caller cancels at `deadline`; it is handed down for the steps inside.
  virtual awaitable<Result<CaReply>> send(CaRequest request, Steady deadline) = 0;
};

}  // namespace gatehouse::acme
