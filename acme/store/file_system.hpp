#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/error.hpp"

namespace gatehouse::acme {

/// What the file store asks of the operating system, one step a method, so that a test can fail or
/// stop at each of them. Every call blocks: helpers only. Errors are Side::self; Fault::not_found
/// where there is no such file, Fault::refused where one is in the way, else Fault::io.
class FileSystem {
 public:
  struct Facts {
    std::uint32_t mode = 0;  // permission bits only
    std::uint64_t size = 0;
    Wall modified;
    bool directory = false;
  };

  /// The entries of a folder, a few at a time.
  class Listing {
   public:
    virtual ~Listing() = default;
    /// At most so many; empty: there are no more.
    virtual Result<std::vector<std::string>> next(std::size_t most) = 0;
  };

  virtual ~FileSystem() = default;
  /// A new file, mode 0600, with these octets, on disk when the call returns.
  virtual Result<void> create(const std::string& path, std::string_view octets) = 0;
  /// One write at the end of the file, which is made (0600) where it is missing.
  virtual Result<void> append(const std::string& path, std::string_view octets) = 0;
  virtual Result<std::string> read(const std::string& path) = 0;
  virtual Result<Facts> facts(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  virtual Result<std::unique_ptr<Listing>> open_list(const std::string& directory) = 0;
  /// Replaces `to`.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  /// A second name; refused where `to` is there already.
  virtual Result<void> link(const std::string& from, const std::string& to) = 0;
  /// A file or an empty directory.
  virtual Result<void> remove(const std::string& path) = 0;
  /// Mode 0700. One that is there already is fine; tells whether it was made.
  virtual Result<bool> make_directory(const std::string& path) = 0;
  /// After this the directory's entries survive a power cut.
  virtual Result<void> sync_directory(const std::string& path) = 0;
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<void> create(const std::string& path, std::string_view octets) override;
  Result<void> append(const std::string& path, std::string_view octets) override;
  Result<std::string> read(const std::string& path) override;
  Result<Facts> facts(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<std::unique_ptr<Listing>> open_list(const std::string& directory) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> link(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<bool> make_directory(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
};

}  // namespace gatehouse::acme
