#include "core/base/pattern.hpp"

#include <re2/re2.h>

#include <array>

namespace gatehouse {
namespace {

// For the program and its cache of states. RE2 itself sees to it: an expression that does not fit
// is refused, a cache that is full is begun anew.
constexpr std::int64_t most_memory = 1 << 20;

RE2::Options options() {
  RE2::Options options;
  // Octets, because a request need not be UTF-8.
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_max_mem(most_memory);
  options.set_log_errors(false);
  return options;
}

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct Pattern::Compiled {
  explicit Compiled(std::string_view expression) : re(piece(expression), options()) {}
  RE2 re;
};

Result<Pattern> Pattern::compile(std::string_view expression) {
  auto compiled = std::make_shared<const Compiled>(expression);
  if (!compiled->re.ok()) return Error(Fault::bad_message, Side::self, compiled->re.error());
  Pattern made;
  made.compiled_ = std::move(compiled);
  return made;
}

bool Pattern::found_in(std::string_view text) const {
  return compiled_ && compiled_->re.Match(piece(text), 0, text.size(), RE2::UNANCHORED, nullptr, 0);
}

int Pattern::groups() const { return compiled_ ? compiled_->re.NumberOfCapturingGroups() : 0; }

bool Pattern::find(std::string_view text, Found& found) const {
  std::array<re2::StringPiece, Found::most_groups + 1> groups;
  const int wanted = std::min(this->groups(), Found::most_groups) + 1;
  if (!compiled_ ||
      !compiled_->re.Match(piece(text), 0, text.size(), RE2::UNANCHORED, groups.data(), wanted)) {
    return false;
  }
  found = {};
  for (std::size_t i = 0; i < static_cast<std::size_t>(wanted); ++i) {
    found.group[i] = {groups[i].data(), groups[i].size()};
  }
  found.whole = found.group[0];
  return true;
}

}  // namespace gatehouse
