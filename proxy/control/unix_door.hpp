#pragma once

#include <sys/types.h>

#include <string>

#include "core/base/error.hpp"

namespace gatehouse::control {

/// A listening unix socket that only its owner may use (0600). One process holds a path at a time:
/// what a dead one left behind is replaced, a live one is an error. Removes its file when it dies,
/// unless somebody else's stands there by then.
class UnixDoor {
 public:
  UnixDoor() = default;
  /// Errors: Fault::refused when a process answers there ("already running"), else Fault::io.
  static Result<UnixDoor> open(const std::string& path);
  UnixDoor(UnixDoor&& other) noexcept;
  UnixDoor& operator=(UnixDoor&& other) noexcept;
  ~UnixDoor();

  /// The listening descriptor; stays ours.
  int descriptor() const { return fd_; }
  const std::string& path() const { return path_; }

 private:
  int fd_ = -1;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace gatehouse::control
