#pragma once

#include <string>

#include "core/base/error.hpp"
#include "proxy/control/admin_address.hpp"

namespace gatehouse::control {

struct AdminAnswer {
  int status = 0;
  std::string body;
};

/// One request to the admin API, for the command line: returns when it is answered. `token` may be
/// empty on a unix socket. Errors: nobody runs there, or no whole answer came.
Result<AdminAnswer> ask_admin(const AdminAddress& where, const std::string& token,
                              std::string method, std::string path);

}  // namespace gatehouse::control
