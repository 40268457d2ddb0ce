#include "acme/ask_http.hpp"

#include <charconv>

#include "core/base/bytes.hpp"

namespace gatehouse::acme {

std::optional<std::chrono::seconds> max_age(std::string_view cache_control) {
  std::optional<std::chrono::seconds> found;
  while (!cache_control.empty()) {
    const auto comma = cache_control.find(',');
    std::string_view directive = cache_control.substr(0, comma);
    cache_control.remove_prefix(comma == std::string_view::npos ? cache_control.size() : comma + 1);
    while (directive.starts_with(' ') || directive.starts_with('\t')) directive.remove_prefix(1);
    while (directive.ends_with(' ') || directive.ends_with('\t')) directive.remove_suffix(1);
    const std::string word = to_lower(directive);
    if (word == "no-store" || word == "no-cache") return std::chrono::seconds(0);
    if (!word.starts_with("max-age=")) continue;
    std::uint32_t seconds = 0;
    const char* end = word.data() + word.size();
    const auto [rest, failed] = std::from_chars(word.data() + 8, end, seconds);
    if (failed == std::errc() && rest == end) found = std::chrono::seconds(seconds);
  }
  return found;
}

awaitable<Result<AskAnswer>> HttpAsk::ask(std::string url, Steady deadline) {
  auto parsed = Url::parse(url);
  if (!parsed) co_return parsed.error();
  http::HttpRequest request;
  request.url = std::move(*parsed);
  http::FetchLimits limits;
  limits.body_bytes = 64 * 1024;  // the body says nothing to us
  limits.total = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock_.steady());
  limits.connect = limits.total;
  limits.header = limits.total;
  auto fetching = client_.fetch(std::move(request), limits);
  auto response = co_await std::move(fetching);
  if (!response) co_return response.error();
  AskAnswer answer;
  answer.status = response->status;
  if (const auto value = response->find("cache-control")) answer.max_age = max_age(*value);
  co_return answer;
}

}  // namespace gatehouse::acme
