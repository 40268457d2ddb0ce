// The one translation unit that compiles Asio's non-template half
// (BOOST_ASIO_SEPARATE_COMPILATION).
#include <boost/asio/detail/thread_info_base.hpp>

#include "core/base/recycling.hpp"

// Who can be cancelled holds such memory for as long as it waits: a stream, a connection. Asio
// keeps two pieces a thread for the next, which is nothing where hundreds wait at once.
using CancellationMemory = boost::asio::detail::thread_info_base::cancellation_signal_tag;

template <>
void* boost::asio::detail::thread_info_base::allocate(CancellationMemory, thread_info_base*,
                                                      std::size_t size, std::size_t) {
  return gatehouse::take_recycled(size);
}
template <>
void boost::asio::detail::thread_info_base::deallocate(CancellationMemory, thread_info_base*,
                                                       void* pointer, std::size_t size) {
  gatehouse::give_recycled(pointer, size);
}

#include <boost/asio/impl/src.hpp>
