#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/http/message.hpp"

namespace gatehouse::serve::backend {

/// What a client's cookie says to lead it back to the same server: tells nobody which one it is,
/// and only who has the key can make one.
std::string sticky_token(std::string_view key, std::string_view backend, std::string_view server);

/// The value of a Set-Cookie that pins a client for its session.
std::string sticky_cookie(std::string_view name, std::string_view token, bool secure);

/// The value of the first cookie of that name in a request; none: it sent none.
std::optional<std::string_view> cookie_value(const http::Fields& fields, std::string_view name);

}  // namespace gatehouse::serve::backend
