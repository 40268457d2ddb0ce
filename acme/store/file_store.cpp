#include "acme/store/file_store.hpp"

#include <algorithm>

#include "acme/store/detail/layout.hpp"
#include "core/base/bytes.hpp"
#include "core/base/log.hpp"
#include "core/tls/digest.hpp"
#include "core/tls/seal.hpp"

namespace gatehouse::acme {
namespace {

constexpr std::string_view sealed_begin = "-----BEGIN GATEHOUSE SEALED KEY-----\n";
constexpr std::string_view sealed_end = "-----END GATEHOUSE SEALED KEY-----\n";
constexpr std::size_t encryption_key_octets = 32;
constexpr std::size_t longest_folder = 200;  // what file systems take, less what we append

}  // namespace

Error damaged(const std::string& path, const std::string& why) {
  return Error(Fault::bad_message, Side::self, path + ": " + why);
}

Result<std::string> folder(std::string_view name) {
  const bool fits =
      !name.empty() && name.front() != '.' && name.size() <= longest_folder &&
      std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != '/'; });
  if (fits) return std::string(name);
  return Error(Fault::bad_message, Side::self, "no folder name: " + log::escaped(name, 300));
}

std::string host_folder(std::string_view host) {
  std::string name;
  for (const char c : host) {
    if (c == '*')
      name += "_wildcard";
    else
      name.push_back(c == ':' || c == '/' ? '-' : to_lower(c));
  }
  if (name.size() <= longest_folder) return name;
  return name.substr(0, longest_folder - 33) + "-" + hex(tls::sha256(host)).substr(0, 32);
}

FileStore::FileStore(std::string data_dir, std::string encryption_key, FileSystem& system,
                     Clock& clock, Entropy& entropy, std::string owner)
    : data_dir_(std::move(data_dir)),
      encryption_key_(std::move(encryption_key)),
      files_(system, entropy),
      leases_(files_, clock, data_dir_ + "/locks", std::move(owner)) {}

Result<std::shared_ptr<FileStore>> FileStore::open(std::string data_dir,
                                                   std::string_view encryption_key,
                                                   FileSystem& system, Clock& clock,
                                                   Entropy& entropy) {
  return open_as(owner_of_this_process(), std::move(data_dir), encryption_key, system, clock,
                 entropy);
}

Result<std::shared_ptr<FileStore>> FileStore::open_as(std::string owner, std::string data_dir,
                                                      std::string_view encryption_key,
                                                      FileSystem& system, Clock& clock,
                                                      Entropy& entropy) {
  std::string key;
  if (!encryption_key.empty()) {
    auto octets = from_base64_lenient(encryption_key);
    if (!octets || octets->size() != encryption_key_octets)
      return Error(Fault::denied, Side::self, "encryption_key is not 32 bytes in base64");
    key = std::move(*octets);
  }
  while (data_dir.size() > 1 && data_dir.back() == '/') data_dir.pop_back();
  std::shared_ptr<FileStore> store(
      new FileStore(std::move(data_dir), std::move(key), system, clock, entropy, std::move(owner)));
  auto ready = store->files_.make_directories(store->data_dir_);
  if (!ready) return std::move(ready).error().within("open data directory");
  return store;
}

Result<std::string> FileStore::instance_id() {
  const std::string path = at("instance.id");
  auto id = files_.read(path);
  if (!id && missing(id.error())) {
    auto created = files_.create(path, hex(files_.entropy().octets(16)) + "\n");
    // Refused: another process that shares the directory was quicker, and its id is ours too.
    if (!created && created.error().fault() != Fault::refused) return created.error();
    id = files_.read(path);
  }
  if (!id) return id.error();
  while (!id->empty() && id->back() == '\n') id->pop_back();
  return id;
}

Result<std::string> FileStore::sealed(const std::string& about, std::string_view pem) {
  if (encryption_key_.empty()) return std::string(pem);
  auto octets = tls::seal(encryption_key_, pem, about, files_.entropy());
  if (!octets) return octets.error();
  const std::string text = base64(*octets);
  std::string armour(sealed_begin);
  for (std::size_t from = 0; from < text.size(); from += 64)
    armour.append(text, from, 64).append("\n");
  return armour.append(sealed_end);
}

Result<std::string> FileStore::opened(const std::string& about, const std::string& text) const {
  // A key stored before encryption was configured stays readable; its next change seals it.
  if (!text.starts_with(sealed_begin)) return text;
  if (encryption_key_.empty())
    return Error(Fault::denied, Side::self,
                 at(about) + ": key is sealed and no storage.encryption_key is configured");
  if (!text.ends_with(sealed_end)) return damaged(at(about), "sealed key is cut short");
  std::string body =
      text.substr(sealed_begin.size(), text.size() - sealed_begin.size() - sealed_end.size());
  std::erase(body, '\n');
  const auto octets = from_base64_lenient(body);
  if (!octets) return damaged(at(about), "sealed key is no base64");
  auto pem = tls::unseal(encryption_key_, *octets, about);
  if (!pem) return std::move(pem).error().within(at(about));
  return pem;
}

Result<std::optional<std::string>> FileStore::read_if_there(const std::string& path,
                                                            Privacy privacy) {
  auto text = privacy == Privacy::secret ? acme::read_secret(files_.system(), at(path))
                                         : files_.read(at(path));
  if (text) return std::optional<std::string>(std::move(*text));
  if (missing(text.error())) return std::optional<std::string>();
  return text.error();
}

Result<std::optional<std::string>> FileStore::load_file(const std::string& path) {
  return read_if_there(path, Privacy::plain);
}

Result<void> FileStore::save_file(const std::string& path, std::string_view octets) {
  auto saved = files_.replace(at(path), octets);
  if (saved || !missing(saved.error())) return saved;
  auto made = files_.make_directories(parent_of(at(path)));
  if (!made) return made.error();
  return files_.replace(at(path), octets);
}

Result<std::optional<std::string>> FileStore::load_key(const std::string& path) {
  auto text = read_if_there(path, Privacy::secret);
  if (!text) return text.error();
  if (!*text) return std::optional<std::string>();
  auto pem = opened(path, **text);
  if (!pem) return pem.error();
  return std::optional<std::string>(std::move(*pem));
}

Result<void> FileStore::save_key(const std::string& path, std::string_view pem) {
  auto text = sealed(path, pem);
  if (!text) return text.error();
  return save_file(path, *text);
}

// --- leases ----------------------------------------------------------------------------------

Result<Storage::Lease> FileStore::take_lease(const std::string& name) {
  auto file = folder(host_folder(name));
  if (!file) return file.error();
  auto held = leases_.take(*file);
  if (!held) return held.error();
  return Lease{.name = *file, .token = held->text};
}

Result<Storage::Lease> FileStore::renew_lease(const Lease& lease) {
  LeaseFiles::Held held{.path = at("locks/" + lease.name), .text = lease.token};
  auto renewed = leases_.renew(held);
  if (!renewed) return renewed.error();
  return Lease{.name = lease.name, .token = held.text};
}

void FileStore::release_lease(const Lease& lease) {
  const LeaseFiles::Held held{.path = at("locks/" + lease.name), .text = lease.token};
  leases_.release(held);
}

}  // namespace gatehouse::acme
