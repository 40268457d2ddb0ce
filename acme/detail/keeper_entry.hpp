#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "acme/keeper.hpp"
#include "core/tls/certificate.hpp"

namespace gatehouse::acme {

/// How many names made on demand are known without asking storage, unless more are kept in memory.
inline constexpr std::size_t most_lazy = 100'000;

/// After what could not be used or stored.
inline constexpr std::chrono::seconds look_again_after{60};

/// The order file of a key type. The first of the list has the plain name of the layout.
std::string order_file(const std::string& host, std::size_t slot, const std::string& key_type);
bool holds(const tls::Certificate& certificate, const std::string& host);

/// A certificate and all that is known of it.
struct Hit {
  tls::CertificatePointer certificate;
  std::string ca;
  CertificateMeta meta;
};

/// One certificate of a name: one key type.
struct Keeper::Slot {
  /// What stays in memory of a certificate that is not.
  struct Known {
    Lifetime lifetime;
    std::string fingerprint;
  };

  std::string key_type;
  Standing::Stock stock = Standing::Stock::unknown;
  Wall look_again;             // Stock::refused
  std::optional<Known> known;  // of the certificate there is; null: none
  std::string ca;              // folder of the CA that made it
  CertificateMeta meta;
  std::vector<Backoff> backoffs;  // by the CAs of the list
  std::string last_error;
  bool forced = false;

  void take(tls::CertificatePointer certificate);
  /// Null where it is not in memory, or there is none.
  tls::CertificatePointer certificate() const;
  /// From here on it is in memory for as long as a worker, or a connection, has it.
  void let_go() { in_hand_.reset(); }
  /// There is none any more.
  void lose();

 private:
  tls::CertificatePointer in_hand_;  // while something is done for its name
  std::weak_ptr<const tls::Certificate> shared_;
};

/// A handshake that waits for a name.
struct Keeper::Waiter {
  asio::steady_timer rung;                 // set at Steady::max(), used as a condition
  Result<tls::CertificateHandle> brought;  // null: something else has changed
};

/// One name and what is done for it.
struct Keeper::Entry {
  enum class Kind : std::uint8_t {
    configured,
    lazy,     // made when somebody asked for it
    retired,  // wanted no longer; lives until the work under way has ended
  };
  enum class Phase : std::uint8_t {
    resting,    // in `due_`
    elsewhere,  // likewise, but soon: another process works on this name
    admitting,
    to_load,
    loading,
    to_order,
    ordering,
  };

  std::string host;
  Wanted wanted;
  Kind kind = Kind::configured;
  Phase phase = Phase::admitting;
  bool awaited = false;          // to_load, to_order: in the queue of those that somebody waits for
  std::string recipe;            // of `slots`: what they were built for
  std::uint64_t generation = 0;  // of `slots`: work begun for an older one must not touch them
  std::vector<Slot> slots;
  std::weak_ptr<const tls::CertificateSet> served;  // what the workers were given last
  std::optional<Wall> served_until;                 // its end; null: they were given nothing
  tls::CertificateHandle outdated;                  // served, but of slots that a reload replaced
  bool being_read = false;                          // what they have let go of
  std::optional<Error> failure;                     // of the last attempt
  std::optional<Wall> due;                          // its place in `due_`
  /// Taken up from storage because it falls due: forgotten when that is done, and not given to the
  /// workers, unless somebody asks for it meanwhile.
  bool unasked = false;
  Wall held_back_until;
  Wall allowed_until;            // mode on_demand: the last yes serves an order begun before this
  std::size_t ordered_slot = 0;  // Phase::ordering
  std::string stamp;             // mode files: sizes and times of the files that were read
  std::list<Waiter*> waiters;
  std::list<std::string>::iterator lazy_place;  // Kind::lazy

  bool busy() const { return phase != Phase::resting; }
  enum class Missing : std::uint8_t { waited_for, left_out };
  /// What its certificates are, those that are valid if any is. Null where there is none, or one
  /// that is waited for is not in memory.
  tls::CertificateHandle assemble(Wall now, Missing missing = Missing::waited_for) const;
  bool has_certificate() const;
  bool has_valid_certificate(Wall now) const;
};

/// What is to be done next for an entry, over all its slots.
struct Keeper::Choice {
  bool load = false;
  std::optional<PlaceOrder> order;
  std::size_t slot = 0;        // of `order`
  Wall soonest = Wall::max();  // with neither
};

/// One piece of work for an entry: counts in its lane, and settles the entry however it ends.
class Keeper::Task {
 public:
  Task(Keeper& keeper, EntryPointer entry, Lane lane)
      : keeper_(keeper), entry_(std::move(entry)), lane_(lane) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() {
    --keeper_.at_work_[static_cast<std::size_t>(lane_)];
    keeper_.settle(entry_);
    keeper_.pump();
  }

 private:
  Keeper& keeper_;
  EntryPointer entry_;
  Lane lane_;
};

}  // namespace gatehouse::acme
