#include "core/tls/pem_file.hpp"

#include <cerrno>
#include <fstream>
#include <system_error>

namespace gatehouse::tls {

Result<std::string> read_pem_file(const std::string& path) {
  constexpr std::size_t most = std::size_t{64} * 1024 * 1024;
  std::ifstream file(path, std::ios::binary);
  std::string text(64 * 1024, '\0');
  std::size_t have = 0;
  while (file.read(text.data() + have, static_cast<std::streamsize>(text.size() - have)) ||
         file.gcount() > 0) {
    have += static_cast<std::size_t>(file.gcount());
    if (have > most) return Error(Fault::limit, Side::self, path + ": longer than 64 MiB");
    if (have == text.size()) text.resize(2 * have);
  }
  if (!file.eof()) {
    return Error(Fault::io, Side::self, path + ": " + std::generic_category().message(errno));
  }
  text.resize(have);
  return text;
}

}  // namespace gatehouse::tls
