#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/serve/handlers/visit.hpp"

namespace gatehouse::serve {

struct Credentials {
  std::string user;
  std::string password;
};

/// What an Authorization field says by the scheme Basic (RFC 7617 §2); nothing else is read.
std::optional<Credentials> basic_credentials(std::string_view authorization);

/// `basic_auth`: 401 until a known user's password comes along, 503 when too many wait to have
/// theirs checked.
awaitable<bool> answer_basic_auth(Visit& visit);

}  // namespace gatehouse::serve
