#include "acme/issuer.hpp"

#include <stdexcept>

namespace gatehouse::acme {

void throw_exception_from_error(const IssueFailure& failure, const boost::source_location& at) {
  throw std::logic_error("value() of a failed issue at " + at.to_string() + ": " + failure.detail);
}

}  // namespace gatehouse::acme
