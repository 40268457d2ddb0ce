// Any octets are a reply of a CA or an Error; what was read keeps the promises of acme/wire.hpp.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "acme/order_store.hpp"
#include "acme/wire.hpp"
#include "core/base/url.hpp"

namespace {

using namespace gatehouse;
using namespace gatehouse::acme;

void must(bool promise) {
  if (!promise) std::abort();
}

void must_be_https(const std::string& url) {
  const auto parsed = Url::parse(url);
  must(parsed && parsed->secure());
}

void must_be_printable(const std::string& text) {
  for (const char c : text) must(c >= 0x20 && c < 0x7F);
}

void check(const Problem& problem) {
  must_be_printable(problem.type);
  must_be_printable(problem.detail);
  for (const Subproblem& sub : problem.subproblems) must_be_printable(sub.detail + sub.identifier);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto directory = parse_directory(text)) must_be_https(directory->new_order);
  if (const auto order = parse_order(text)) {
    for (const std::string& url : order->authorizations) must_be_https(url);
    if (!order->certificate.empty()) must_be_https(order->certificate);
    if (order->error) check(*order->error);
  }
  if (const auto authorization = parse_authorization(text)) {
    for (const Challenge& challenge : authorization->challenges) {
      must_be_https(challenge.url);
      must(challenge.token.empty() || valid_token(challenge.token));
      if (challenge.error) check(*challenge.error);
    }
  }
  check(parse_problem(text, 400));
  (void)parse_account(text);
  (void)parse_challenge(text);
  (void)parse_retry_after(text, Wall{});
  (void)retry_time_in(text);
  for (const std::string& url : links({std::string(text)}, "alternate")) must_be_https(url);
  if (const auto record = order_record_from_json(text)) {
    const auto again = order_record_from_json(to_json(*record));
    must(again && again->order.has_value() == record->order.has_value());
  }
  (void)account_record_from_json(text);
  return 0;
}
