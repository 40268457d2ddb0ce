#include "acme/budget.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "acme/registered_domain.hpp"
#include "core/base/bytes.hpp"

namespace gatehouse::acme {
namespace {

using namespace std::chrono_literals;

constexpr auto week = 7 * 24h;
constexpr auto renewals_first = 1min;

// Let's Encrypt, as published in August 2026.
constexpr CaLimits production{{300, 3h}, {50, week}, {5, week}, {5, 1h}};
constexpr CaLimits staging{{1500, 3h}, {30'000, week}, {30'000, week}, {200, 1h}};
constexpr std::array<std::pair<std::string_view, const CaLimits*>, 2> published{{
    {"acme-v02.api.letsencrypt.org-directory", &production},
    {"acme-staging-v02.api.letsencrypt.org-directory", &staging},
}};

const std::string whole_ca = "ca";
const std::string orders = "orders";
std::string of_domain(const std::string& host) { return "domain " + registered_domain(host); }
std::string of_set(const std::string& host) { return "names " + host; }
std::string of_failures(const std::string& host) { return "failures " + host; }

Wall::duration one_of(const Limit& limit) {
  return std::chrono::duration_cast<Wall::duration>(limit.span) / limit.most;
}

/// A bucket is kept as the moment at which it will be full again: each piece that is taken moves
/// that moment on by the time one piece takes to come back.
void take(Budget& budget, const std::string& bucket, const Limit& limit, Wall now) {
  Wall& full = budget.full_again[bucket];
  full = std::max(full, now) + one_of(limit);
}

Wall open(const Budget& budget, const std::string& bucket, const Limit& limit) {
  const auto at = budget.full_again.find(bucket);
  if (at == budget.full_again.end()) return Wall();
  return at->second - limit.span + one_of(limit);
}

Wall closed(const Budget& budget, const std::string& bucket) {
  const auto at = budget.closed_until.find(bucket);
  return at == budget.closed_until.end() ? Wall() : at->second;
}

void close(Budget& budget, const std::string& bucket, Wall until) {
  Wall& known = budget.closed_until[bucket];
  known = std::max(known, until);
}

void keep_later(std::map<std::string, Wall>& into, const std::map<std::string, Wall>& other) {
  for (const auto& [bucket, when] : other) {
    Wall& known = into[bucket];
    known = std::max(known, when);
  }
}

}  // namespace

const CaLimits* known_limits(std::string_view ca) {
  for (const auto& [name, limits] : published)
    if (name == ca) return limits;
  return nullptr;
}

Wall open_from(const Budget& budget, const CaLimits* limits, const Expense& expense, Wall now) {
  const bool first = expense.kind == Expense::Kind::first;
  Wall named = closed(budget, whole_ca);
  if (first) named = std::max(named, closed(budget, of_domain(expense.host)));
  if (first && named > now - renewals_first) named += renewals_first;
  if (limits == nullptr) return named;
  Wall from = std::max({named, open(budget, of_failures(expense.host), limits->failed_validations),
                        open(budget, of_set(expense.host), limits->same_certificates)});
  if (!first) return from;
  return std::max({from, open(budget, orders, limits->orders),
                   open(budget, of_domain(expense.host), limits->domain_certificates)});
}

void count_order(Budget& budget, const CaLimits* limits, const Expense& expense, Wall now) {
  if (limits != nullptr && expense.kind == Expense::Kind::first)
    take(budget, orders, limits->orders, now);
}

void count_certificate(Budget& budget, const CaLimits* limits, const Expense& expense, Wall now) {
  if (limits == nullptr) return;
  take(budget, of_set(expense.host), limits->same_certificates, now);
  if (expense.kind == Expense::Kind::first)
    take(budget, of_domain(expense.host), limits->domain_certificates, now);
}

void count_failure(Budget& budget, const CaLimits* limits, const Expense& expense,
                   const IssueFailure& failure, Wall now) {
  if (failure.failed_validation && limits != nullptr)
    take(budget, of_failures(expense.host), limits->failed_validations, now);
  if (failure.retry != Retry::at_time || failure.not_before <= now) return;
  if (failure.whole_ca) {
    close(budget, whole_ca, failure.not_before);
    return;
  }
  // The name itself is put off by its back-off. Its neighbours are refused, too, where the limit is
  // that of the registered domain; which limit it is stands in the words alone.
  const std::string words = to_lower(failure.detail);
  const bool of_all = words.find("exact set") == std::string::npos &&
                      words.find('"' + registered_domain(expense.host) + '"') != std::string::npos;
  if (failure.problem == "rateLimited" && of_all)
    close(budget, of_domain(expense.host), failure.not_before);
}

void merge(Budget& into, const Budget& other) {
  keep_later(into.full_again, other.full_again);
  keep_later(into.closed_until, other.closed_until);
}

void tidy(Budget& budget, Wall now) {
  const auto over = [now](const auto& bucket) { return bucket.second <= now - renewals_first; };
  std::erase_if(budget.full_again, over);
  std::erase_if(budget.closed_until, over);
}

}  // namespace gatehouse::acme
