#include "core/tls/tickets.hpp"

#include <algorithm>

#include "core/base/bytes.hpp"
#include "core/base/time_format.hpp"

namespace gatehouse::tls {
namespace {

constexpr std::size_t secret_octets = 32;
constexpr std::size_t kept_for_decryption = 2;

Error bad_keys(std::string detail) {
  return Error(Fault::bad_message, Side::self, "ticket keys: " + std::move(detail));
}

}  // namespace

TicketKeys::TicketKeys(Entropy& entropy, Wall now) : entropy_(entropy) { move_on({}, now); }

Result<std::shared_ptr<TicketKeys>> TicketKeys::from_text(std::string_view text, Entropy& entropy,
                                                          Wall now) {
  auto keys = parse(text);
  if (!keys) return keys.error();
  std::shared_ptr<TicketKeys> out(new TicketKeys(entropy));
  out->move_on(std::move(*keys), now);
  return out;
}

bool TicketKeys::rotate(Wall now) { return move_on(ring()->keys, now); }

Result<void> TicketKeys::adopt(std::string_view text, Wall now) {
  auto keys = parse(text);
  if (!keys) return keys.error();
  move_on(std::move(*keys), now);
  return {};
}

bool TicketKeys::move_on(std::vector<Key> keys, Wall now) {
  bool changed = false;
  const auto make = [&](Wall from) {
    keys.push_back(Key{from, Secret(entropy_.octets(secret_octets))});
    changed = true;
  };
  // Too old for any ticket that still lives, or dated so far ahead that a clock was wrong.
  std::erase_if(keys, [&](const Key& key) {
    const bool useless =
        key.from + rotation * (kept_for_decryption + 1) <= now || key.from > now + 2 * rotation;
    changed = changed || useless;
    return useless;
  });
  if (keys.empty() || keys.front().from > now) {
    make(now);
    std::rotate(keys.begin(), keys.end() - 1, keys.end());
  }
  while (keys.back().from <= now) make(std::max(keys.back().from + rotation, now - rotation));
  auto next = std::make_shared<Ring>();
  next->keys = std::move(keys);
  const auto upcoming = std::find_if(next->keys.begin(), next->keys.end(),
                                     [&](const Key& key) { return key.from > now; });
  next->current = static_cast<std::size_t>(upcoming - next->keys.begin()) - 1;
  const auto before = ring();
  changed = changed || before == nullptr || before->current != next->current;
  next->generation = generation() + 1;
  const std::uint64_t generation = next->generation;
  {
    const std::lock_guard turn(mutex_);
    ring_ = std::move(next);
  }
  generation_.store(generation, std::memory_order_release);
  return changed;
}

Wall TicketKeys::next_rotation() const {
  const auto held = ring();
  return held->keys[held->current + 1].from;
}

std::string TicketKeys::to_text() const {
  std::string out;
  const auto held = ring();
  for (const Key& key : held->keys) {
    out += rfc3339_seconds(key.from) + " " + base64url(key.secret.view()) + "\n";
  }
  return out;
}

Result<std::vector<TicketKeys::Key>> TicketKeys::parse(std::string_view text) {
  std::vector<Key> keys;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    const std::size_t gap = line.find(' ');
    if (gap == std::string_view::npos) return bad_keys("a line is not 'date secret'");
    auto from = parse_rfc3339(line.substr(0, gap));
    if (!from) return bad_keys("a date is unreadable");
    auto secret = from_base64url(line.substr(gap + 1));
    if (!secret || secret->size() != secret_octets) return bad_keys("a secret has not 32 octets");
    keys.push_back(Key{*from, Secret(std::move(*secret))});
  }
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return a.from < b.from; });
  return keys;
}

}  // namespace gatehouse::tls
