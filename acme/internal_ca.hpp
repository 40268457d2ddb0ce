#pragma once

#include <memory>
#include <string>

#include "acme/issuer.hpp"
#include "acme/store/file_store.hpp"
#include "core/base/clock.hpp"
#include "core/base/helper_pool.hpp"

namespace gatehouse::acme {

/// A CA of our own for local names: a root (10 years) that `gatehouse trust` puts into the system's
/// store, an intermediate (1 year, replaced when less than a third is left), leaves of 7 days.
/// Root and intermediate lie in internal-ca/ and are made on first use. issue() on any thread.
class InternalCa final : public Issuer {
 public:
  /// `clock` and `helpers` outlive it.
  InternalCa(std::shared_ptr<FileStore> store, HelperPool& helpers, Clock& clock);
  ~InternalCa() override;

  awaitable<IssueOutcome> issue(IssueRequest request) override;
  const std::string& storage_name() const override;

  /// The root's PEM file, made first where there is none. Blocks.
  Result<std::string> root_path();

 private:
  class Vault;
  std::shared_ptr<Vault> vault_;
  HelperPool& helpers_;
};

}  // namespace gatehouse::acme
