#include "proxy/control/certificates.hpp"

#include <map>
#include <utility>

#include "acme/ask_http.hpp"
#include "acme/audit.hpp"
#include "acme/ca_client.hpp"
#include "acme/internal_ca.hpp"
#include "acme/order_runner.hpp"
#include "acme/store/file_system.hpp"
#include "acme/transport.hpp"
#include "core/net/crew.hpp"

namespace gatehouse::control {
namespace {

/// One CA as we use it: its connection, its account, its orders.
struct Ca {
  Ca(acme::CaClient::Settings settings, std::unique_ptr<acme::HttpsTransport> way,
     const Certificates::Parts& parts, acme::OrderStore& store)
      : transport(std::move(way)),
        client(std::move(settings), *transport, store, parts.helpers, parts.clock),
        issuer(client, parts.outlet, store, parts.helpers, parts.clock) {}

  std::unique_ptr<acme::HttpsTransport> transport;
  acme::CaClient client;
  acme::CaIssuer issuer;
};

class FilesHouse final : public Certificates {
 public:
  FilesHouse(Parts parts, std::shared_ptr<acme::PosixFileSystem> files,
             std::shared_ptr<acme::FileStore> store, const std::string& audit_path,
             std::shared_ptr<const tls::ClientPolicy> system_roots)
      : parts_(parts),
        wheel_(parts.clock),
        crew_(parts.control),
        files_(std::move(files)),
        store_(std::move(store)),
        audit_(audit_path, files_, parts.clock, parts.helpers),
        internal_(std::make_shared<acme::InternalCa>(store_, parts.helpers, parts.clock)),
        asker_(parts.clock, parts.dialer, wheel_, buffers_, std::move(system_roots), Side::server),
        ask_(asker_, parts.clock),
        keeper_({parts.control, parts.clock, parts.entropy, parts.helpers, parts.outlet, ask_,
                 audit_, store_}) {
    crew_.add(wheel_.run());
  }

  Result<acme::Plan> plan(const config::Config& config) override;
  acme::Keeper& keeper() override { return keeper_; }
  acme::FileStore& store() override { return *store_; }
  acme::AuditLog& audit() override { return audit_; }
  awaitable<void> stop() override;

 private:
  Result<acme::CaChoice> choice(const config::Config& config, const std::string& name);
  Result<std::shared_ptr<acme::Issuer>> ca(const std::string& directory, const std::string& roots,
                                           const std::optional<config::Eab>& eab);

