#include "proxy/control/secret_file.hpp"

#include "acme/store/private_files.hpp"
#include "core/base/bytes.hpp"

namespace gatehouse::control {
namespace {

constexpr std::size_t least_octets = 16;

}  // namespace

Result<std::string> read_secret(const std::string& path) {
  acme::PosixFileSystem system;
  auto secret = acme::read_secret(system, path);
  if (!secret) return secret.error();
  while (!secret->empty() && (secret->back() == '\n' || secret->back() == '\r')) secret->pop_back();
  if (secret->size() < least_octets) {
    return Error(Fault::bad_message, Side::self,
                 path + ": holds no secret; remove it and a new one is made");
  }
  return secret;
}

Result<std::string> secret_of(const std::string& path, Entropy& entropy) {
  auto there = read_secret(path);
  if (there || there.error().fault() != Fault::not_found) return there;
  acme::PosixFileSystem system;
  acme::PrivateFiles files(system, entropy);
  // Whole or not at all, whenever we are killed: half a secret would be taken for a whole one.
  const auto made = files.create(path, base64url(entropy.octets(32)) + "\n");
  if (!made && made.error().fault() != Fault::refused) return made.error();  // another was faster
  return read_secret(path);
}

}  // namespace gatehouse::control
