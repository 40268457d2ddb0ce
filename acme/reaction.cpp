#include "acme/reaction.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "core/base/bytes.hpp"
#include "core/base/log.hpp"

namespace gatehouse::acme {
namespace {

enum class About { ca, name, us };

struct Row {
  std::string_view type;
  Reaction reaction;
  About about;  // who has to change something, or for whom it will be the same again
};

constexpr std::array rows = {
    Row{"accountDoesNotExist", Reaction::recreate_account, About::ca},
    Row{"agreementRequired", Reaction::stop, About::ca},
    Row{"alreadyReplaced", Reaction::stop, About::us},
    Row{"alreadyRevoked", Reaction::already_done, About::us},
    Row{"autoRenewalCanceled", Reaction::stop, About::us},
    Row{"autoRenewalExpired", Reaction::stop, About::us},
    Row{"autoRenewalCancellationInvalid", Reaction::stop, About::us},
    Row{"autoRenewalRevocationNotSupported", Reaction::stop, About::us},
    Row{"badCSR", Reaction::new_key, About::us},
    Row{"badNonce", Reaction::resign, About::ca},
    Row{"badPublicKey", Reaction::stop, About::ca},
    Row{"badRevocationReason", Reaction::drop_reason, About::us},
    Row{"badSignatureAlgorithm", Reaction::stop, About::ca},
    Row{"caa", Reaction::stop, About::name},
    Row{"compound", Reaction::per_name, About::name},
    Row{"conflict", Reaction::stop, About::us},
    Row{"connection", Reaction::later, About::name},
    Row{"dns", Reaction::later, About::name},
    Row{"externalAccountRequired", Reaction::stop, About::ca},
    Row{"incorrectResponse", Reaction::later, About::name},
    Row{"invalidContact", Reaction::stop, About::ca},
    Row{"invalidProfile", Reaction::stop, About::us},
    Row{"malformed", Reaction::stop, About::us},
    Row{"onionCAARequired", Reaction::stop, About::name},
    Row{"orderNotReady", Reaction::refetch_order, About::us},
    Row{"rateLimited", Reaction::wait, About::us},
    Row{"rejectedIdentifier", Reaction::stop, About::name},
    Row{"serverInternal", Reaction::later, About::ca},
    Row{"tls", Reaction::later, About::name},
    Row{"unauthorized", Reaction::stop, About::ca},
    Row{"unknownDelegation", Reaction::stop, About::us},
    Row{"unsupportedContact", Reaction::stop, About::ca},
    Row{"unsupportedIdentifier", Reaction::stop, About::name},
    Row{"userActionRequired", Reaction::stop, About::ca},
};

struct Exception {
  std::string_view type;
  Doing doing;
  Reaction reaction;
};

/// Where what was being done changes the meaning.
constexpr std::array exceptions = {
    Exception{"badPublicKey", Doing::account, Reaction::other_algorithm},
    Exception{"badPublicKey", Doing::finalize, Reaction::new_key},
    Exception{"badSignatureAlgorithm", Doing::account, Reaction::other_algorithm},
    Exception{"invalidContact", Doing::account, Reaction::drop_contact},
    Exception{"unsupportedContact", Doing::account, Reaction::drop_contact},
    // A stale URL: the order has expired, or belongs to an account we no longer have.
    Exception{"malformed", Doing::poll, Reaction::new_order},
    Exception{"unauthorized", Doing::poll, Reaction::new_order},
    Exception{"malformed", Doing::download, Reaction::new_order},
    Exception{"unauthorized", Doing::download, Reaction::new_order},
    // Somebody (our request before a lost reply) was there first.
    Exception{"malformed", Doing::respond, Reaction::refetch_order},
    Exception{"unauthorized", Doing::respond, Reaction::new_order},
    Exception{"malformed", Doing::finalize, Reaction::refetch_order},
    // The wrong content was found behind the name: a deployment under way may mend that.
    Exception{"unauthorized", Doing::validation, Reaction::later},
};

const Row* row_of(std::string_view type) {
  const auto row =
      std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.type == type; });
  return row == rows.end() ? nullptr : &*row;
}

/// No type, or one nobody knows: the HTTP status is all there is.
Reaction react_to_status(int status, Doing doing) {
  const bool on_order = doing == Doing::poll || doing == Doing::respond ||
                        doing == Doing::finalize || doing == Doing::download;
  if (status == 429 || status == 503) return Reaction::wait;
  if (status >= 500 || status == 408 || status == 0) return Reaction::later;
  if ((status == 404 || status == 410) && on_order) return Reaction::new_order;
  return Reaction::stop;
}

