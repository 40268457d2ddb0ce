#pragma once

#include <string>
#include <vector>

#include "core/base/error.hpp"

namespace gatehouse::control {

/// A system's trust store: a directory of PEM files and the command that reads it anew.
struct TrustStore {
  std::string directory;
  std::vector<std::string> update;

  /// The one of this system (Debian and relatives, Fedora and relatives, Arch).
  static Result<TrustStore> of_system();
  /// Where our root stands in it.
  std::string file() const { return directory + "/gatehouse-internal-ca.crt"; }
};

/// The internal CA's root certificate as PEM.
Result<std::string> internal_root(const std::string& data_dir);
Result<void> trust(const TrustStore& store, const std::string& root_pem);
/// Taking out what is not there is done already: false.
Result<bool> untrust(const TrustStore& store);

}  // namespace gatehouse::control
