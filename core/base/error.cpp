#include "core/base/error.hpp"

#include <stdexcept>

namespace gatehouse {

void throw_exception_from_error(const Error& error, const boost::source_location& at) {
  throw std::logic_error("value() of an error at " + at.to_string() + ": " + error.detail());
}

std::string_view name(Fault fault) {
  switch (fault) {
    case Fault::none:
      return "none";
    case Fault::timeout:
      return "timeout";
    case Fault::refused:
      return "refused";
    case Fault::closed:
      return "closed";
    case Fault::bad_message:
      return "bad_message";
    case Fault::limit:
      return "limit";
    case Fault::denied:
      return "denied";
    case Fault::not_found:
      return "not_found";
    case Fault::io:
      return "io";
  }
  return "unknown";
}

std::string_view name(Side side) {
  switch (side) {
    case Side::client:
      return "client";
    case Side::server:
      return "server";
    case Side::ca:
      return "ca";
    case Side::self:
      return "self";
  }
  return "unknown";
}

}  // namespace gatehouse
