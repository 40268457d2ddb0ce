#pragma once

#include <cstdint>
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

enum class Trusted : std::uint8_t {
  anew,
  before,    // the very same root stood there
  replaced,  // another root of ours did, of another data directory
};
/// Puts the root into the store and has the store read anew.
Result<Trusted> trust(const TrustStore& store, const std::string& root_pem);
/// Takes out whatever root of ours stands there. False: none did.
Result<bool> untrust(const TrustStore& store);

}  // namespace gatehouse::control
