#pragma once

#include <cstddef>

namespace gatehouse {

/// malloc() and free() for libraries that do not say how large what they give back was. A handshake
/// of OpenSSL takes five hundred pieces: a RecyclingThread keeps a quarter of a MiB of them for the
/// next one, all other threads none. May be given back on another thread than it was taken on.
/// Null: there is no memory, or nothing was asked for.
void* take_unsized(std::size_t bytes) noexcept;
/// Null is fine.
void give_unsized(void* memory) noexcept;

/// For RecyclingThread.
void keep_unsized(bool keep) noexcept;

}  // namespace gatehouse
