#include "core/base/password_hash.hpp"

#include <crypt.h>

#include <memory>
#include <string_view>

namespace gatehouse {
namespace {

/// Takes as long wherever the difference is.
bool same(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0U : 1U;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

}  // namespace

bool is_usable_hash(const std::string& hash) {
  const int verdict = ::crypt_checksalt(hash.c_str());
  return verdict == CRYPT_SALT_OK || verdict == CRYPT_SALT_METHOD_LEGACY ||
         verdict == CRYPT_SALT_TOO_CHEAP;
}

bool password_fits(const std::string& password, const std::string& hash) {
  // What crypt(3) does not read to its end would fit by its beginning.
  if (password.find('\0') != std::string::npos) return false;
  const auto room = std::make_unique<crypt_data>();  // 32 KiB
  const char* const made = ::crypt_r(password.c_str(), hash.c_str(), room.get());
  return made != nullptr && made[0] != '*' && same(made, hash);
}

}  // namespace gatehouse
