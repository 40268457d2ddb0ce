#include "core/tls/certificate_index.hpp"

#include <algorithm>
#include <functional>

namespace gatehouse::tls {

// Open addressing with linear probing; a removed name closes its gap (backward shift), so there
// are no tombstones to clean up and look-ups stay short however names come and go.
struct CertificateIndex::Table {
  struct Slot {
    std::uint64_t hash = 0;
    std::string host;  // empty: the slot is free
    CertificateHandle certificates;
    bool asked = false;  // since the clock hand came by
  };

  static constexpr std::size_t least_size = 64;

  explicit Table(std::size_t limit) : most(std::max<std::size_t>(limit, 1)), slots(least_size) {}

  static std::uint64_t hash_of(std::string_view host) {
    // Never 0, so that a free slot (hash 0) fails the first comparison.
    return std::hash<std::string_view>()(host) | 1;
  }
  std::size_t home(std::uint64_t hash) const { return (hash >> 1) & (slots.size() - 1); }
  std::size_t next(std::size_t at) const { return (at + 1) & (slots.size() - 1); }

  Slot* find(std::string_view host) {
    const std::uint64_t hash = hash_of(host);
    for (std::size_t at = home(hash);; at = next(at)) {
      Slot& slot = slots[at];
      if (slot.host.empty()) return nullptr;
      if (slot.hash == hash && slot.host == host) return &slot;
    }
  }

  /// Requires: the host is not there and a slot is free.
  Slot& insert(Slot added) {
    std::size_t at = home(added.hash);
    while (!slots[at].host.empty()) at = next(at);
    slots[at] = std::move(added);
    return slots[at];
  }

  void remove(std::size_t gap) {
    --count;
    for (std::size_t at = next(gap);; at = next(at)) {
      Slot& slot = slots[at];
      if (slot.host.empty()) break;
      // A name may move into the gap unless its home lies behind the gap.
      const std::size_t mask = slots.size() - 1;
      if (((at - home(slot.hash)) & mask) >= ((at - gap) & mask)) {
        slots[gap] = std::move(slot);
        gap = at;
      }
    }
    slots[gap] = Slot();
  }

  void grow() {
    if ((count + 1) * 4 > slots.size() * 3) resize(slots.size() * 2);
  }

  void shrink() {
    std::size_t size = least_size;
    while ((count + 1) * 4 > size * 3) size *= 2;
    if (size < slots.size()) resize(size);
  }

  void resize(std::size_t size) {
    std::vector<Slot> old(size);
    old.swap(slots);
    for (Slot& slot : old) {
      if (!slot.host.empty()) insert(std::move(slot));
    }
    hand = 0;
  }

  /// Takes out one name that was not asked for since the hand last came by.
  /// Requires: a name.
  CertificateHandle evict_one() {
    for (;;) {
      hand &= slots.size() - 1;
      Slot& slot = slots[hand];
      if (slot.host.empty()) {
        ++hand;
      } else if (slot.asked) {
        slot.asked = false;
        ++hand;
      } else {
        CertificateHandle evicted = std::move(slot.certificates);
        remove(hand);
        return evicted;
      }
    }
  }

  std::size_t most;
  std::vector<Slot> slots;  // a power of two
  std::size_t count = 0;
  std::size_t hand = 0;
};

CertificateIndex::CertificateIndex(std::size_t most) : table_(std::make_unique<Table>(most)) {}
CertificateIndex::~CertificateIndex() = default;

std::vector<CertificateHandle> CertificateIndex::limit(std::size_t most) {
  Table& table = *table_;
  table.most = std::max<std::size_t>(most, 1);
  std::vector<CertificateHandle> evicted;
  if (table.count <= table.most) return evicted;
  evicted.reserve(table.count - table.most);
  while (table.count > table.most) evicted.push_back(table.evict_one());
  table.shrink();
  return evicted;
}

void CertificateIndex::put(std::string_view host, CertificateHandle certificates, Need need) {
  if (host.empty()) return;
  Table& table = *table_;
  if (Table::Slot* slot = table.find(host)) {
    slot->certificates = std::move(certificates);
    slot->asked = slot->asked || need == Need::now;
    return;
  }
  if (table.count >= table.most) {
    if (need == Need::ahead) return;
    table.evict_one();
  }
  table.grow();
  Table::Slot added;
  added.hash = Table::hash_of(host);
  added.host = host;
  added.certificates = std::move(certificates);
  added.asked = need == Need::now;
  table.insert(std::move(added));
  ++table.count;
}

void CertificateIndex::erase(std::string_view host) {
  if (Table::Slot* slot = table_->find(host)) {
    table_->remove(static_cast<std::size_t>(slot - table_->slots.data()));
  }
}

const CertificateHandle* CertificateIndex::find_exact(std::string_view host) {
  if (host.empty()) return nullptr;
  Table::Slot* slot = table_->find(host);
  if (slot == nullptr) return nullptr;
  slot->asked = true;
  return &slot->certificates;
}

const CertificateHandle* CertificateIndex::find(std::string_view host) {
  if (const CertificateHandle* exact = find_exact(host)) return exact;
  const std::size_t dot = host.find('.');
  if (dot == std::string_view::npos || host.size() - dot >= 255) return nullptr;
  // "*.parent" on the stack: this runs in every handshake for a wildcard's host. An IP address
  // never finds one, because nobody puts a wildcard of it.
  char wildcard[256];
  wildcard[0] = '*';
  const std::string_view parent = host.substr(dot);
  std::copy(parent.begin(), parent.end(), wildcard + 1);
  return find_exact(std::string_view(wildcard, parent.size() + 1));
}

std::size_t CertificateIndex::size() const { return table_->count; }

}  // namespace gatehouse::tls
