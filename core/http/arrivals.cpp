#include "core/http/arrivals.hpp"

#include <algorithm>
#include <utility>

namespace gatehouse::http {
namespace {

// A peer that leaves this much unread on each of its streams shall not cost a block for each,
constexpr std::size_t most_few = 4 * 1024;
// nor one that leaves a little more, once the worker has so many blocks on loan.
constexpr std::size_t many_lent = 64;

}  // namespace

void Arrivals::append(std::string_view octets) {
  size_ += octets.size();
  if (blocks_.empty()) {
    const std::size_t most = pool_.lent() < many_lent ? most_few : pool_.block_bytes();
    if (few_.size() + octets.size() <= most) {
      few_.append(octets);
      return;
    }
    extend(few_);
    few_.clear();
  }
  extend(octets);
}

void Arrivals::extend(std::string_view octets) {
  while (!octets.empty()) {
    if (blocks_.empty() || blocks_.back().size == pool_.block_bytes()) {
      blocks_.push_back({pool_.take(), 0});
    }
    Filled& last = blocks_.back();
    const std::size_t fits = std::min(octets.size(), pool_.block_bytes() - last.size);
    octets.copy(last.block.bytes().data() + last.size, fits);
    last.size += fits;
    octets.remove_prefix(fits);
  }
}

std::string_view Arrivals::take() {
  let_go();
  if (blocks_.empty()) {
    taken_few_.swap(few_);
    few_.clear();
    size_ = 0;
    return taken_few_;
  }
  Filled first = std::move(blocks_.front());
  blocks_.erase(blocks_.begin());
  size_ -= first.size;
  taken_block_ = std::move(first.block);
  return {taken_block_.bytes().data(), first.size};
}

}  // namespace gatehouse::http
