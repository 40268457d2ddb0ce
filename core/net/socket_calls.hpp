#pragma once

#include <cstddef>

#include <sys/types.h>

namespace gatehouse::net {

/// recv(2) and send(2) on a connected socket, errno included. The C library lets threads be
/// cancelled inside its own, which costs a program with threads two locked instructions a call;
/// nobody cancels threads here.
ssize_t receive(int descriptor, void* into, std::size_t bytes, int flags);
ssize_t send(int descriptor, const void* from, std::size_t bytes, int flags);

}  // namespace gatehouse::net
