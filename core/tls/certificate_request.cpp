#include "core/tls/certificate_request.hpp"

#include "core/tls/detail/extensions.hpp"
#include "core/tls/detail/public_key.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls {
namespace {

constexpr std::string_view this_request = "certificate request";

}  // namespace

Result<std::string> make_certificate_request(const std::vector<std::string>& names,
                                             const PrivateKey& key, MustStaple must_staple) {
  auto alt_names = detail::alt_names_value(names);
  if (!alt_names) return alt_names.error();
  const Extensions extensions(sk_X509_EXTENSION_new_null());
  const auto add = [&](const char* oid, std::string_view value) {
    auto extension = detail::make_extension(oid, detail::Critical::no, value);
    if (!extension) return false;
    X509_EXTENSION* copy = X509_EXTENSION_dup(extension->get());
    return sk_X509_EXTENSION_push(extensions.get(), copy) > 0;
  };
  // SEQUENCE { INTEGER 5 }: status_request.
  constexpr std::string_view status_request("\x30\x03\x02\x01\x05", 5);
  if (!add(detail::oid_alt_names, *alt_names)) return openssl_error(this_request);
  if (must_staple == MustStaple::yes && !add(detail::oid_tls_feature, status_request)) {
    return openssl_error(this_request);
  }
  const RequestHandle request(X509_REQ_new());
  if (!request || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      !detail::set_public_key(request.get(), key) ||
      X509_REQ_add_extensions(request.get(), extensions.get()) != 1 ||
      X509_REQ_sign(request.get(), key.handle(), signing_digest(key.type())) <= 0) {
    return openssl_error(this_request);
  }
  return der<i2d_X509_REQ>(request.get());
}

}  // namespace gatehouse::tls
