#include "proxy/serve/access_ring.hpp"

#include <utility>

namespace gatehouse::serve {

void AccessRing::Bell::ring() {
  // The line was put before this read, and the writer looks at the rings after it has set the
  // flag: one of the two sees the other (both in the one order of seq_cst).
  if (asleep.load() == 1 && asleep.exchange(0) == 1) asleep.notify_one();
}

AccessRing::AccessRing(std::shared_ptr<Bell> bell, std::string hash_key, std::size_t lines)
    : bell_(std::move(bell)), hash_key_(std::move(hash_key)), slots_(lines) {}

bool AccessRing::put(std::string& line) {
  const std::size_t at = written_.load(std::memory_order_relaxed);
  if (at - read_.load(std::memory_order_acquire) == slots_.size()) return false;
  std::swap(slots_[at % slots_.size()], line);
  line.clear();
  written_.store(at + 1);
  bell_->ring();
  return true;
}

bool AccessRing::take(std::string& out) {
  const std::size_t end = written_.load();
  std::size_t at = read_.load(std::memory_order_relaxed);
  if (at == end) return false;
  for (; at != end; ++at) out += slots_[at % slots_.size()];
  read_.store(end, std::memory_order_release);
  return true;
}

}  // namespace gatehouse::serve
