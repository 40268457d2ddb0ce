#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "acme/audit.hpp"
#include "acme/keeper.hpp"
#include "acme/outlet.hpp"
#include "acme/store/file_store.hpp"
#include "acme/wanted.hpp"
#include "config/model.hpp"
#include "core/base/entropy.hpp"
#include "core/base/helper_pool.hpp"
#include "core/net/dialer.hpp"

namespace gatehouse::control {

/// Where a CA's API is, and where its test API.
struct CaAddress {
  std::string directory;
  std::string staging;  // empty: it has none
};
/// The CAs that a config may name without saying where they are. Null: it is none of them.
const CaAddress* built_in_ca(std::string_view name);

/// What a word of `acme.ca` stands for: [acme.issuer.NAME], which may leave out where a built-in CA
/// of that name is, or the built-in CA itself.
Result<config::Issuer> ca_settings(const config::Config& config, const std::string& name);

/// The hosts that some site serves over TLS.
std::vector<acme::Wanted> wanted_certificates(const config::Config& config);

/// The house of all that makes and keeps certificates: storage, audit, CAs, keeper. Control thread.
/// CAs whose settings stay the same stay themselves over a reload, with their accounts and nonces.
class Certificates {
 public:
  /// All of it outlives the certificates.
  struct Parts {
    asio::any_io_executor control;
    Clock& clock;
    Entropy& entropy;
    HelperPool& helpers;
    net::Dialer& dialer;
    acme::Outlet& outlet;
  };
  /// Opens the storage that the config names. Blocks; at start only.
  static Result<std::unique_ptr<Certificates>> open(const config::Config& config, Parts parts);
  virtual ~Certificates() = default;

  /// What a config asks for; fails without changing anything.
  virtual Result<acme::Plan> plan(const config::Config& config) = 0;
  virtual acme::Keeper& keeper() = 0;
  virtual acme::FileStore& store() = 0;
  virtual acme::AuditLog& audit() = 0;
  /// Orders end so that they can be resumed.
  virtual awaitable<void> stop() = 0;
};

}  // namespace gatehouse::control
