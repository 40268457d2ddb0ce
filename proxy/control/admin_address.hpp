#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.hpp"

namespace gatehouse::control {

/// Where the admin API is: `admin.listen` or `--admin`, taken apart.
struct AdminAddress {
  enum class Kind : std::uint8_t { off, unix_socket, tcp };
  Kind kind = Kind::unix_socket;
  std::string path;  // unix_socket
  std::string host;  // tcp; normal form
  std::uint16_t port = 0;

  /// "" is unix:DATA_DIR/admin.sock; "off"; "unix:PATH"; "HOST:PORT".
  static Result<AdminAddress> parse(const std::string& text, const std::string& data_dir);
  static std::string default_path(const std::string& data_dir) { return data_dir + "/admin.sock"; }
  std::string text() const;
};

}  // namespace gatehouse::control
