#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "acme/issuer.hpp"
#include "core/base/clock.hpp"

/// The ledger of what a CA's rate limits have left: an order that would surely be refused is put
/// off, not spent. Plain functions of what was spent before; the clock's time is handed in.
namespace gatehouse::acme {

/// A bucket of `most` that fills evenly, in `span` from empty to full.
struct Limit {
  std::uint32_t most;
  std::chrono::seconds span;
};

/// What a CA publishes. Renewals (the same names again) count for the last two alone.
struct CaLimits {
  Limit orders;               // of the account
  Limit domain_certificates;  // of one registered domain
  Limit same_certificates;    // of one set of names
  Limit failed_validations;   // of one name
};

/// Null: the CA's limits are not known, only what it answers counts. `ca` is its storage name.
const CaLimits* known_limits(std::string_view ca);

/// One CA's side of the ledger (budget.json). A bucket that is full again is no longer in it.
struct Budget {
  std::map<std::string, Wall> full_again;    // by bucket: "orders", "domain example.com", ...
  std::map<std::string, Wall> closed_until;  // likewise, where the CA named a time itself

  bool operator==(const Budget&) const = default;
};

/// What is to be ordered, or was.
struct Expense {
  enum class Kind : std::uint8_t {
    renewal,
    first,  // a certificate for names that had none from this CA
  };
  std::string host;
  Kind kind = Kind::first;
};

/// The first moment at which nothing that we know of stands against the order; `now` or before: go.
/// When a CA opens again, renewals have a minute to themselves.
Wall open_from(const Budget& budget, const CaLimits* limits, const Expense& expense, Wall now);

void count_order(Budget& budget, const CaLimits* limits, const Expense& expense, Wall now);
void count_certificate(Budget& budget, const CaLimits* limits, const Expense& expense, Wall now);
/// Failed validations are counted, and what the CA said on its limits is written down.
void count_failure(Budget& budget, const CaLimits* limits, const Expense& expense,
                   const IssueFailure& failure, Wall now);

/// Of two processes that share the storage: whichever is further.
void merge(Budget& into, const Budget& other);
/// Drops what says nothing any more.
void tidy(Budget& budget, Wall now);

}  // namespace gatehouse::acme
