#pragma once

#include <string>

#include "core/net/buffer_pool.hpp"
#include "core/net/crew.hpp"
#include "core/net/deadline_wheel.hpp"
#include "core/net/dialer.hpp"
#include "core/net/resolver.hpp"

namespace gatehouse::serve::backend {

inline const std::string no_key;

/// What pools use of their worker. All of it outlives them.
struct Means {
  Clock& clock;
  net::Resolver& resolver;
  net::Dialer& dialer;
  net::DeadlineWheel& wheel;
  net::BufferPool& buffers;
  net::Crew& crew;
  const std::string& sticky_key = no_key;  // signs the cookies that pin clients
};

}  // namespace gatehouse::serve::backend
