#pragma once

namespace gatehouse::net {

// Of a listening socket: of all that it accepts. Nothing happens to a unix socket, nor for -1.

/// Lets the kernel ask now and then whether the other end is still there: one that vanished without
/// a word would hold an open answer, or a tunnel, for ever.
void keep_alive(int descriptor);
/// A head or a small record must not wait for the peer's acknowledgement of the last one.
void no_delay(int descriptor);

}  // namespace gatehouse::net
