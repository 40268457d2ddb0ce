#pragma once

#include "proxy/control/cli.hpp"

namespace gatehouse::control {

/// The commands that ask a running process: reload, stop, status, certs. Returns the exit status.
int run_remote(const Invocation& asked);

}  // namespace gatehouse::control
