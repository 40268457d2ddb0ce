#include "proxy/control/admin_token.hpp"

#include "proxy/control/secret_file.hpp"

namespace gatehouse::control {
namespace {

std::string path_in(const std::string& data_dir) { return data_dir + "/admin.token"; }

}  // namespace

Result<std::string> read_admin_token(const std::string& data_dir) {
  return read_secret(path_in(data_dir));
}

Result<std::string> admin_token(const std::string& data_dir, Entropy& entropy) {
  return secret_of(path_in(data_dir), entropy);
}

}  // namespace gatehouse::control
