#include "acme/store/file_store.hpp"

#include <algorithm>
#include <array>

#include "acme/store/walk.hpp"
#include "core/base/bytes.hpp"
#include "core/base/log.hpp"
#include "core/base/time_format.hpp"
#include "core/tls/certificate.hpp"
#include "core/tls/digest.hpp"
#include "core/tls/seal.hpp"

namespace gatehouse::acme {
namespace {

constexpr std::string_view sealed_begin = "-----BEGIN GATEHOUSE SEALED KEY-----\n";
constexpr std::string_view sealed_end = "-----END GATEHOUSE SEALED KEY-----\n";
constexpr std::size_t encryption_key_octets = 32;
constexpr std::size_t longest_folder = 200;  // what file systems take, less what we append

// The order in which a pair moves up. A reader that sees some of them moved takes the rest from
// next/, so the order is for people who look.
constexpr std::array<std::string_view, 3> pair_files{"key.pem", "cert.pem", "meta.json"};

Error damaged(const std::string& path, const std::string& why) {
  return Error(Fault::bad_message, Side::self, path + ": " + why);
}

bool missing(const Error& error) { return error.fault() == Fault::not_found; }

// Names come from the config and from certificates, normal already; this is the last fence before
// they become paths.
Result<std::string> folder(std::string_view name) {
  const bool fits =
      !name.empty() && name.front() != '.' && name.size() <= longest_folder &&
      std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != '/'; });
  if (fits) return std::string(name);
  return Error(Fault::bad_message, Side::self, "no folder name: " + log::escaped(name, 300));
}

Result<std::string> account_folder(const std::string& ca) {
  auto name = folder(ca);
  if (!name) return name.error();
  return "acme/" + *name;
}

Result<std::string> order_path(const std::string& ca, const std::string& host) {
  auto account = account_folder(ca);
  if (!account) return account.error();
  auto name = folder(host_folder(host));
  if (!name) return name.error();
  return *account + "/orders/" + *name + ".json";
}

Result<std::string> certificate_folder(const CertificateName& name) {
  std::string path = "certificates";
  for (const std::string& part : {name.ca, host_folder(name.host), name.key_type}) {
    auto next = folder(part);
    if (!next) return next.error();
    path.append("/").append(*next);
  }
  return path;
}

}  // namespace

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
  auto ready = store->prepare();
  if (!ready) return std::move(ready).error().within("open data directory");
  return store;
}

Result<void> FileStore::prepare() {
  auto made = files_.make_directories(data_dir_);
  if (!made) return made.error();
  const std::string path = at("instance.id");
  auto id = files_.read(path);
  if (!id && missing(id.error())) {
    auto created = files_.create(path, hex(files_.entropy().octets(16)) + "\n");
    // Refused: another process that shares the directory was quicker, and its id is ours too.
    if (!created && created.error().fault() != Fault::refused) return created.error();
    id = files_.read(path);
  }
  if (!id) return id.error();
  instance_id_ = *id;
  while (!instance_id_.empty() && instance_id_.back() == '\n') instance_id_.pop_back();
  return {};
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
  auto text = privacy == Privacy::secret ? files_.read_secret(at(path)) : files_.read(at(path));
  if (text) return std::optional<std::string>(std::move(*text));
  if (missing(text.error())) return std::optional<std::string>();
  return text.error();
}

Result<std::optional<std::string>> FileStore::load_file(const std::string& path) {
  return read_if_there(path, Privacy::plain);
}

