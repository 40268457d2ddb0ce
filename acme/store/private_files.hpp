#pragma once

#include <string>
#include <string_view>

#include "acme/store/file_system.hpp"
#include "core/base/entropy.hpp"

namespace gatehouse::acme {

/// Files that a crash leaves whole: the old one or the new one, never a piece. Directories 0700,
/// files 0600. Blocks: helpers only. Both references outlive it; any number may share a directory.
class PrivateFiles {
 public:
  PrivateFiles(FileSystem& system, Entropy& entropy) : system_(system), entropy_(entropy) {}

  /// `path` with every missing directory above it.
  Result<void> make_directories(const std::string& path);
  /// Temporary name in the same directory, fsync, rename, fsync of the directory.
  Result<void> replace(const std::string& path, std::string_view octets);
  /// As replace(), but refused where `path` is there already.
  Result<void> create(const std::string& path, std::string_view octets);
  /// The same without fsync: whole for every process, but what a power failure leaves of it may be
  /// nothing, or a file without octets.
  Result<void> create_passing(const std::string& path, std::string_view octets);
  Result<std::string> read(const std::string& path) { return system_.read(path); }
  /// Removes a file; one that is not there is fine.
  Result<void> remove(const std::string& path);
  /// Removes the files in `directory` (one level) and itself; a missing one is fine.
  Result<void> remove_flat(const std::string& directory);
  /// Removes what a crash in the middle of replace() left in `directory`.
  void sweep(const std::string& directory);

  FileSystem& system() { return system_; }
  Entropy& entropy() { return entropy_; }

 private:
  std::string temporary_name(const std::string& path);

  FileSystem& system_;
  Entropy& entropy_;
};

/// A file that nobody else may read: Fault::denied names file and mode where somebody can.
Result<std::string> read_secret(FileSystem& system, const std::string& path);

/// Everything before the last '/'.
std::string parent_of(const std::string& path);

}  // namespace gatehouse::acme
