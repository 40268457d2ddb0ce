#include "core/base/host.hpp"

#include "core/base/bytes.hpp"
#include "core/base/cidr.hpp"

namespace gatehouse {
namespace {

Error bad(std::string_view text, std::string_view why) {
  return Error(Fault::bad_message, Side::self,
               "host '" + std::string(text.substr(0, 64)) + "' " + std::string(why));
}

bool label_octet(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/// A name whose last label is all digits (or 0x…) would be read as an IPv4 address by some.
bool numeric_last_label(std::string_view name) {
  const std::string_view last = name.substr(name.rfind('.') + 1);
  return last.find_first_not_of("0123456789") == std::string_view::npos;
}

bool ends_with_label(std::string_view host, std::string_view suffix) {
  return host == suffix || (host.size() > suffix.size() && host.ends_with(suffix) &&
                            host[host.size() - suffix.size() - 1] == '.');
}

}  // namespace

Result<std::string> normal_host(std::string_view text) {
  if (text.empty()) return bad(text, "is empty");
  if (text.size() > 255) return bad(text, "is longer than 253 octets");
  if (text.front() == '[') {
    if (text.back() != ']') return bad(text, "lacks its closing bracket");
    const auto address = as_address(text.substr(1, text.size() - 2));
    if (!address || !address->is_v6()) return bad(text, "is no IPv6 address");
    return address->to_string();
  }
  if (const auto address = as_address(text)) return address->to_string();
  std::string name = to_lower(text);
  if (name.back() == '.') name.pop_back();
  if (name.empty() || name.size() > 253) return bad(text, "has an impossible length");
  std::size_t label = 0;
  for (std::size_t i = 0; i <= name.size(); ++i) {
    if (i == name.size() || name[i] == '.') {
      if (label == 0) return bad(text, "has an empty label");
      if (label > 63) return bad(text, "has a label of more than 63 octets");
      if (name[i - 1] == '-' || name[i - label] == '-') {
        return bad(text, "has a label that begins or ends with '-'");
      }
      label = 0;
    } else if (!label_octet(name[i])) {
      return bad(text, "has an octet that no host name may have");
    } else {
      ++label;
    }
  }
  if (numeric_last_label(name)) return bad(text, "ends in a number but is no IPv4 address");
  return name;
}

std::string wildcard_of(std::string_view host) {
  const std::size_t dot = host.find('.');
  if (dot == std::string_view::npos || as_address(host)) return {};
  return "*" + std::string(host.substr(dot));
}

std::optional<boost::asio::ip::address> as_address(std::string_view host) {
  if (host.empty() || host.size() > 64 || host.find('%') != std::string_view::npos) return {};
  // Most are names: an IPv4 address ends in a digit, and an IPv6 one has colons.
  const bool digit = host.back() >= '0' && host.back() <= '9';
  if (!digit && host.find(':') == std::string_view::npos) return {};
  boost::system::error_code failed;
  const auto address = boost::asio::ip::make_address(std::string(host), failed);
  if (failed) return {};
  return address;
}

std::string reverse_name(const boost::asio::ip::address& address) {
  std::string out;
  if (address.is_v4()) {
    const auto octets = address.to_v4().to_bytes();
    for (auto it = octets.rbegin(); it != octets.rend(); ++it) out += std::to_string(*it) + ".";
    return out + "in-addr.arpa";
  }
  constexpr char digits[] = "0123456789abcdef";
  const auto octets = address.to_v6().to_bytes();
  for (auto it = octets.rbegin(); it != octets.rend(); ++it) {
    out += {digits[*it & 15], '.', digits[*it >> 4], '.'};
  }
  return out + "ip6.arpa";
}

bool is_local_host(std::string_view host) {
  if (const auto address = as_address(host)) return is_private(*address);
  if (host.find('.') == std::string_view::npos) return true;
  for (const std::string_view suffix : {"localhost", "local", "internal", "home.arpa"}) {
    if (ends_with_label(host, suffix)) return true;
  }
  return false;
}

}  // namespace gatehouse
