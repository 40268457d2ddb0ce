#include "acme/store/walk.hpp"

#include <algorithm>

#include "acme/store/file_store.hpp"

namespace gatehouse::acme {

Result<std::unique_ptr<Storage::Walk>> FileWalk::open(FileSystem& system, std::string folder) {
  std::unique_ptr<FileWalk> walk(new FileWalk(system, std::move(folder)));
  auto hosts = system.open_list(walk->folder_);
  if (!hosts && hosts.error().fault() != Fault::not_found) return hosts.error();
  if (hosts) walk->hosts_ = std::move(*hosts);
  return std::unique_ptr<Storage::Walk>(std::move(walk));
}

Result<Storage::Walk::Batch> FileWalk::next(std::size_t most) {
  Batch batch;
  if (hosts_ == nullptr) return batch;
  auto names = hosts_->next(most);
  if (!names) return names.error();
  batch.end = names->size() < most;
  for (const std::string& name : *names) look_at(name, batch);
  return batch;
}

void FileWalk::look_at(const std::string& name, Batch& batch) {
  const auto types = system_.list(folder_ + "/" + name);
  if (!types) return;
  for (const std::string& type : *types) {
    if (type.starts_with('.')) continue;  // left by a crash
    const auto text = system_.read(folder_ + "/" + name + "/" + type + "/meta.json");
    if (!text) continue;
    auto meta = certificate_meta_from_json(*text);
    if (!meta) continue;
    // The folder's name cannot always be turned back into the host's.
    const auto host = std::find_if(meta->names.begin(), meta->names.end(),
                                   [&](const auto& each) { return host_folder(each) == name; });
    if (host == meta->names.end()) continue;
    std::string found = *host;
    batch.seen.push_back({std::move(found), std::move(*meta)});
  }
}

}  // namespace gatehouse::acme
