#include "proxy/serve/access_ring.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace gatehouse::serve {

void AccessRing::Bell::ring() {
  // The line was put before this read, and the writer looks at the rings after it has set the
  // flag: one of the two sees the other (both in the one order of seq_cst).
  if (asleep.load() == 1 && asleep.exchange(0) == 1) asleep.notify_one();
}

AccessRing::AccessRing(std::shared_ptr<Bell> bell, std::string hash_key, std::size_t octets)
    : bell_(std::move(bell)),
      hash_key_(std::move(hash_key)),
      size_(std::bit_ceil(octets)),
      octets_(std::make_unique_for_overwrite<char[]>(size_)) {}

bool AccessRing::put(std::string_view line) {
  const std::size_t end = written_.load(std::memory_order_relaxed);
  const std::size_t room = size_ - (end - read_.load(std::memory_order_acquire));
  if (line.size() > room) return false;
  const std::size_t at = end & (size_ - 1);
  const std::string_view first = line.substr(0, size_ - at);
  std::copy_n(first.data(), first.size(), octets_.get() + at);
  line.remove_prefix(first.size());
  std::copy_n(line.data(), line.size(), octets_.get());
  written_.store(end + first.size() + line.size());
  bell_->ring();
  return true;
}

bool AccessRing::take(std::string& out) {
  const std::size_t end = written_.load();
  const std::size_t begin = read_.load(std::memory_order_relaxed);
  if (begin == end) return false;
  const std::size_t at = begin & (size_ - 1);
  const std::size_t first = std::min(end - begin, size_ - at);
  out.append(octets_.get() + at, first);
  out.append(octets_.get(), end - begin - first);
  read_.store(end, std::memory_order_release);
  return true;
}

}  // namespace gatehouse::serve
