#include "proxy/serve/route.hpp"

#include <algorithm>

#include "proxy/serve/handlers/chain.hpp"
#include "proxy/serve/handlers/compressed_exchange.hpp"
#include "proxy/serve/snapshot.hpp"

namespace gatehouse::serve {
namespace {

template <class Rule>
Result<std::vector<Rule>> rules_of(const config::Pairs& pairs) {
  std::vector<Rule> rules;
  for (const auto& [name, written] : pairs) {
    auto value = ValueRule::make(written);
    if (!value) return std::move(value).error().within(name);
    rules.push_back({name, std::move(*value)});
  }
  return rules;
}

template <class Items, class Judge>
bool any(const Items& items, Judge judge) {
  return std::any_of(items.begin(), items.end(), judge);
}

}  // namespace

Route::Route(const config::Route& from, const Site& owner, std::size_t place)
    : settings(from),
      site(owner),
      index(place),
      name(from.path.empty() ? "*" : from.path.front()),
      steps(steps_of(from)),
      codings(codings_of(from)),
      request_edits(from.request_headers),
      answer_edits(from.response_headers) {
  for (const std::string& path : from.path) {
    if (!is_expression(path)) paths.emplace_back(path);
  }
  if (from.redirect) redirect_to = Template(from.redirect->to);
  if (from.basic_auth) users = std::make_shared<Users>(*from.basic_auth);
}

Result<void> Route::compile(const RouteStates& kept, ErrorPageFiles& pages, Entropy& entropy) {
  for (const std::string& path : settings.path) {
    if (!is_expression(path)) continue;
    auto expression = expression_of(path);
    if (!expression) return std::move(expression).error().within(path);
    expressions.push_back(std::move(*expression));
  }
  auto field_rules = rules_of<FieldRule>(settings.header);
  if (!field_rules) return field_rules.error();
  fields = std::move(*field_rules);
  auto query_rules = rules_of<QueryRule>(settings.query);
  if (!query_rules) return query_rules.error();
  query = std::move(*query_rules);

  struct Blocks {
    const config::Strings& from;
    std::vector<Cidr>& to;
  };
  for (const Blocks& each : {Blocks{settings.client_ip, clients}, Blocks{settings.allow, allow},
                             Blocks{settings.deny, deny}}) {
    auto blocks = parse_blocks(each.from);
    if (!blocks) return blocks.error();
    each.to = std::move(*blocks);
  }

  auto edits = PathEdits::make(settings);
  if (!edits) return std::move(edits).error().within("rewrite");
  path_edits = std::move(*edits);
  auto loaded = ErrorPages::load(settings.errors, pages);
  if (!loaded) return loaded.error();
  error_pages = std::move(*loaded);

  if (!settings.rate_limit && settings.max_in_flight == 0) return {};
  const auto found = kept.find(identity());
  state = found == kept.end() ? std::make_shared<RouteState>() : found->second;
  if (settings.rate_limit && !state->rates) state->rates = std::make_unique<RateTable>(entropy);
  return {};
}

bool Route::matches(const http::RequestHead& request, std::string_view path,
                    const asio::ip::address& client) const {
  const bool by_path =
      settings.path.empty() ||
      any(paths, [&](const PathPattern& pattern) { return pattern.matches(path); }) ||
      any(expressions, [&](const Pattern& expression) { return expression.found_in(path); });
  if (!by_path) return false;
  const auto& methods = settings.method;
  const auto same = [&](const std::string& method) { return method == request.method; };
  if (!methods.empty() && !any(methods, same)) return false;
  if (!clients.empty() && !any(clients, [&](const Cidr& c) { return c.contains(client); })) {
    return false;
  }
  const auto other_field = [&](const FieldRule& rule) { return !rule.matches(request); };
  const auto other_query = [&](const QueryRule& rule) { return !rule.matches(request.query); };
  return !any(fields, other_field) && !any(query, other_query);
}

std::string Route::identity() const {
  std::string text = site.name;
  const auto add = [&](std::string_view key, std::string_view value) {
    text.append("\n").append(key).append(" ").append(value);
  };
  for (const std::string& path : settings.path) add("path", path);
  for (const std::string& method : settings.method) add("method", method);
  for (const std::string& block : settings.client_ip) add("client_ip", block);
  for (const auto& [field, value] : settings.header) add("header", field + "=" + value);
  for (const auto& [parameter, value] : settings.query) add("query", parameter + "=" + value);
  // What is counted by another key would be other counts under the same name.
  if (settings.rate_limit) add("rate_limit", settings.rate_limit->key);
  return text;
}

}  // namespace gatehouse::serve
