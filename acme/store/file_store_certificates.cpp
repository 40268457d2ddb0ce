// FileStore's certificates: how a pair replaces another one, and how what is there is read.
#include <array>

#include "acme/store/detail/layout.hpp"
#include "acme/store/file_store.hpp"
#include "acme/store/walk.hpp"
#include "core/base/log.hpp"
#include "core/tls/certificate.hpp"

namespace gatehouse::acme {
namespace {

// The order in which a pair moves up. A reader that sees some of them moved takes the rest from
// next/, so the order is for people who look.
constexpr std::array<std::string_view, 3> pair_files{"key.pem", "cert.pem", "meta.json"};

/// Where the first pair of a key type is put together: no name that a walk takes for a type.
std::string first_folder(const std::string& folder) {
  const std::string above = parent_of(folder);
  return above + "/.first-" + folder.substr(above.size() + 1);
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
  auto pair = tls::Certificate::parse(stored.chain_pem, stored.key_pem);
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
  stored.certificate = std::move(*pair);
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

/// The pair of `where` as the folder `to`, whole or not at all.
Result<void> FileStore::put(const std::string& where, const std::string& staged,
                            const std::string& to, const StoredCertificate& certificate) {
  auto key = sealed(where, certificate.key_pem);
  if (!key) return key.error();
  auto done = files_.remove_flat(staged);  // of a crash
  if (done) done = files_.make_directories(parent_of(staged));
  if (done) {
    // No sync: the folder counts once it has its other name.
    const auto made = files_.system().make_directory(staged);
    if (!made) done = made.error();
  }
  if (done) done = files_.system().create(staged + "/key.pem", *key);
  if (done) done = files_.system().create(staged + "/cert.pem", certificate.chain_pem);
  if (done) done = files_.system().create(staged + "/meta.json", to_json(certificate.meta));
  if (done) done = files_.system().sync_directory(staged);
  if (done) done = files_.system().rename(staged, to);
  if (!done) {
    (void)files_.remove_flat(staged);  // what failed first is what the caller hears
    return done.error();
  }
  return files_.system().sync_directory(parent_of(to));
}

Result<void> FileStore::save_certificate(const CertificateName& name,
                                         const StoredCertificate& certificate) {
  auto where = certificate_folder(name);
  if (!where) return where.error();
  if (certificate.certificate == nullptr) {
    auto pair = tls::Certificate::parse(certificate.chain_pem, certificate.key_pem);
    if (!pair) return std::move(pair).error().within("store certificate of " + name.host);
  }
  const std::string folder = at(*where);
  const auto there = files_.system().facts(folder);
  if (!there && missing(there.error())) {
    // The first pair of a name, which is one that a client may be waiting for: there is nothing to
    // keep, and so nothing to move.
    return put(*where, first_folder(folder), folder, certificate);
  }
  if (!there) return there.error();
  files_.sweep(folder);
  auto done = move_up(*where);  // a pair that waited counts, and becomes the previous one
  if (!done) return done.error();
  done = put(*where, folder + "/next.tmp", folder + "/next", certificate);
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
  const std::string folder = at(*where);
  for (const std::string& each : {first_folder(folder), folder + "/next.tmp", folder + "/next",
                                  folder + "/previous", folder}) {
    auto removed = files_.remove_flat(each);
    if (!removed) return removed.error();
  }
  return files_.system().sync_directory(parent_of(folder));
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

}  // namespace gatehouse::acme
