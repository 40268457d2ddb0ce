#include "proxy/serve/handlers/basic_auth.hpp"

#include "core/base/bytes.hpp"
#include "core/http/header_rules.hpp"
#include "proxy/serve/handlers/status.hpp"
#include "proxy/serve/worker.hpp"

namespace gatehouse::serve {
namespace {

// Hashing costs more the longer the password is.
constexpr std::size_t most_credential_octets = 1024;

awaitable<void> ask_for_password(Visit& visit) {
  visit.facts.rejected = "unauthorized";
  http::Fields more;
  more.add("WWW-Authenticate", visit.route.users->challenge);
  co_await send_status(visit.exchange, visit.facts, 401, more);
}

awaitable<void> say_busy(Visit& visit) {
  visit.facts.rejected = "overloaded";
  visit.facts.error = "too many passwords wait to be checked";
  http::Fields more;
  more.add("Retry-After", "1");
  co_await send_status(visit.exchange, visit.facts, 503, more);
}

}  // namespace

std::optional<Credentials> basic_credentials(std::string_view authorization) {
  constexpr std::string_view scheme = "basic ";
  if (authorization.size() > most_credential_octets) return {};
  if (!equal_ignoring_case(authorization.substr(0, scheme.size()), scheme)) return {};
  const auto decoded = from_base64_lenient(http::trim(authorization.substr(scheme.size())));
  if (!decoded) return {};
  const std::size_t colon = decoded->find(':');
  if (colon == std::string::npos || !http::is_field_value(*decoded)) return {};
  return Credentials{decoded->substr(0, colon), decoded->substr(colon + 1)};
}

awaitable<bool> answer_basic_auth(Visit& visit) {
  const auto authorization = visit.request().fields.find("Authorization");
  auto given = basic_credentials(authorization.value_or(std::string_view()));
  if (!given) {
    co_await ask_for_password(visit);
    co_return true;
  }
  const Users& users = *visit.route.users;
  Passwords& passwords = visit.worker.passwords;
  if (passwords.remembers(users, given->user, given->password)) co_return false;
  const Passwords::Verdict verdict =
      co_await passwords.check(users, std::move(given->user), std::move(given->password));
  switch (verdict) {
    case Passwords::Verdict::right:
      co_return false;
    case Passwords::Verdict::wrong:
      co_await ask_for_password(visit);
      break;
    case Passwords::Verdict::busy:
      co_await say_busy(visit);
      break;
  }
  co_return true;
}

}  // namespace gatehouse::serve
