#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::control {

/// Through which door an admin request came in.
struct AdminDoor {
  bool unix_socket = true;  // its mode 0600 is all the guard it needs
  std::string host;         // TCP: the address we listen on, without brackets
  std::uint16_t port = 0;
  std::string token;  // what a POST over TCP must bear
};

/// What the rules look at. Absent fields are absent, not empty.
struct AdminRequest {
  std::string_view method;
  std::string_view host;   // normal form
  std::uint16_t port = 0;  // 0: none was given
  std::optional<std::string_view> origin;
  std::optional<std::string_view> fetch_site;
  std::optional<std::string_view> authorization;
};

struct AdminRefusal {
  int status = 403;
  std::string_view detail;
};

/// Keeps web pages away from a TCP admin address: `Host` must be ours (else a name that was made to
/// point here could be same-origin with us), requests from other origins are refused, and whatever
/// changes something needs the token that only a reader of DATA_DIR has.
std::optional<AdminRefusal> refuse(const AdminDoor& door, const AdminRequest& request);

}  // namespace gatehouse::control
