#pragma once

#include <memory>
#include <string>

#include "acme/storage.hpp"
#include "acme/store/file_system.hpp"

namespace gatehouse::acme {

/// Storage::Walk over certificates/CA/. Holds one open folder; reads meta.json files and nothing
/// else. What cannot be read is passed over: it is reported when somebody asks for it.
class FileWalk final : public Storage::Walk {
 public:
  /// `system` outlives it.
  static Result<std::unique_ptr<Storage::Walk>> open(FileSystem& system, std::string folder);
  Result<Batch> next(std::size_t most) override;

 private:
  FileWalk(FileSystem& system, std::string folder) : system_(system), folder_(std::move(folder)) {}
  void look_at(const std::string& host_folder, Batch& batch);

  FileSystem& system_;
  std::string folder_;
  std::unique_ptr<FileSystem::Listing> hosts_;  // null: the folder is not there
};

}  // namespace gatehouse::acme
