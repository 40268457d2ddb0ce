#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/serve/backend/pool.hpp"

namespace gatehouse::serve::backend {

/// One backend on one worker: its servers and the choice among them. A request holds it to its
/// end, so a reload may take it out of the config meanwhile.
class Backend {
 public:
  Backend(Clock& clock, Random random) : clock_(clock), random_(std::move(random)) {}

  /// Take a copy for the request: a reload replaces it.
  const std::shared_ptr<const Plan>& plan() const { return plan_; }
  /// A server that is not among `tried`; null when there is none.
  std::shared_ptr<Pool> choose(const std::vector<const Pool*>& tried);
  const std::vector<std::shared_ptr<Pool>>& servers() const { return servers_; }

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
  Clock& clock_;
  Random random_;
  std::shared_ptr<const Plan> plan_;
  std::vector<std::shared_ptr<Pool>> servers_;  // as in the plan
  std::vector<Standing> table_;                 // scratch of choose()
  std::uint32_t under_way_ = 0;
  std::uint32_t retrying_ = 0;
};

/// All backends of one worker. Survives reloads.
class Pools {
 public:
  Pools(const Means& means, Random random) : means_(means), random_(std::move(random)) {}

  /// Makes the servers those of `plans`: a server that stays (same backend, same address, reached
  /// the same way) keeps its connections and its standing, new ones are added, others retired.
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