  Parts parts_;
  net::DeadlineWheel wheel_;
  net::BufferPool buffers_;
  net::Crew crew_;
  std::shared_ptr<acme::PosixFileSystem> files_;
  std::shared_ptr<acme::FileStore> store_;
  acme::AuditLog audit_;
  std::shared_ptr<acme::InternalCa> internal_;
  http::HttpClient asker_;
  acme::HttpAsk ask_;
  std::map<std::string, std::shared_ptr<Ca>> cas_;  // by all that makes them what they are
  acme::Keeper keeper_;
};

/// At the end a helper may still give a lease back. It keeps the store until then, and so the store
/// keeps what it stands on.
struct Disk {
  acme::PosixFileSystem files;
  std::shared_ptr<acme::FileStore> store;
};

awaitable<void> FilesHouse::stop() {
  co_await keeper_.stop();
  crew_.stop();
  co_await crew_.gone();
}

Result<acme::Plan> FilesHouse::plan(const config::Config& config) {
  acme::Plan plan;
  plan.wanted = wanted_certificates(config);
  plan.internal = internal_;
  plan.on_demand = config.acme.on_demand;
  plan.in_memory = config.server.certificates_in_memory;
  for (const acme::Wanted& wanted : plan.wanted) {
    for (const std::string& name : wanted.acme->ca) {
      if (plan.cas.contains(name)) continue;
      auto chosen = choice(config, name);
      if (!chosen) return chosen.error();
      plan.cas.emplace(name, *std::move(chosen));
    }
  }
  return plan;
}

Result<acme::CaChoice> FilesHouse::choice(const config::Config& config, const std::string& name) {
  const auto known = ca_settings(config, name);
  if (!known) return known.error();
  const config::Issuer& settings = *known;
  acme::CaChoice choice;
  auto issuer = ca(settings.directory, settings.roots, settings.eab);
  if (!issuer) return Error(issuer.error()).within("acme.issuer." + name);
  choice.issuer = *std::move(issuer);
  if (settings.staging.empty()) return choice;
  auto staging = ca(settings.staging, settings.roots, settings.eab);
  if (!staging) return Error(staging.error()).within("acme.issuer." + name);
  choice.staging = *std::move(staging);
  return choice;
}

Result<std::shared_ptr<acme::Issuer>> FilesHouse::ca(const std::string& directory,
                                                     const std::string& roots,
                                                     const std::optional<config::Eab>& eab) {
  std::string identity = directory + "\n" + roots;
  if (eab) identity += "\n" + eab->key_id + "\n" + eab->hmac_key.value;
  std::shared_ptr<Ca> known = cas_[identity];
  if (!known) {
    const acme::HttpsTransport::Settings trust{roots, GATEHOUSE_VERSION};
    auto transport =
        acme::HttpsTransport::make(trust, parts_.clock, parts_.dialer, wheel_, buffers_);
    if (!transport) return transport.error();
    acme::CaClient::Settings settings;
    settings.directory = directory;
    if (eab) settings.binding = acme::CaClient::Binding{eab->key_id, eab->hmac_key.value};
    known = std::make_shared<Ca>(std::move(settings), *std::move(transport), parts_, *store_);
    cas_[identity] = known;
  }
  return std::shared_ptr<acme::Issuer>(known, &known->issuer);
}

}  // namespace

const CaAddress* built_in_ca(std::string_view name) {
  static const std::map<std::string, CaAddress, std::less<>> known = {
      {"letsencrypt",
       {"https://acme-v02.api.letsencrypt.org/directory",
        "https://acme-staging-v02.api.letsencrypt.org/directory"}},
      {"letsencrypt-staging", {"https://acme-staging-v02.api.letsencrypt.org/directory", ""}},
      {"zerossl", {"https://acme.zerossl.com/v2/DV90", ""}},
      {"google", {"https://dv.acme-v02.api.pki.goog/directory", ""}},
      {"google-staging", {"https://dv.acme-v02.test-api.pki.goog/directory", ""}},
      {"sslcom", {"https://acme.ssl.com/sslcom-dv-rsa", ""}},
  };
  const auto at = known.find(name);
  return at == known.end() ? nullptr : &at->second;
}

Result<config::Issuer> ca_settings(const config::Config& config, const std::string& name) {
  config::Issuer settings;
  const auto own = config.acme.issuer.find(name);
  if (own != config.acme.issuer.end()) settings = own->second;
  if (!settings.directory.empty()) return settings;
  const CaAddress* built_in = built_in_ca(name);
  if (!built_in) {
    return Error(Fault::not_found, Side::self, "acme.ca '" + name + "': no such CA");
  }
  settings.directory = built_in->directory;
  if (settings.staging.empty()) settings.staging = built_in->staging;
  return settings;
}

std::vector<acme::Wanted> wanted_certificates(const config::Config& config) {
  std::vector<acme::Wanted> all;
  all.reserve(config.sites.size());  // most have one host
  for (const config::Site& site : config.sites) {
    using Mode = config::TlsMode;
    if (site.tls.mode == Mode::off || site.tls.mode == Mode::passthrough) continue;
    for (const std::string& host : site.hosts) {
      acme::Wanted& wanted = all.emplace_back();
      wanted.host = host;
      wanted.mode = site.tls.mode;
      wanted.acme = site.tls.acme;
      wanted.site = site.hosts.front();
      wanted.cert = site.tls.cert;
      wanted.key = site.tls.key;
    }
  }
  return all;
}

Result<std::unique_ptr<Certificates>> Certificates::open(const config::Config& config,
                                                         Parts parts) {
  auto disk = std::make_shared<Disk>();
  auto opened = acme::FileStore::open(config.server.data_dir, config.storage.encryption_key.value,
                                      disk->files, parts.clock, parts.entropy);
  if (!opened) return opened.error();
  disk->store = *std::move(opened);
  std::shared_ptr<acme::PosixFileSystem> files(disk, &disk->files);
  std::shared_ptr<acme::FileStore> store(disk, disk->store.get());
  auto roots = tls::ClientPolicy::make({});
  if (!roots) return Error(roots.error()).within("the system's trusted roots");
  const std::string audit =
      config.log.audit.empty() ? config.server.data_dir + "/audit.jsonl" : config.log.audit;
  return std::unique_ptr<Certificates>(std::make_unique<FilesHouse>(
      parts, std::move(files), std::move(store), audit, *std::move(roots)));
}

}  // namespace gatehouse::control
