#pragma once

#include <string>
#include <string_view>

namespace gatehouse::acme {

/// The public suffix and one label more: `example.co.uk` for `a.b.example.co.uk`. The host itself
/// where it is an IP address, a public suffix or of a single label. `host` in normal form.
std::string registered_domain(std::string_view host);

}  // namespace gatehouse::acme
