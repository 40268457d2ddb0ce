#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"

namespace gatehouse::tls {

class Certificate;  // core/tls/certificate.hpp: leaf, chain and private key, immutable

/// The certificates of one name, one per key type, ECDSA before RSA. Immutable, shared by workers.
struct CertificateSet {
  std::vector<std::shared_ptr<const Certificate>> by_preference;
  Wall not_after;  // the earliest
};
using CertificateHandle = std::shared_ptr<const CertificateSet>;

/// Host to certificates, on one worker. Exact name first, then the wildcard one label up.
/// Open addressing over a copy of the name; at `most` names the clock hand evicts what was not
/// asked for since its last round: whoever asks for it next has it brought again, from where it is
/// kept. Touch it on its worker only.
class CertificateIndex {
 public:
  explicit CertificateIndex(std::size_t most = 100'000);
  ~CertificateIndex();
  CertificateIndex(const CertificateIndex&) = delete;
  CertificateIndex& operator=(const CertificateIndex&) = delete;

  /// How many names there may be from now on, at least one. Returns what must leave for that, to be
  /// freed where there is time for it.
  [[nodiscard]] std::vector<CertificateHandle> limit(std::size_t most);
  enum class Need : std::uint8_t {
    now,    // somebody waits: another name makes room where it must
    ahead,  // nobody does: left out where there is no room
  };
  /// `host` in normal_host() form, or `*.parent`. Replaces what was there.
  void put(std::string_view host, CertificateHandle certificates, Need need);
  void erase(std::string_view host);
  /// Null when nothing fits. Valid until the next put() or erase(); no count is touched.
  const CertificateHandle* find(std::string_view host);
  /// Only that very name, no wildcard.
  const CertificateHandle* find_exact(std::string_view host);
  std::size_t size() const;

 private:
  struct Table;
  std::unique_ptr<Table> table_;
};

}  // namespace gatehouse::tls
