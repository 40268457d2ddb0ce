#include "acme/internal_ca.hpp"

#include <mutex>

#include "core/base/log.hpp"
#include "core/tls/certificate.hpp"
#include "core/tls/certificate_authority.hpp"

namespace gatehouse::acme {
namespace {

using namespace std::chrono_literals;

constexpr auto root_life = 24h * 3652;
constexpr auto intermediate_life = 24h * 365;
constexpr auto leaf_life = 24h * 7;
constexpr auto backdate = 1h;  // for clients whose clock is behind
constexpr std::string_view own_folder = "internal-ca/";

Error damaged(const std::string& what, const Error& why) {
  return Error(why.fault(), Side::self, what + ": " + why.detail());
}

IssueOutcome failed(const Error& error) {
  IssueFailure failure;
  failure.retry = Retry::later;
  failure.whole_ca = true;
  failure.detail = "internal CA: " + error.detail();
  return failure;
}

}  // namespace

/// Root and intermediate, loaded or made once. Helpers come in parallel: the mutex is held while
/// they are made, and they are few.
class InternalCa::Vault {
 public:
  Vault(std::shared_ptr<FileStore> store, Clock& clock) : store_(std::move(store)), clock_(clock) {}

  Result<Issued> issue(const IssueRequest& request);
  Result<std::string> root_path() {
    const std::lock_guard lock(mutex_);
    auto ready = make_ready();
    if (!ready) return ready.error();
    return store_->data_dir() + "/" + std::string(own_folder) + "root.pem";
  }

 private:
  using Authority = tls::CertificateAuthority;

  Result<void> make_ready();
  Result<void> load_or_make();
  Result<Authority> load(const std::string& name);
  Result<void> save(const std::string& name, const Authority& authority);
  Result<tls::PrivateKey> root_key();
  Result<void> make_root();
  Result<void> make_intermediate();
  bool worn(const Authority& authority, std::chrono::hours whole) const;

