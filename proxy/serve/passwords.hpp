#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

#include "config/model.hpp"
#include "core/base/asio.hpp"
#include "core/base/entropy.hpp"
#include "core/base/helper_pool.hpp"
#include "core/net/crew.hpp"

namespace gatehouse::serve {

/// The users of a route's `basic_auth`. Lives in the snapshot.
struct Users {
  explicit Users(const config::BasicAuth& from);

  /// Null: no such user.
  const std::string* hash_of(std::string_view user) const;

  std::map<std::string, std::string, std::less<>> hashes;
  std::string challenge;  // value of WWW-Authenticate (RFC 7617 §2)
};

/// Checks passwords for one worker. Hashes are slow by design: they are made by helpers, a bounded
/// number of requests waits for them, each pair of user and password once at a time, and what was
/// right is remembered. What is remembered is a keyed digest of hash, user and password: it says
/// nothing to who reads it, and a user who gets another hash is asked anew.
class Passwords {
 public:
  enum class Verdict { right, wrong, busy };
  static constexpr std::size_t most_waiting = 256;  // requests
  static constexpr std::size_t most_remembered = 4096;

  /// `crew` and `lane`: the worker's, and where its hashes queue up (HelperPool).
  Passwords(HelperPool& helpers, Entropy& entropy, net::Crew& crew, std::size_t lane);

  /// Whether this is remembered as right. Never waits.
  bool remembers(const Users& users, std::string_view user, std::string_view password);
  /// Checks it; `users` lives until the call returns. An unknown user costs what a known one does.
  awaitable<Verdict> check(const Users& users, std::string user, std::string password);

  std::size_t waiting() const { return waiting_; }

 private:
  struct Check;
  class Ending;
  using Digest = std::string;

  Digest digest(std::string_view hash, std::string_view user, std::string_view password) const;
  const std::string& decoy(const Users& users, std::string_view user) const;
  awaitable<void> run(std::shared_ptr<Check> check, std::string password, std::string hash,
                      Digest digest);
  void remember(const Digest& digest);

  HelperPool& helpers_;
  net::Crew& crew_;
  std::size_t lane_;
  std::string key_;
  // The older half is forgotten when the younger one is full.
  std::unordered_set<Digest> younger_;
  std::unordered_set<Digest> older_;
  std::map<Digest, std::shared_ptr<Check>> under_way_;
  std::size_t waiting_ = 0;
};

}  // namespace gatehouse::serve