Result<void> FileStore::save_file(const std::string& path, std::string_view octets) {
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

// --- accounts and orders ---------------------------------------------------------------------

Result<std::optional<AccountRecord>> FileStore::load_account(const std::string& ca) {
  auto where = account_folder(ca);
  if (!where) return where.error();
  auto text = read_if_there(*where + "/account.json", Privacy::plain);
  if (!text) return text.error();
  if (!*text) return std::optional<AccountRecord>();
  auto account = account_record_from_json(**text);
  if (!account) return damaged(at(*where + "/account.json"), account.error().detail());
  auto key = load_key(*where + "/account.key");
  if (!key) return key.error();
  if (!*key) return damaged(at(*where + "/account.key"), "missing beside account.json");
  account->key_pem = std::move(**key);
  auto next = load_key(*where + "/account-next.key");
  if (!next) return next.error();
  account->next_key_pem = next->value_or(std::string());
  return std::optional<AccountRecord>(std::move(*account));
}

Result<void> FileStore::save_account(const std::string& ca, const AccountRecord& account) {
  auto where = account_folder(ca);
  if (!where) return where.error();
  const std::string next_path = *where + "/account-next.key";
  if (!account.next_key_pem.empty()) {
    auto saved = save_key(next_path, account.next_key_pem);
    if (!saved) return saved.error();
  }
  const auto stored = load_key(*where + "/account.key");
  if (!stored || !*stored || **stored != account.key_pem) {
    auto saved = save_key(*where + "/account.key", account.key_pem);
    if (!saved) return saved.error();
  }
  auto saved = save_file(*where + "/account.json", to_json(account));
  if (!saved) return saved.error();
  if (account.next_key_pem.empty()) return files_.remove(at(next_path));
  return {};
}

Result<void> FileStore::archive_account(const std::string& ca, Wall now) {
  auto where = account_folder(ca);
  if (!where) return where.error();
  const std::string when = "." + rfc3339_seconds(now);
  // The record first: a key without a record is no account, a record without its key is damage.
  for (const char* file : {"/account.json", "/account.key", "/account-next.key"}) {
    const std::string path = at(*where + file);
    auto moved = files_.system().rename(path, path + when);
    if (!moved && !missing(moved.error())) return moved.error();
  }
  return files_.system().sync_directory(at(*where));
}

Result<std::optional<OrderRecord>> FileStore::load_order(const std::string& ca,
                                                         const std::string& host) {
  auto path = order_path(ca, host);
  if (!path) return path.error();
  auto text = read_if_there(*path, Privacy::secret);
  if (!text) return text.error();
  if (!*text) return std::optional<OrderRecord>();
  auto record = order_record_from_json(**text);
  if (!record) return damaged(at(*path), record.error().detail());
  if (record->order && !record->order->key_pem.empty()) {
    auto pem = opened(*path, record->order->key_pem);
    if (!pem) return pem.error();
    record->order->key_pem = std::move(*pem);
  }
  return std::optional<OrderRecord>(std::move(*record));
}

Result<void> FileStore::save_order(const std::string& ca, const std::string& host,
                                   const OrderRecord& record) {
  auto path = order_path(ca, host);
  if (!path) return path.error();
  OrderRecord kept = record;
  if (kept.order && !kept.order->key_pem.empty()) {
    auto text = sealed(*path, kept.order->key_pem);
    if (!text) return text.error();
    kept.order->key_pem = std::move(*text);
  }
  return save_file(*path, to_json(kept));
}

Result<void> FileStore::remove_order(const std::string& ca, const std::string& host) {
  auto path = order_path(ca, host);
  if (!path) return path.error();
  return files_.remove(at(*path));
}

Result<std::optional<Budget>> FileStore::load_budget(const std::string& ca) {
  auto where = account_folder(ca);
  if (!where) return where.error();
  auto text = read_if_there(*where + "/budget.json", Privacy::plain);
  if (!text) return text.error();
  if (!*text) return std::optional<Budget>();
  auto budget = budget_from_json(**text);
  if (!budget) return damaged(at(*where + "/budget.json"), budget.error().detail());
  return std::optional<Budget>(std::move(*budget));
}

Result<void> FileStore::save_budget(const std::string& ca, const Budget& budget) {
  auto where = account_folder(ca);
  if (!where) return where.error();
  return save_file(*where + "/budget.json", to_json(budget));
}

// --- certificates ----------------------------------------------------------------------------

Result<void> FileStore::move_up(const std::string& where) {
  const std::string next = at(where) + "/next";
  const auto there = files_.system().facts(next);
  if (!there && missing(there.error())) return {};
  if (!there) return there.error();
  const std::string previous = at(where) + "/previous";
  for (const std::string_view file : pair_files) {
    const std::string from = next + "/" + std::string(file);
    const std::string to = at(where) + "/" + std::string(file);
    const auto waiting = files_.system().facts(from);
    if (!waiting && missing(waiting.error())) continue;  // moved before a crash, or by another
    if (!waiting) return waiting.error();
    auto made = files_.make_directories(previous);
    if (!made) return made.error();
    auto kept = files_.system().rename(to, previous + "/" + std::string(file));
    if (!kept && !missing(kept.error())) return kept.error();
    auto moved = files_.system().rename(from, to);
    if (!moved && !missing(moved.error())) return moved.error();
  }
  for (const std::string& folder : {previous, at(where), next}) {
    auto synced = files_.system().sync_directory(folder);
    if (!synced && !missing(synced.error())) return synced.error();
  }
  return files_.remove_flat(next);
}

Result<std::optional<StoredCertificate>> FileStore::read_certificate(const std::string& where) {
  std::array<std::optional<std::string>, pair_files.size()> texts;
  for (std::size_t n = 0; n < pair_files.size(); ++n) {
    const Privacy privacy = pair_files[n] == "key.pem" ? Privacy::secret : Privacy::plain;
    auto text = read_if_there(where + "/next/" + std::string(pair_files[n]), privacy);
    if (text && !*text) text = read_if_there(where + "/" + std::string(pair_files[n]), privacy);
    if (!text) return text.error();
    texts[n] = std::move(*text);
  }
  const auto& [key, chain, meta] = texts;
  if (!key && !chain && !meta) return std::optional<StoredCertificate>();
  if (!key) return damaged(at(where) + "/key.pem", "missing");
  if (!chain) return damaged(at(where) + "/cert.pem", "missing");
  StoredCertificate stored;
  stored.chain_pem = *chain;
  auto pem = opened(where, *key);
  if (!pem) return pem.error();
  stored.key_pem = std::move(*pem);
  const auto pair = tls::Certificate::parse(stored.chain_pem, stored.key_pem);
  if (!pair) return damaged(at(where), pair.error().detail());
  auto read = meta ? certificate_meta_from_json(*meta)
                   : Result<CertificateMeta>(damaged("meta.json", "missing"));
  if (read) {
    stored.meta = std::move(*read);
  } else {
    // All that matters can be read off the certificate.
    log::warn("certificate meta was damaged",
              {{"path", at(where)}, {"why", read.error().detail()}});
    stored.meta.names = (*pair)->names();
    stored.meta.serial = (*pair)->serial_hex();
  }
  stored.meta.not_before = (*pair)->not_before();
  stored.meta.not_after = (*pair)->not_after();
  return std::optional<StoredCertificate>(std::move(stored));
}

Result<std::optional<StoredCertificate>> FileStore::load_certificate(const CertificateName& name) {
  auto where = certificate_folder(name);
  if (!where) return where.error();
  auto moved = move_up(*where);
  if (!moved)  // a storage that cannot be written can still be read
    log::warn("stored certificate could not be moved up",
              {{"path", at(*where)}, {"why", moved.error().detail()}});
  auto stored = read_certificate(*where);
  // Another process may have moved files between our reads; the second look sees them at rest.
  if (!stored && stored.error().fault() == Fault::bad_message) stored = read_certificate(*where);
  return stored;
}

Result<void> FileStore::put_next(const std::string& where, const StoredCertificate& certificate) {
  auto key = sealed(where, certificate.key_pem);
  if (!key) return key.error();
  const std::string staged = at(where) + "/next.tmp";
  auto done = files_.remove_flat(staged);  // of a crash
  if (done) done = files_.make_directories(staged);
  if (done) done = files_.system().create(staged + "/key.pem", *key);
  if (done) done = files_.system().create(staged + "/cert.pem", certificate.chain_pem);
  if (done) done = files_.system().create(staged + "/meta.json", to_json(certificate.meta));
  if (done) done = files_.system().sync_directory(staged);
  if (done) done = files_.system().rename(staged, at(where) + "/next");
  if (!done) {
    (void)files_.remove_flat(staged);  // what failed first is what the caller hears
    return done.error();
  }
  return files_.system().sync_directory(at(where));
}

Result<void> FileStore::save_certificate(const CertificateName& name,
                                         const StoredCertificate& certificate) {
  auto where = certificate_folder(name);
  if (!where) return where.error();
  const auto pair = tls::Certificate::parse(certificate.chain_pem, certificate.key_pem);
  if (!pair) return std::move(pair).error().within("store certificate of " + name.host);
  auto done = files_.make_directories(at(*where));
  if (!done) return done.error();
  files_.sweep(at(*where));
  done = move_up(*where);  // a pair that waited counts, and becomes the previous one
  if (!done) return done.error();
  done = put_next(*where, certificate);
  if (!done) return done.error();
  // Stored from here on, whatever happens to the move: every reader finishes it.
  auto moved = move_up(*where);
  if (!moved)
    log::warn("stored certificate could not be moved up",
              {{"path", at(*where)}, {"why", moved.error().detail()}});
  return {};
}

Result<void> FileStore::save_meta(const CertificateName& name, const CertificateMeta& meta) {
  auto where = certificate_folder(name);
  if (!where) return where.error();
  auto moved = move_up(*where);
  if (!moved) return moved.error();
  const auto there = files_.system().facts(at(*where) + "/cert.pem");
  if (!there) return there.error();
  return files_.replace(at(*where) + "/meta.json", to_json(meta));
}

Result<void> FileStore::roll_back(const CertificateName& name) {
  auto where = certificate_folder(name);
  if (!where) return where.error();
  auto moved = move_up(*where);
  if (!moved) return moved.error();
  const std::string previous = *where + "/previous";
  auto text = read_if_there(previous + "/key.pem", Privacy::secret);
  if (!text) return text.error();
  auto chain = read_if_there(previous + "/cert.pem", Privacy::plain);
  if (!chain) return chain.error();
  if (!*text || !*chain)
    return Error(Fault::not_found, Side::self, name.host + ": no previous certificate");
  StoredCertificate before;
  before.chain_pem = std::move(**chain);
  auto pem = opened(*where, **text);
  if (!pem) return pem.error();
  before.key_pem = std::move(*pem);
  auto meta = read_if_there(previous + "/meta.json", Privacy::plain);
  if (!meta) return meta.error();
  auto read = certificate_meta_from_json(meta->value_or(std::string()));
  if (read) before.meta = std::move(*read);
  return save_certificate(name, before);
}

Result<void> FileStore::remove_certificate(const CertificateName& name) {
  auto where = certificate_folder(name);
  if (!where) return where.error();
  for (const char* inner : {"/next.tmp", "/next", "/previous", ""}) {
    auto removed = files_.remove_flat(at(*where) + inner);
    if (!removed) return removed.error();
  }
  return files_.system().sync_directory(parent_of(at(*where)));
}

Result<std::vector<std::string>> FileStore::certificate_cas() {
  auto names = files_.system().list(at("certificates"));
  if (!names && missing(names.error())) return std::vector<std::string>();
  return names;
}

Result<std::vector<std::string>> FileStore::certificate_hosts(const std::string& ca) {
  auto name = folder(ca);
  if (!name) return name.error();
  auto names = files_.system().list(at("certificates/" + *name));
  if (!names && missing(names.error())) return std::vector<std::string>();
  return names;
}

Result<std::unique_ptr<Storage::Walk>> FileStore::walk(const std::string& ca) {
  auto name = folder(ca);
  if (!name) return name.error();
  return FileWalk::open(files_.system(), at("certificates/" + *name));
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
