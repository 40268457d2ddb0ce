#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <string_view>

namespace gatehouse {

/// Whose doing a failure was.
enum class Side { client, server, ca, self };

/// What kind of failure: with `Side` it decides what a client sees and whether to try again.
enum class Fault {
  none,
  timeout,      // no answer within the deadline
  refused,      // could not connect, or was turned away before anything was processed
  closed,       // the peer went away in the middle
  bad_message,  // the peer broke the protocol
  limit,        // a configured or built-in bound was crossed
  denied,       // a rule or a policy says no
  not_found,    // the thing asked for does not exist
  io,           // the local system failed us (file, descriptor, memory)
};

/// Who, what, and a detail for the log; never shown to a client.
class Error {
 public:
  Error() = default;
  Error(Fault fault, Side side, std::string detail)
      : fault_(fault), side_(side), detail_(std::move(detail)) {}

  Fault fault() const { return fault_; }
  Side side() const { return side_; }
  const std::string& detail() const { return detail_; }

  /// Says once more what was being done: "dial 10.0.0.7:8080: refused".
  Error within(std::string_view doing) && {
    detail_.insert(0, ": ").insert(0, doing);
    return std::move(*this);
  }

 private:
  Fault fault_ = Fault::none;
  Side side_ = Side::self;
  std::string detail_;
};

/// A value, or why there is none. `T` must not be constructible from `Error`.
template <class T>
using Result = boost::system::result<T, Error>;

/// Asked for by boost::system::result when `value()` is called on an error: our bug, so it throws.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& at);

std::string_view name(Fault fault);
std::string_view name(Side side);

}  // namespace gatehouse
