// budget.json <-> Budget.
#include <nlohmann/json.hpp>

#include "acme/storage.hpp"
#include "core/base/time_format.hpp"

namespace gatehouse::acme {
namespace {

using Json = nlohmann::json;

constexpr const char* full_again = "full_again";
constexpr const char* closed_until = "closed_until";

Error bad_budget(std::string detail) {
  return Error(Fault::bad_message, Side::self, "budget.json: " + std::move(detail));
}

Json times(const std::map<std::string, Wall>& buckets) {
  Json json = Json::object();
  for (const auto& [bucket, when] : buckets) json[bucket] = rfc3339(when);
  return json;
}

Result<std::map<std::string, Wall>> times_at(const Json& from, const char* key) {
  const auto at = from.find(key);
  if (at == from.end() || !at->is_object()) return bad_budget(std::string("no ") + key);
  std::map<std::string, Wall> buckets;
  for (const auto& [bucket, when] : at->items()) {
    if (!when.is_string()) return bad_budget("no time in " + std::string(key));
    const auto time = parse_rfc3339(when.get_ref<const std::string&>());
    if (!time) return bad_budget("bad time in " + std::string(key));
    buckets.emplace(bucket, *time);
  }
  return buckets;
}

}  // namespace

std::string to_json(const Budget& budget) {
  const Json json = {{full_again, times(budget.full_again)},
                     {closed_until, times(budget.closed_until)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Budget> budget_from_json(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return bad_budget("no JSON object");
  auto full = times_at(json, full_again);
  if (!full) return full.error();
  auto closed = times_at(json, closed_until);
  if (!closed) return closed.error();
  Budget budget;
  budget.full_again = std::move(*full);
  budget.closed_until = std::move(*closed);
  return budget;
}

}  // namespace gatehouse::acme
