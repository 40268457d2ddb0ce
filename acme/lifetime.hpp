#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "acme/order_store.hpp"
#include "core/base/clock.hpp"

/// When a certificate is renewed, and what is to be done next for one: plain functions of what we
/// have and what failed before. No clock, no network.
namespace gatehouse::acme {

struct Lifetime {
  Wall not_before;
  Wall not_after;
  /// Of the whole, counted back from the end.
  Wall with_share_left(double share) const;
};

/// `share` of the lifetime, and up to a twentieth of it more (`jitter` in [0, 1)), so that names
/// made together do not come back together; in no case later than the danger line.
Wall renewal_time(const Lifetime& lifetime, double share, double jitter);
/// With a twentieth of its life left, a certificate is in danger: nothing but a CA's own wait holds
/// its renewal back.
Wall danger_time(const Lifetime& lifetime);

/// In the order in which orders leave the queue.
enum class Urgency : std::uint8_t { expired, danger, renewal, configured, on_demand };

/// Where one certificate of a name stands with one CA of its list.
struct CaStanding {
  Backoff backoff;
  Wall paused_until;  // the CA as a whole is down or limits us
};

/// Where one certificate (one name, one key type) stands.
struct Standing {
  enum class Stock : std::uint8_t {
    unknown,  // storage was not asked yet
    refused,  // storage has something that must not or cannot be used: ask again at `look_again`
    none,     // nothing, or nothing that holds
    foreign,  // one of a CA that is no longer in the list: serves until ours is there
    held,
  };
  Stock stock = Stock::unknown;
  Wall look_again;
  Lifetime lifetime;  // foreign, held
  double renew_share = 2.0 / 3.0;
  double jitter = 0;
  std::vector<CaStanding> cas;  // in the order of the list
  Wall held_back_until;         // whoever decides on on-demand names said no to renewing
  bool forced = false;          // an operator wants a new one now
};

struct Load {};
struct PlaceOrder {
  std::size_t ca;
  Urgency urgency;
};
struct Rest {
  Wall until;
};
using NextAction = std::variant<Load, PlaceOrder, Rest>;

/// A CA is passed over, for the next in the list, while it refuses for good, makes us wait long,
/// or has failed three times in a row; in danger every CA of the list counts.
NextAction next_action(const Standing& standing, Wall now);

}  // namespace gatehouse::acme
