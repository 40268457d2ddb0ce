#pragma once

#include <string>
#include <string_view>

#include "core/base/error.hpp"

namespace gatehouse::control {

/// Tells the service manager: one datagram to the socket it named in $NOTIFY_SOCKET ("READY=1",
/// "RELOADING=1", "STOPPING=1"). An empty `socket` (no service manager) does nothing.
Result<void> notify(const std::string& socket, std::string_view state);
/// The same with $NOTIFY_SOCKET; a failure is logged, because nobody could act on it.
void notify_service_manager(std::string_view state);

}  // namespace gatehouse::control
