#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/serve/backend/pool.hpp"

namespace gatehouse::serve::backend {

class Backend;

/// One of the places that a server with max_requests has; free again when it dies.
class Slot {
 public:
  Slot() = default;
  Slot(std::shared_ptr<Backend> backend, std::shared_ptr<Pool> pool)
      : backend_(std::move(backend)), pool_(std::move(pool)) {}
  Slot(Slot&&) noexcept = default;
  Slot& operator=(Slot&& other) noexcept {
    if (this != &other) {
      release();
      backend_ = std::move(other.backend_);
      pool_ = std::move(other.pool_);
    }
    return *this;
  }
  ~Slot() { release(); }
  void release();

 private:
  std::shared_ptr<Backend> backend_;  // null: no place taken
  std::shared_ptr<Pool> pool_;
};

/// What a request wants of the choice of a server.
struct Wish {
  explicit Wish(const std::vector<const Pool*>& servers) : tried(servers) {}
  const std::vector<const Pool*>& tried;
  std::optional<std::uint64_t> key;  // what Policy::hash goes by
  std::string_view pinned;           // the client's sticky cookie
  bool may_probe = false;            // it can be sent again, should a server fail it
  bool last_resort = false;          // an ejected server rather than none
  bool called = false;               // from the waiting room: it need not wait behind others
};

struct Choice {
  enum class Kind : std::uint8_t {
    server,        // `pool`
    full,          // every server that could take it has all its max_requests: wait
    none_healthy,  // all are down or ejected
    none_left,     // all that are healthy were tried
  };
  Kind kind = Kind::none_left;
  std::shared_ptr<Pool> pool;
  Slot slot;
  bool probe = false;  // the first request to a server that was ejected
};

/// One backend on one worker: its servers and the choice among them. A request holds it to its
/// end, so a reload may take it out of the config meanwhile.
class Backend : public std::enable_shared_from_this<Backend> {
 public:
  Backend(const Means& means, Random random);

  /// Take a copy for the request: a reload replaces it.
  const std::shared_ptr<const Plan>& plan() const { return plan_; }
  /// A healthy server that is not among those tried, by the backend's policy.
  Choice choose(const Wish& wish);
  /// True when choose() would find a server, or one to wait for.
  bool has_other(const std::vector<const Pool*>& tried) const;
  const std::vector<std::shared_ptr<Pool>>& servers() const { return servers_; }
  /// The cookie value that leads back to `pool`; empty: clients are not pinned.
  std::string_view token(const Pool& pool) const;

  /// The server failed a request; `avoid`: it is passed over for a while even where it is not
  /// ejected.
  enum class Avoid : bool { no, yes };
  void failed(Pool& pool, const Error& why, bool probe, Avoid avoid);
  /// The server answered.
  void served(Pool& pool, bool probe);

  /// After Choice::full. False: too many wait already, or the deadline passed.
  awaitable<bool> wait(Steady deadline, bool called);
  /// Call it before choosing once more: from here on no free slot is missed.
  void listen() { waiting_->listen(); }
  /// After a choice of one that was called: more than one slot may have come free.
  void call_next();
  std::size_t waiting() const { return waiting_->size(); }

  /// When it may be worth to come again, where no server is healthy.
  std::chrono::seconds recovery_expected() const;

  /// One request under way, and perhaps one of its retries; leaves with it.
  class Passage {
   public:
    explicit Passage(Backend& backend) : backend_(backend) { ++backend_.under_way_; }
    Passage(const Passage&) = delete;
    Passage& operator=(const Passage&) = delete;
    ~Passage();
    /// False: too many of the requests under way are retries already. A few always may.
    bool may_retry();

   private:
    Backend& backend_;
    bool retrying_ = false;
  };

 private:
  friend class Pools;
  friend class Slot;

  void update(const std::shared_ptr<const Plan>& plan);
  void fill_table(const Wish& wish, Steady now);
  std::optional<std::size_t> pinned_server(std::string_view token) const;
  Choice desperate(const Wish& wish);
  Choice nothing(const Wish& wish) const;
  void eject(Pool& pool, Steady now);
  void slot_freed();

  Means means_;
  Random random_;
  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<Ward> ward_;
  std::vector<std::shared_ptr<Pool>> servers_;  // as in the plan
  std::vector<std::string> tokens_;             // by server; empty: none are pinned
  bool plain_ = false;                          // one server that is never out
  Chooser chooser_;
  std::vector<Standing> table_;  // scratch of choose()
  std::shared_ptr<WaitingRoom> waiting_;
  std::uint32_t under_way_ = 0;
  std::uint32_t retrying_ = 0;
};

/// All backends of one worker. Survives reloads.
class Pools {
 public:
  Pools(const Means& means, Random random) : means_(means), random_(std::move(random)) {}

  /// Makes the servers those of `plans`: a server that stays (same backend, same address, reached
  /// the same way) keeps its connections, its standing and its vitals, new ones are added, others
  /// retired.
  void reconcile(const Plans& plans);
  /// Null: no such backend.
  std::shared_ptr<Backend> find(std::string_view name) const;

 private:
  void reconcile(Backend& backend, const std::shared_ptr<const Plan>& plan);

  Means means_;
  Random random_;
  std::map<std::string, std::shared_ptr<Backend>, std::less<>> backends_;
};

}  // namespace gatehouse::serve::backend
