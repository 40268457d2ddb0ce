#include "core/base/resting_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace gatehouse {
namespace {

constexpr std::size_t page_bytes = 4096;
constexpr std::size_t words_of_all = RestingMemory::bytes / sizeof(std::uint64_t);
// More than this aside, and resting saves little.
constexpr std::size_t most_words_aside = words_of_all / 4;
// So many are mapped at once.
constexpr std::size_t in_a_region = 64;
// Of those that nobody uses a thread leaves so many their pages.
constexpr std::size_t most_warm = 64;

/// Calls `tell` for each run of words that are not zero; a single zero does not end one.
template <class Tell>
void each_run(const std::uint64_t* words, Tell tell) {
  std::size_t at = 0;
  while (at < words_of_all) {
    if (words[at] == 0) {
      ++at;
      continue;
    }
    std::size_t end = at + 1;
    while (end < words_of_all &&
           (words[end] != 0 || (end + 1 < words_of_all && words[end + 1] != 0))) {
      ++end;
    }
    tell(at, end - at);
    at = end;
  }
}

/// Where the machine's pages are larger than ours the kernel would take the neighbours' as well.
bool let_pages_go(char* pages) noexcept {
  static const bool whole_pages =
      RestingMemory::bytes % static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) == 0;
  return whole_pages && ::madvise(pages, RestingMemory::bytes, MADV_DONTNEED) == 0;
}

/// Left by threads that have ended.
struct Orphans {
  std::mutex mutex;
  std::vector<char*> pages;
};
Orphans& orphans() {
  static Orphans* const all = new Orphans;  // outlives every thread
  return *all;
}

/// What nobody uses, all zero.
class Free {
 public:
  Free() = default;
  Free(const Free&) = delete;
  Free& operator=(const Free&) = delete;
  ~Free() {
    Orphans& to = orphans();
    const std::lock_guard held(to.mutex);
    to.pages.insert(to.pages.end(), all_.begin(), all_.end());
  }

  char* take() {
    if (all_.empty()) refill();
    char* const taken = all_.back();
    all_.pop_back();
    if (warm_ > 0) --warm_;
    return taken;
  }
  void give(char* pages) noexcept {
    try {
      all_.push_back(pages);
    } catch (const std::bad_alloc&) {
      let_pages_go(pages);  // only the addresses are lost
      return;
    }
    if (warm_ < most_warm) {
      ++warm_;
    } else {
      let_pages_go(pages);
      std::swap(all_.back(), all_[all_.size() - 1 - warm_]);
    }
  }

 private:
  void refill() {
    {
      Orphans& from = orphans();
      const std::lock_guard held(from.mutex);
      all_.swap(from.pages);
    }
    if (!all_.empty()) return;
    all_.reserve(in_a_region);
    constexpr std::size_t size = in_a_region * RestingMemory::bytes;
    void* const region =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED) throw std::bad_alloc();
    ::madvise(region, size, MADV_NOHUGEPAGE);  // one page that is written would be five hundred
    for (std::size_t i = 0; i < in_a_region; ++i) {
      all_.push_back(static_cast<char*>(region) + i * RestingMemory::bytes);
    }
  }

  std::vector<char*> all_;
  std::size_t warm_ = 0;  // so many at the end of the list have their pages
};

thread_local Free unused;

std::uint64_t* words_in(char* pages) { return reinterpret_cast<std::uint64_t*>(pages); }

}  // namespace

RestingMemory::RestingMemory() : pages_(unused.take()) {}

RestingMemory::~RestingMemory() {
  if (!resting()) {
    // Page by page: those that were not written must not be.
    for (std::size_t at = 0; at < bytes; at += page_bytes) {
      const char* const page = pages_ + at;
      const bool zero = *page == 0 && std::memcmp(page, page + 1, page_bytes - 1) == 0;
      if (!zero) std::memset(pages_ + at, 0, page_bytes);
    }
  }
  unused.give(pages_);
}

void RestingMemory::rest() noexcept {
  if (resting()) return;
  const std::uint64_t* const words = words_in(pages_);
  std::size_t needed = 0;
  each_run(words, [&](std::size_t, std::size_t count) { needed += 1 + count; });
  if (needed > most_words_aside) return;
  std::unique_ptr<std::uint64_t[]> aside(new (std::nothrow) std::uint64_t[needed + 1]);
  if (!aside) return;
  std::uint64_t* to = aside.get();
  each_run(words, [&](std::size_t at, std::size_t count) {
    *to++ = at << 32 | count;
    std::memcpy(to, words + at, count * sizeof *to);
    to += count;
  });
  if (!let_pages_go(pages_)) return;
  aside_ = std::move(aside);
  aside_words_ = needed;
}

void RestingMemory::bring_back() noexcept {
  const std::uint64_t* from = aside_.get();
  const std::uint64_t* const end = from + aside_words_;
  while (from < end) {
    const std::size_t at = *from >> 32;
    const std::size_t count = *from++ & 0xFFFFFFFF;
    std::memcpy(words_in(pages_) + at, from, count * sizeof *from);
    from += count;
  }
  aside_.reset();
}

}  // namespace gatehouse
