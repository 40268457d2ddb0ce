#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/error.hpp"

namespace gatehouse::acme {

/// An account at one CA. The key is stored before the account is created (`url` empty then), so
/// that a crash in between finds the account again by its key.
struct AccountRecord {
  std::string directory;     // the directory URL it belongs to: an account is never used elsewhere
  std::string url;           // the CA's name for it (`kid`); empty: not known yet
  std::string email;         // the contact it was made with
  std::string terms;         // the terms of service that were agreed to
  std::string key_pem;       // in a file of its own: account.key
  std::string next_key_pem;  // a key change under way (account-next.key); empty: none
};

/// An order under way. Written before the order is made (`url` empty), after, and before each step
/// that cannot be taken back.
struct PendingOrder {
  std::string url;  // empty: not made yet, or its reply was lost
  std::string account_url;
  std::vector<std::string> names;  // sorted
  std::string key_type;
  std::string profile;
  std::string key_pem;    // of the certificate to come
  std::string challenge;  // the kind that is answered, or will be first; empty: not known yet
  Wall started{};
};

/// What failed before and when to try again. The keeper's: the order runner carries it along
/// unchanged.
struct Backoff {
  std::uint32_t attempts = 0;  // failures in a row
  Wall first_failure{};
  Wall last_failure{};
  Wall next_attempt{};
  bool permanent = false;
  std::string problem;
  std::string detail;
};

/// orders/HOST.json. Two writers that never overlap: the issuer between the call of issue() and its
/// return, the keeper at any other time. Each loads, changes its own part and saves.
struct OrderRecord {
  std::optional<PendingOrder> order;
  std::vector<std::string> failed_challenges;  // kinds that failed since the last success
  Backoff backoff;
};

/// Keeps accounts and orders. `ca` is ca_storage_name() of the directory URL, `host` as in
/// IssueRequest. Each call is durable when it returns, and blocks: from a coroutine run it on the
/// HelperPool. Any thread. What is damaged is an Error of Fault::bad_message; what is not there is
/// an empty optional.
class OrderStore {
 public:
  virtual ~OrderStore() = default;
  virtual Result<std::optional<AccountRecord>> load_account(const std::string& ca) = 0;
  /// Key first, then the record that names it.
  virtual Result<void> save_account(const std::string& ca, const AccountRecord& account) = 0;
  /// Moves the account's files aside under a name that says when; load_account finds nothing then.
  virtual Result<void> archive_account(const std::string& ca, Wall now) = 0;

  virtual Result<std::optional<OrderRecord>> load_order(const std::string& ca,
                                                        const std::string& host) = 0;
  virtual Result<void> save_order(const std::string& ca, const std::string& host,
                                  const OrderRecord& record) = 0;
  virtual Result<void> remove_order(const std::string& ca, const std::string& host) = 0;
};

/// Host and path of the directory URL with '/' and ':' as '-': the CA's folder.
std::string ca_storage_name(std::string_view directory_url);

/// The files' text (acme/wire.cpp). The account's keys are not in its text.
std::string to_json(const AccountRecord& account);
Result<AccountRecord> account_record_from_json(std::string_view text);
std::string to_json(const OrderRecord& record);
Result<OrderRecord> order_record_from_json(std::string_view text);

}  // namespace gatehouse::acme
