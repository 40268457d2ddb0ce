// What a printed config keeps back besides passwords and keys.
#include <algorithm>
#include <array>

#include "config/detail/parse.hpp"
#include "core/base/bytes.hpp"

namespace gatehouse::config::detail {
namespace {

/// Fields that let somebody in, whatever they were written as.
constexpr std::array<std::string_view, 5> telling = {"Authorization", "Proxy-Authorization",
                                                     "Cookie", "Set-Cookie", "X-Api-Key"};

/// Hides values of one config. What it puts in their place is as valid as they were.
class Redaction {
 public:
  explicit Redaction(const std::set<std::string>& expanded) : expanded_(expanded) {}

  void of(Route& route) const {
    of(route.request_headers);
    of(route.response_headers);
    fields(route.header);
    for (auto& [name, value] : route.query) text(value);
    if (route.respond) text(route.respond->body);
    if (route.forward_auth) url(route.forward_auth->url);
  }
  /// The path and query of a URL: its host is told, because that is what one looks for there.
  void url(std::string& value) const {
    if (!expanded_.contains(value)) return;
    const std::size_t authority = value.find("://");
    if (authority == std::string::npos) return;
    const std::size_t target = value.find_first_of("/?", authority + 3);
    if (target != std::string::npos) value = value.substr(0, target) + "/redacted";
  }

 private:
  void of(HeaderEdits& edits) const {
    fields(edits.set);
    fields(edits.add);
  }
  void fields(Pairs& pairs) const {
    for (auto& [name, value] : pairs) {
      const auto same = [&field = name](std::string_view known) {
        return equal_ignoring_case(known, field);
      };
      if (std::any_of(telling.begin(), telling.end(), same) && !value.empty()) {
        value = redacted;
      } else {
        text(value);
      }
    }
  }
  void text(std::string& value) const {
    if (!value.empty() && expanded_.contains(value)) value = redacted;
  }

  const std::set<std::string>& expanded_;
};

}  // namespace

void redact(Config& config) {
  const Redaction redaction(config.expanded);
  redaction.url(config.acme.on_demand.ask);
  for (Site& site : config.sites) {
    for (Route& route : site.routes) redaction.of(route);
  }
}

}  // namespace gatehouse::config::detail
