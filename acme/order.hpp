#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "acme/reaction.hpp"
#include "acme/wire.hpp"

namespace gatehouse::acme {

// Where RFC 8555 §7.1.6 stands in the life of an order; next_step() is the only place that decides.
//
//   pending --(authorizations valid)--> ready --(finalize)--> processing --> valid
//      '------------------------------------'---------------------'--------> invalid

/// An order as it was seen last.
struct OrderView {
  Order order;
  /// Fetched while the order is pending or invalid; in any order.
  std::vector<Authorization> authorizations;
  /// URLs of the authorizations whose challenge we have answered.
  std::vector<std::string> answered;
  /// The CA has taken our finalize: an order that still reads `ready` is an old picture.
  bool finalize_taken = false;
};

/// Answer one challenge of each of these authorizations (indices into the view's).
struct Solve {
  std::vector<std::size_t> authorizations;
};
struct Finalize {};
/// Look again, not before `retry_after` where the CA said so.
struct Wait {
  enum class For { authorizations, order };
  For what = For::order;
  std::optional<std::chrono::seconds> retry_after;
};
struct Download {
  std::string url;
};
/// This order will never be a certificate.
struct GiveUp {
  enum class Why {
    refused,  // the CA looked and said no
    stale,    // it has expired or was taken back: a new order may do
  };
  Why why = Why::refused;
  CaError error;
  std::string name;       // the name it failed for, where known
  std::string challenge;  // the kind that failed, where one did
};

using OrderStep = std::variant<Solve, Finalize, Wait, Download, GiveUp>;
OrderStep next_step(const OrderView& view);

/// The challenge to answer: by preference, first those kinds that have not failed before. Null:
/// the CA offers none that we can answer.
const Challenge* choose_challenge(const Authorization& authorization,
                                  const std::vector<std::string>& preferred,
                                  const std::vector<std::string>& failed);
/// The kind that it will be of where the CA offers all of them. Empty: none is preferred.
std::string first_choice(const std::vector<std::string>& preferred,
                         const std::vector<std::string>& failed);

}  // namespace gatehouse::acme
