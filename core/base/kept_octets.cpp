#include "core/base/kept_octets.hpp"

#include <algorithm>
#include <new>

namespace gatehouse {
namespace {

constexpr std::size_t usual_octets = 1024;

}  // namespace

/// What is left of the block before stays unused: texts are short.
[[gnu::noinline]] void KeptOctets::grow(std::size_t octets) {
  const std::size_t size = std::max(usual_octets, sizeof(Block) + octets);
  void* const memory = take_recycled(size);
  last_ = ::new (memory) Block{last_, size};
  free_ = static_cast<char*>(memory) + sizeof(Block);
  left_ = size - sizeof(Block);
}

}  // namespace gatehouse
