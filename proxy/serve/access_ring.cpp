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
  std::size_t end = written_.load(std::memory_order_relaxed);
  const std::size_t read = read_.load(std::memory_order_acquire);
  std::size_t begin = begin_.load(std::memory_order_relaxed);
  if (read == end) {
    // All over again, from the front: its memory was used lately, and is near.
    begin = end = (end + size_ - 1) & ~(size_ - 1);
    begin_.store(begin, std::memory_order_relaxed);
  }
  const std::size_t room = size_ - (end - std::max(read, begin));
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

AccessRing::Pieces AccessRing::lines() {
  seen_ = written_.load();
  const std::size_t read = read_.load(std::memory_order_relaxed);
  if (seen_ == read) return {};
  const std::size_t begin = std::max(read, begin_.load(std::memory_order_relaxed));
  const std::size_t at = begin & (size_ - 1);
  const std::size_t first = std::min(seen_ - begin, size_ - at);
  return {std::string_view(octets_.get() + at, first),
          std::string_view(octets_.get(), seen_ - begin - first)};
}

}  // namespace gatehouse::serve
