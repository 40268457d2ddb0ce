#pragma once

#include <string>
#include <string_view>

#include "acme/ca_transport.hpp"
#include "acme/reaction.hpp"
#include "core/base/url.hpp"

namespace gatehouse::acme {

inline CaError broken(Doing doing, std::string_view why) {
  return CaError(doing, Error(Fault::bad_message, Side::ca, std::string(why)));
}

/// Empty where the CA points to nothing, or to what is no https URL.
inline std::string https_location(const CaReply& reply) {
  std::string location = reply.field("Location");
  const auto url = Url::parse(location);
  return url && url->secure() ? location : std::string();
}

}  // namespace gatehouse::acme
