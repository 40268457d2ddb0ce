#pragma once

#include <chrono>
#include <string>

#include "acme/store/private_files.hpp"
#include "core/base/clock.hpp"

namespace gatehouse::acme {

/// Who may work on a name now, among all processes that share one DATA_DIR (NFS too): a file in
/// locks/ with owner and end. Built on link(2) and rename(2) only, which are atomic on every file
/// system we may meet. Clocks of the sharing machines agree to within `slack`. Blocks.
class LeaseFiles {
 public:
  static constexpr std::chrono::seconds length{30};
  static constexpr std::chrono::seconds slack{5};

  /// A held lease: the safe end is the default one, so dropping it without release() leaves a file
  /// that expires by itself.
  struct Held {
    std::string path;
    std::string text;  // what the file holds while it is ours
  };

  /// `owner` is this process, as owner_of_this_process() says it.
  LeaseFiles(PrivateFiles& files, Clock& clock, std::string directory, std::string owner)
      : files_(files), clock_(clock), directory_(std::move(directory)), owner_(std::move(owner)) {}

  /// Fault::refused names the owner where somebody else holds it.
  Result<Held> take(const std::string& name);
  /// Fault::refused: it was lost meanwhile, and the work must stop.
  Result<void> renew(Held& held);
  void release(const Held& held);

  const std::string& owner() const { return owner_; }

 private:
  Result<void> take_over(const std::string& path, const std::string& expired);
  std::string fresh_text() const;
  bool over(const std::string& text) const;

  PrivateFiles& files_;
  Clock& clock_;
  std::string directory_;
  std::string owner_;
};

/// Machine boot, pid namespace, pid and its start time: enough to tell that a past owner on this
/// machine is dead, so that a restart after kill -9 need not wait for its own leases to expire.
std::string owner_of_this_process();
/// True only when `owner` surely has ended.
bool surely_dead(const std::string& owner);

}  // namespace gatehouse::acme
