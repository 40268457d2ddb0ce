#include "acme/registered_domain.hpp"

#include <libpsl.h>

#include "core/base/host.hpp"

namespace gatehouse::acme {

std::string registered_domain(std::string_view host) {
  std::string name(host);
  if (as_address(name)) return name;
  // The list compiled into the library: the same answer on every machine with that package.
  const char* registered = ::psl_registrable_domain(::psl_builtin(), name.c_str());
  return registered == nullptr ? name : std::string(registered);
}

}  // namespace gatehouse::acme
