#include "core/tls/detail/extensions.hpp"

#include "core/base/host.hpp"
#include "core/tls/handles.hpp"

namespace gatehouse::tls::detail {
namespace {

/// RFC 5280 §4.2.1.6: IA5String for names, 4 or 16 octets for addresses.
Result<GENERAL_NAME*> alt_name(const std::string& name) {
  std::string value = name;
  int kind = GEN_DNS;
  if (const auto address = as_address(name)) {
    kind = GEN_IPADD;
    if (address->is_v4()) {
      const auto bytes = address->to_v4().to_bytes();
      value.assign(bytes.begin(), bytes.end());
    } else {
      const auto bytes = address->to_v6().to_bytes();
      value.assign(bytes.begin(), bytes.end());
    }
  }
  std::unique_ptr<GENERAL_NAME, FreedBy<GENERAL_NAME_free>> out(GENERAL_NAME_new());
  auto* string = ASN1_STRING_type_new(kind == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
  if (!out || string == nullptr || ASN1_STRING_set(string, value.data(), int_size(value)) != 1) {
    ASN1_STRING_free(string);
    return openssl_error("alternative name");
  }
  GENERAL_NAME_set0_value(out.get(), kind, string);
  return out.release();
}

}  // namespace

Result<Extension> make_extension(const char* oid, Critical critical, std::string_view value) {
  const std::unique_ptr<ASN1_OBJECT, FreedBy<ASN1_OBJECT_free>> object(OBJ_txt2obj(oid, 1));
  const std::unique_ptr<ASN1_OCTET_STRING, FreedBy<ASN1_OCTET_STRING_free>> wrapped(
      ASN1_OCTET_STRING_new());
  if (!object || !wrapped ||
      ASN1_OCTET_STRING_set(wrapped.get(), octets(value), int_size(value)) != 1) {
    return openssl_error("extension");
  }
  Extension out(
      X509_EXTENSION_create_by_OBJ(nullptr, object.get(), critical == Critical::yes, wrapped.get()),
      X509_EXTENSION_free);
  if (!out) return openssl_error("extension");
  return out;
}

Result<std::string> alt_names_value(const std::vector<std::string>& names) {
  if (names.empty()) return Error(Fault::bad_message, Side::self, "a certificate without names");
  const AltNames list(sk_GENERAL_NAME_new_null());
  for (const std::string& name : names) {
    auto entry = alt_name(name);
    if (!entry) return entry.error();
    if (sk_GENERAL_NAME_push(list.get(), *entry) <= 0) {
      GENERAL_NAME_free(*entry);
      return openssl_error("alternative name");
    }
  }
  return der<i2d_GENERAL_NAMES>(list.get());
}

}  // namespace gatehouse::tls::detail
