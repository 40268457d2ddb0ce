#pragma once

#include <boost/system/result.hpp>
#include <optional>

#include "acme/issuer.hpp"
#include "acme/wire.hpp"

namespace gatehouse::acme {

/// What was being done when the CA said no: the same problem type means different things.
enum class Doing {
  directory,
  nonce,
  account,
  order,       // making one
  poll,        // fetching an order or authorization
  respond,     // telling the CA that a challenge is ready
  validation,  // the CA looked, and this is what it found
  finalize,
  download,
  revoke,
  key_change,
};

enum class Reaction {
  resign,            // again at once with a fresh nonce
  later,             // temporary: back off
  wait,              // not before the time the CA names
  stop,              // someone must change something
  recreate_account,  // the CA has forgotten it: once
  new_order,         // this one is gone: drop its URL
  refetch_order,     // look where it stands
  new_key,           // make another key and request, once
  other_algorithm,   // another type of account key
  drop_contact,      // without contact, once
  already_done,      // what we want is so
  drop_reason,       // without the revocation reason, once
  per_name,          // what it is stands in the subproblems
};

/// The one table from RFC 8555 §6.7 (and its extensions) to what we do.
Reaction react(const Problem& problem, Doing doing);

/// A request to a CA that failed: on the way (no problem), or by its word.
class CaError {
 public:
  CaError() = default;
  CaError(Doing at, Error why) : doing(at), error(std::move(why)) {}
  CaError(Doing at, Problem said, std::optional<Wall> not_before);

  Doing doing = Doing::directory;
  Error error;
  std::optional<Problem> problem;
  std::optional<Wall> retry_at;  // what Retry-After, or the words of the problem, came to

  /// `later` where nothing was said.
  Reaction reaction() const;
};

template <class T>
using CaResult = boost::system::result<T, CaError>;
[[noreturn]] void throw_exception_from_error(const CaError& error,
                                             const boost::source_location& at);

/// For the keeper: when to try again, and what to tell the operator.
IssueFailure failure_of(const CaError& error, Wall now);

}  // namespace gatehouse::acme
