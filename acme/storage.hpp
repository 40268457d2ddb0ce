#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "acme/budget.hpp"
#include "acme/order_store.hpp"
#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/tls/certificate.hpp"

namespace gatehouse::acme {

/// What is known of a stored certificate beside its octets (meta.json).
struct CertificateMeta {
  std::vector<std::string> names;
  std::string serial;  // hex
  Wall not_before;
  Wall not_after;
  double jitter = 0;               // [0, 1): this certificate's place in the renewal spread
  std::vector<std::string> sites;  // the sites it was made for
  std::string last_error;          // of the last attempt to renew it; empty: none
};

struct StoredCertificate {
  std::string chain_pem;  // leaf first
  std::string key_pem;    // PKCS #8, in the clear here; sealed on disk where a key is configured
  CertificateMeta meta;
  /// The two texts, parsed: reading them costs more than all else here. Set by load_certificate();
  /// save_certificate() parses them where it is null.
  tls::CertificatePointer certificate = nullptr;
};

/// Which certificate: by CA folder, host (normal form or `*.parent`) and key type.
struct CertificateName {
  std::string ca;
  std::string host;
  std::string key_type;
};

/// Accounts, orders, certificates and leases: all that outlives the process, behind one door. Every
/// call is durable when it returns, and blocks: from a coroutine run it on the HelperPool. Any
/// thread.
class Storage : public OrderStore {
 public:
  /// Empty: none is stored. Fault::bad_message: damaged, obtain again. Fault::denied: an operator
  /// must act (file modes, missing encryption key); Fault::io: try again later.
  virtual Result<std::optional<StoredCertificate>> load_certificate(
      const CertificateName& name) = 0;
  /// Certificate, key and meta change together; the ones before move to previous/.
  virtual Result<void> save_certificate(const CertificateName& name,
                                        const StoredCertificate& certificate) = 0;
  virtual Result<void> save_meta(const CertificateName& name, const CertificateMeta& meta) = 0;
  /// Swaps current and previous. Fault::not_found where there is no previous one.
  virtual Result<void> roll_back(const CertificateName& name) = 0;
  virtual Result<void> remove_certificate(const CertificateName& name) = 0;
  /// The CAs that have issued anything, and the hosts a CA has issued for (folder names).
  virtual Result<std::vector<std::string>> certificate_cas() = 0;
  virtual Result<std::vector<std::string>> certificate_hosts(const std::string& ca) = 0;

  /// Goes once through what a CA has issued, a few names at a time, without their keys and
  /// certificates. One caller at a time; blocks; the storage outlives it.
  class Walk {
   public:
    struct Sighting {
      std::string host;
      CertificateMeta meta;
    };
    struct Batch {
      std::vector<Sighting> seen;
      bool end = true;
    };
    virtual ~Walk() = default;
    /// Of the next `most` hosts.
    virtual Result<Batch> next(std::size_t most) = 0;
  };
  virtual Result<std::unique_ptr<Walk>> walk(const std::string& ca) = 0;

  /// Empty: nothing was written yet. Fault::bad_message: damaged, begin afresh.
  virtual Result<std::optional<Budget>> load_budget(const std::string& ca) = 0;
  virtual Result<void> save_budget(const std::string& ca, const Budget& budget) = 0;

  struct Lease {
    std::string name;
    std::string token;  // whoever holds this, holds the lease
  };
  /// The right to work on `name`, among all that share this storage, for `lease_length`.
  /// Fault::refused names the owner where somebody else holds it.
  virtual Result<Lease> take_lease(const std::string& name) = 0;
  /// Fault::refused: lost meanwhile; stop working.
  virtual Result<Lease> renew_lease(const Lease& lease) = 0;
  virtual void release_lease(const Lease& lease) = 0;
  virtual std::chrono::seconds lease_length() const = 0;
};

/// meta.json (acme/wire_meta.cpp).
std::string to_json(const CertificateMeta& meta);
Result<CertificateMeta> certificate_meta_from_json(std::string_view text);
/// budget.json (acme/wire_budget.cpp).
std::string to_json(const Budget& budget);
Result<Budget> budget_from_json(std::string_view text);

}  // namespace gatehouse::acme