bool paused(const Problem& problem) {
  const std::string words = to_lower(problem.detail);
  return words.find("paused") != std::string::npos || words.find("unpause") != std::string::npos;
}

About about(const CaError& failure) {
  if (!failure.problem) return About::ca;
  const Problem& problem = *failure.problem;
  const bool of_account = failure.doing == Doing::directory || failure.doing == Doing::nonce ||
                          failure.doing == Doing::account;
  if (failure.doing == Doing::validation) return About::name;
  if (of_account || problem.status >= 500) return About::ca;
  if (problem.type == "rateLimited" &&
      to_lower(problem.detail).find("new orders") != std::string::npos) {
    return About::ca;
  }
  const Row* row = row_of(problem.type);
  return row == nullptr ? About::us : row->about;
}

Retry retry_of(Reaction reaction) {
  switch (reaction) {
    case Reaction::resign:
    case Reaction::later:
    case Reaction::refetch_order:
    case Reaction::already_done:
    case Reaction::recreate_account:
      return Retry::later;
    case Reaction::wait:
      return Retry::at_time;
    case Reaction::new_order:
      return Retry::now;
    case Reaction::stop:
    case Reaction::new_key:
    case Reaction::other_algorithm:
    case Reaction::drop_contact:
    case Reaction::drop_reason:
    case Reaction::per_name:
      return Retry::permanent;
  }
  return Retry::later;
}

/// The reaction that takes longest among the subproblems.
Reaction react_to_subproblems(const Problem& problem, Doing doing) {
  Reaction worst = Reaction::later;
  for (const Subproblem& sub : problem.subproblems) {
    Problem single;
    single.type = sub.type;
    single.detail = sub.detail;
    single.status = problem.status;
    const Reaction reaction = react(single, doing);
    if (retry_of(reaction) == Retry::permanent && reaction != Reaction::per_name) return reaction;
    if (reaction == Reaction::wait) worst = reaction;
  }
  return problem.subproblems.empty() ? Reaction::stop : worst;
}

}  // namespace

Reaction react(const Problem& problem, Doing doing) {
  if (problem.type == "rateLimited" && paused(problem)) return Reaction::stop;
  for (const Exception& exception : exceptions) {
    if (exception.type == problem.type && exception.doing == doing) return exception.reaction;
  }
  if (const Row* row = row_of(problem.type)) return row->reaction;
  return react_to_status(problem.status, doing);
}

CaError::CaError(Doing at, Problem said, std::optional<Wall> not_before)
    : doing(at), problem(std::move(said)), retry_at(not_before) {
  const std::string type = problem->type.empty() ? "" : problem->type + ": ";
  const std::string status = problem->status == 0 ? "" : std::to_string(problem->status) + " ";
  const Fault fault = problem->status >= 500 ? Fault::refused : Fault::denied;
  error = Error(fault, Side::ca, status + type + problem->detail);
}

Reaction CaError::reaction() const {
  if (!problem) return error.fault() == Fault::denied ? Reaction::stop : Reaction::later;
  const Reaction reaction = react(*problem, doing);
  return reaction == Reaction::per_name ? react_to_subproblems(*problem, doing) : reaction;
}

void throw_exception_from_error(const CaError& error, const boost::source_location& at) {
  throw std::logic_error("value() of a CA's error at " + at.to_string() + ": " +
                         error.error.detail());
}

IssueFailure failure_of(const CaError& error, Wall now) {
  using namespace std::chrono_literals;
  IssueFailure failure;
  const Reaction reaction = error.reaction();
  const About whom = about(error);
  failure.retry = retry_of(reaction);
  failure.whole_ca = whom == About::ca;
  failure.names_fault = whom == About::name;
  failure.failed_validation = error.doing == Doing::validation;
  failure.detail = error.error.detail();
  if (error.problem) {
    failure.problem = error.problem->type;
    for (const Subproblem& sub : error.problem->subproblems) {
      if (!sub.identifier.empty()) failure.names.push_back(sub.identifier);
      failure.detail += "; " + sub.identifier + ": " + sub.type + ": " + sub.detail;
    }
    if (!error.problem->instance.empty()) failure.detail += " (" + error.problem->instance + ")";
  }
  failure.detail = log::escaped(failure.detail, 1500);
  if (reaction == Reaction::wait) {
    // A CA that limits without saying for how long: an hour. A busy front end: the next step.
    const bool limited = !error.problem || error.problem->status != 503;
    if (error.retry_at || limited) failure.not_before = error.retry_at.value_or(now + 1h);
    if (!error.retry_at && !limited) failure.retry = Retry::later;
  }
  return failure;
}

}  // namespace gatehouse::acme
