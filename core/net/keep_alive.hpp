#pragma once

namespace gatehouse::net {

/// Lets the kernel ask now and then whether the other end is still there: one that vanished without
/// a word would hold an open answer, or a tunnel, for ever. -1: nothing to do.
void keep_alive(int descriptor);

}  // namespace gatehouse::net
