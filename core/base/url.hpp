#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.hpp"

namespace gatehouse {

/// An absolute http or https URL, taken apart (RFC 3986, RFC 9110 §4.2). No userinfo, no fragment.
struct Url {
  std::string scheme;      // "http" or "https"
  std::string host;        // normal_host() form, IPv6 without brackets
  std::uint16_t port = 0;  // the scheme's default when none was given
  std::string target;      // path and query, at least "/"

  static Result<Url> parse(std::string_view text);
  bool secure() const { return scheme == "https"; }
  /// host, and the port where it is not the scheme's default: the value of a Host field.
  std::string authority() const;
  std::string text() const { return scheme + "://" + authority() + target; }
};

/// `host:port`, `[v6]:port` or `host`; `fallback` where there is no port.
struct HostPort {
  std::string host;  // normal_host() form
  std::uint16_t port = 0;

  static Result<HostPort> parse(std::string_view text, std::uint16_t fallback);
};

}  // namespace gatehouse
