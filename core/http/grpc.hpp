#pragma once

#include <string_view>

#include "core/http/message.hpp"

namespace gatehouse::http {

/// A call of gRPC: over HTTP/2, and told by its content type.
bool speaks_grpc(const RequestHead& request);

/// The grpc-status of what a proxy answers itself with that status of HTTP.
std::string_view grpc_status(int status);

}  // namespace gatehouse::http
