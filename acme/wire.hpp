#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/error.hpp"

/// What ACME puts on the wire (RFC 8555 §7.1), both ways: replies become these types or an Error,
/// types become payloads. Past this door nothing is JSON any more. Members that are not known are
/// ignored, challenge types that are not known are kept as they are, and every URL is a whole https
/// URL.
namespace gatehouse::acme {

constexpr std::size_t most_reply_bytes = 1024 * 1024;
constexpr std::size_t most_certificate_bytes = 100 * 1000;
constexpr std::size_t most_certificates = 10;

struct Directory {
  std::string new_nonce;
  std::string new_account;
  std::string new_order;
  std::string revoke_cert;
  std::string key_change;
  std::string renewal_info;      // empty: not offered
  std::string terms_of_service;  // empty: none
  bool eab_required = false;
  std::vector<std::string> profiles;
};

/// What a certificate is for: a DNS name or an IP address (RFC 8738).
struct Identifier {
  std::string type;  // "dns" or "ip"; others are never asked for
  std::string value;
  bool operator==(const Identifier&) const = default;
};

/// `host` in normal form: an address becomes "ip", everything else "dns".
Identifier identifier_of(const std::string& host);

struct Subproblem {
  std::string type;
  std::string detail;
  std::string identifier;
};

/// A problem document (RFC 7807, RFC 8555 §6.7). `type` without the ACME prefix and empty where it
/// is missing or about:blank; texts are escaped and cut short, fit for a log line.
struct Problem {
  std::string type;
  std::string detail;
  int status = 0;
  std::string instance;
  std::vector<Subproblem> subproblems;
  std::vector<std::string> algorithms;  // with badSignatureAlgorithm
};

enum class OrderStatus { pending, ready, processing, valid, invalid, unknown };

struct Order {
  std::string url;  // from Location, not from the body
  OrderStatus status = OrderStatus::unknown;
  std::vector<Identifier> identifiers;      // in any order
  std::vector<std::string> authorizations;  // in any order
  std::string finalize;
  std::string certificate;  // with `valid`
  std::optional<Problem> error;
  std::optional<std::chrono::seconds> retry_after;  // from the header
};

enum class ChallengeStatus { pending, processing, valid, invalid, unknown };

struct Challenge {
  std::string type;
  std::string url;
  std::string token;  // empty: the type has none
  ChallengeStatus status = ChallengeStatus::unknown;
  std::optional<Problem> error;
};

enum class AuthorizationStatus { pending, valid, invalid, deactivated, expired, revoked, unknown };

struct Authorization {
  std::string url;  // where it was fetched
  Identifier identifier;
  bool wildcard = false;
  AuthorizationStatus status = AuthorizationStatus::unknown;
  std::vector<Challenge> challenges;
  std::optional<std::chrono::seconds> retry_after;  // from the header
};

enum class AccountStatus { valid, deactivated, revoked, unknown };

struct Account {
  AccountStatus status = AccountStatus::unknown;
};

Result<Directory> parse_directory(std::string_view json);
Result<Account> parse_account(std::string_view json);
Result<Order> parse_order(std::string_view json);
Result<Authorization> parse_authorization(std::string_view json);
Result<Challenge> parse_challenge(std::string_view json);
/// Never fails: what is no problem document becomes one with the status alone and the first bytes
/// of the text as detail (proxies in front of CAs answer in HTML).
Problem parse_problem(std::string_view body, int http_status);

struct NewAccount {
  std::string email;  // empty: no contact
  bool only_existing = false;
  std::string binding;  // a flattened JWS; empty: none
};
std::string account_payload(const NewAccount& account);
std::string order_payload(const std::vector<Identifier>& identifiers, const std::string& profile);
std::string finalize_payload(std::string_view csr_der);
std::string revoke_payload(std::string_view certificate_der, std::optional<int> reason);
std::string key_change_payload(const std::string& account_url, const std::string& old_jwk);
std::string deactivate_payload();

/// RFC 8555 §8.1: the base64url alphabet. 1 to 128 octets of it are taken.
bool valid_token(std::string_view token);
/// RFC 8555 §6.5.1.
bool valid_nonce(std::string_view nonce);

/// Seconds or an HTTP date (RFC 9110 §10.2.3); not negative, at most a year.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, Wall now);
/// "… retry after 2026-11-21 02:03:04 UTC …": where a CA says it in words only.
std::optional<Wall> retry_time_in(std::string_view detail);

/// The targets of one relation among the values of Link fields (RFC 8288 §3), https URLs only.
std::vector<std::string> links(const std::vector<std::string>& values, std::string_view relation);

}  // namespace gatehouse::acme
