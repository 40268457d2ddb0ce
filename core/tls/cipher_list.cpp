#include "core/tls/cipher_list.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <string_view>

#include "core/tls/detail/policy.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls {
namespace {

bool taken(SSL_CTX* context, const std::string& list) {
  const bool good = SSL_CTX_set_cipher_list(context, list.c_str()) == 1;
  ERR_clear_error();
  return good;
}

std::string in_quotes(std::string_view text) { return "'" + std::string(text.substr(0, 80)) + "'"; }

}  // namespace

std::string wrong_in_cipher_list(const std::string& list) {
  constexpr std::string_view separators = ":, ;";
  const SslContext context(detail::new_context(TLS_server_method()));
  if (!context) return {};
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find_first_of(separators, begin), list.size());
    const std::string name = list.substr(begin, end - begin);
    begin = end + 1;
    // What is taken out or moved need not be there; "@STRENGTH" is no name.
    if (name.empty() || name.find_first_of("!-+@") == 0) continue;
    if (name.starts_with("TLS_")) {
      return "is the list for TLS 1.2, and " + in_quotes(name) +
             " is a suite of TLS 1.3, which are fixed: leave it out";
    }
    if (!taken(context.get(), name)) {
      return "names " + in_quotes(name) +
             ", which OpenSSL does not know: names are like ECDHE-RSA-AES128-GCM-SHA256 "
             "('openssl ciphers' lists them)";
    }
  }
  if (!taken(context.get(), list)) return "leaves no cipher: " + in_quotes(list);
  return {};
}

}  // namespace gatehouse::tls
