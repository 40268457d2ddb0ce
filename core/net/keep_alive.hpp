#pragma once

namespace gatehouse::net {

/// Lets the kernel ask now and then whether the other end is still there: one that vanished without
/// a word would hold an open answer, or a tunnel, for ever. Of a listening socket: of all that it
/// accepts. -1: nothing to do; nothing happens to a unix socket.
void keep_alive(int descriptor);

}  // namespace gatehouse::net
