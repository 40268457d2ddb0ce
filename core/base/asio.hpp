#pragma once

// The names of Asio that every room uses. Boost.Asio is the floor we stand on; nothing hides it.

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>

#include "core/base/recycling.hpp"

// Seen by every unit that makes coroutines, before the first of them.
template <>
inline void* boost::asio::detail::awaitable_frame_base<boost::asio::any_io_executor>::operator new(
    std::size_t size) {
  return gatehouse::take_recycled(size);
}
template <>
inline void
boost::asio::detail::awaitable_frame_base<boost::asio::any_io_executor>::operator delete(
    void* pointer, std::size_t size) {
  gatehouse::give_recycled(pointer, size);
}

namespace gatehouse {

namespace asio = boost::asio;
using asio::awaitable;

/// Throws operation_aborted where the caller was cancelled meanwhile.
awaitable<void> throw_if_cancelled();

/// Completion token: `auto [ec, n] = co_await socket.async_…(…, as_result);` never throws, except
/// that the first `co_await` after a cancelled one throws operation_aborted.
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

}  // namespace gatehouse