  std::shared_ptr<FileStore> store_;
  Clock& clock_;
  std::mutex mutex_;
  Authority root_;
  Authority intermediate_;
};

bool InternalCa::Vault::worn(const Authority& authority, std::chrono::hours whole) const {
  return authority.certificate().not_after() - clock_.wall() < whole / 3;
}

Result<InternalCa::Vault::Authority> InternalCa::Vault::load(const std::string& name) {
  const std::string path = std::string(own_folder) + name;
  const auto pem = store_->load_file(path + ".pem");
  if (!pem) return pem.error();
  if (!*pem) return Error(Fault::not_found, Side::self, path + ".pem: missing");
  const auto key = store_->load_key(path + ".key");
  if (!key) return key.error();
  if (!*key) return Error(Fault::bad_message, Side::self, path + ".key: missing");
  auto authority = Authority::load(**pem, **key);
  if (!authority) return damaged(path, authority.error());
  return authority;
}

Result<void> InternalCa::Vault::save(const std::string& name, const Authority& authority) {
  // The key first: a certificate without its key could not be used, a key without its certificate
  // gets a new one.
  const std::string path = std::string(own_folder) + name;
  auto saved = store_->save_key(path + ".key", authority.key_pem());
  if (!saved) return saved;
  return store_->save_file(path + ".pem", authority.certificate_pem());
}

Result<tls::PrivateKey> InternalCa::Vault::root_key() {
  // Left by a crash between key and certificate, or by somebody who lost root.pem: clients may
  // trust this key already, so the new certificate is for it.
  const auto stored = store_->load_key(std::string(own_folder) + "root.key");
  if (!stored) return stored.error();
  const auto certificate = store_->load_file(std::string(own_folder) + "root.pem");
  if (certificate && !*certificate && *stored) {
    auto key = tls::PrivateKey::from_pem(**stored);
    if (key) return key;
  }
  return tls::PrivateKey::generate(tls::KeyType::p256);
}

Result<void> InternalCa::Vault::make_root() {
  auto key = root_key();
  if (!key) return key.error();
  const auto installation = store_->instance_id();
  if (!installation) return installation.error();
  const Wall now = clock_.wall();
  auto root = Authority::make_root("Gatehouse Internal Root " + installation->substr(0, 8),
                                   std::move(*key), {now - backdate, now + root_life});
  if (!root) return root.error();
  auto saved = save("root", *root);
  if (!saved) return saved;
  root_ = std::move(*root);
  intermediate_ = Authority();
  log::info("internal root made", {{"name", root_.certificate().subject_common_name()}});
  return {};
}

Result<void> InternalCa::Vault::make_intermediate() {
  auto key = tls::PrivateKey::generate(tls::KeyType::p256);
  if (!key) return key.error();
  const Wall now = clock_.wall();
  const Wall end = std::min(now + intermediate_life, root_.certificate().not_after());
  auto made =
      root_.make_intermediate("Gatehouse Internal CA", std::move(*key), {now - backdate, end});
  if (!made) return made.error();
  auto saved = save("intermediate", *made);
  if (!saved) return saved;
  intermediate_ = std::move(*made);
  log::info("internal intermediate made", {{"serial", intermediate_.certificate().serial_hex()}});
  return {};
}

Result<void> InternalCa::Vault::load_or_make() {
  auto root = load("root");
  if (root) {
    root_ = std::move(*root);
  } else {
    const Fault fault = root.error().fault();
    if (fault != Fault::not_found && fault != Fault::bad_message) return root.error();
    if (fault == Fault::bad_message)
      log::error("internal root was damaged and is made anew; run `gatehouse trust` again",
                 {{"why", root.error().detail()}});
    auto made = make_root();
    if (!made) return made;
  }
  // A root that ends within its last intermediate's life has a successor in time to be trusted.
  if (root_.certificate().not_after() - clock_.wall() < intermediate_life) {
    auto made = make_root();
    if (!made) return made;
  }
  auto intermediate = load("intermediate");
  // The links of a chain are checked when it is read: of an older root's intermediate they break.
  const bool usable =
      intermediate && !worn(*intermediate, intermediate_life) &&
      tls::Certificate::parse_public(intermediate->certificate_pem() + root_.certificate_pem());
  if (usable) {
    intermediate_ = std::move(*intermediate);
    return {};
  }
  if (!intermediate && intermediate.error().fault() == Fault::denied) return intermediate.error();
  return make_intermediate();
}

Result<void> InternalCa::Vault::make_ready() {
  if (root_ && intermediate_ && !worn(intermediate_, intermediate_life)) return {};
  // Two processes that share the directory must not each make a root of their own.
  auto lease = store_->take_lease("internal-ca");
  if (!lease) return lease.error();
  auto ready = load_or_make();
  store_->release_lease(*lease);
  return ready;
}

Result<Issued> InternalCa::Vault::issue(const IssueRequest& request) {
  Authority signer;
  {
    const std::lock_guard lock(mutex_);
    auto ready = make_ready();
    if (!ready) return ready.error();
    signer = intermediate_;
  }
  const auto type = tls::key_type(request.key_type);
  if (!type) return Error(Fault::bad_message, Side::self, "key type " + request.key_type);
  auto key = request.reuse_key && !request.previous_key_pem.empty()
                 ? tls::PrivateKey::from_pem(request.previous_key_pem)
                 : tls::PrivateKey::generate(*type);
  if (!key) return key.error();
  const Wall now = clock_.wall();
  auto chain = signer.issue(request.names, *key, {now - backdate, now + leaf_life});
  if (!chain) return chain.error();
  Issued issued;
  issued.key_pem = key->to_pem();
  auto certificate = tls::Certificate::parse(*chain, std::move(*key));
  if (!certificate) return certificate.error();
  issued.certificate = std::move(*certificate);
  issued.ca = "internal";
  return issued;
}

InternalCa::InternalCa(std::shared_ptr<FileStore> store, HelperPool& helpers, Clock& clock)
    : vault_(std::make_shared<Vault>(std::move(store), clock)), helpers_(helpers) {}

InternalCa::~InternalCa() = default;

const std::string& InternalCa::storage_name() const {
  static const std::string internal = "internal";
  return internal;
}

awaitable<IssueOutcome> InternalCa::issue(IssueRequest request) {
  auto job = [vault = vault_, request = std::move(request)] { return vault->issue(request); };
  auto issued = co_await helpers_.run(std::move(job));
  if (!issued) co_return failed(issued.error());
  co_return std::move(*issued);
}

Result<std::string> InternalCa::root_path() { return vault_->root_path(); }

}  // namespace gatehouse::acme
