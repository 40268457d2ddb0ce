#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "config/model.hpp"
#include "core/base/asio.hpp"
#include "core/base/clock.hpp"
#include "core/base/error.hpp"

namespace gatehouse::acme {

struct AskAnswer {
  int status = 0;
  std::optional<std::chrono::seconds> max_age;  // of Cache-Control
};

/// One GET to the operator's `ask` URL.
class AskTransport {
 public:
  virtual ~AskTransport() = default;
  virtual awaitable<Result<AskAnswer>> ask(std::string url, Steady deadline) = 0;
};

enum class AskReason { issue, load, renew };

/// What is remembered of names until a time; bounded: the oldest entry leaves first.
template <class Value>
class Remembered {
 public:
  explicit Remembered(std::size_t most) : most_(most) {}

  /// Null: nothing, or no longer.
  const Value* find(const std::string& key, Steady now) {
    const auto at = found_.find(key);
    if (at == found_.end()) return nullptr;
    if (at->second->until > now) return &at->second->value;
    forget(key);
    return nullptr;
  }
  void put(const std::string& key, Value value, Steady until) {
    forget(key);
    if (order_.size() >= most_) forget(std::string(order_.front().key));
    found_[key] = order_.insert(order_.end(), Item{key, std::move(value), until});
  }
  void forget(const std::string& key) {
    const auto at = found_.find(key);
    if (at == found_.end()) return;
    order_.erase(at->second);
    found_.erase(at);
  }
  void clear() {
    found_.clear();
    order_.clear();
  }
  std::size_t size() const { return order_.size(); }

 private:
  struct Item {
    std::string key;
    Value value;
    Steady until;
  };
  std::size_t most_;
  std::list<Item> order_;  // oldest first
  std::unordered_map<std::string, typename std::list<Item>::iterator> found_;
};

/// Counts events per key in a sliding span; bounded: at most `most` keys, and where they are all
/// busy a new key is refused rather than an old one forgotten.
class RateTable {
 public:
  explicit RateTable(std::size_t most) : most_(most) {}
  bool allows(const std::string& key, const config::Rate& rate, Steady now);
  /// Requires: allows() said yes just now.
  void count(const std::string& key, const config::Rate& rate, Steady now);
  std::size_t size() const { return events_.size(); }

 private:
  void drop_idle(const config::Rate& rate, Steady now);

  std::size_t most_;
  std::unordered_map<std::string, std::deque<Steady>> events_;
};

/// Whether a certificate may be ordered for a name first seen in a handshake. Knows nothing of
/// orders; belongs to the control thread.
class OnDemandGate {
 public:
  /// Both outlive it.
  OnDemandGate(Clock& clock, AskTransport& ask);

  /// Forgets what was denied, keeps what was counted.
  void configure(config::OnDemand settings);
  const config::OnDemand& settings() const { return settings_; }

  /// What was denied or failed for this name not long ago.
  std::optional<Error> remembered(const std::string& host);
  void remember_failure(const std::string& host, const Error& error, Steady until);
  void forget(const std::string& host) { denied_.forget(host); }
  /// The operator allows it by a pattern of `allow`.
  bool lists(std::string_view host) const;

  /// `allow` patterns, then `ask`; both answers are remembered. Fault::denied where the answer is
  /// no, or where there is none (it fails closed).
  awaitable<Result<void>> decide(std::string host, asio::ip::address client, AskReason reason);
  /// Takes one from each of the three rates, or from none. Fault::limit.
  Result<void> spend(const std::string& host, const asio::ip::address& client);

 private:
  awaitable<Result<void>> ask_operator(std::string host, asio::ip::address client,
                                       AskReason reason);
  Result<void> deny(const std::string& host, std::string why, config::Duration remember);

  Clock& clock_;
  AskTransport& ask_;
  config::OnDemand settings_;
  Remembered<Error> denied_;
  Remembered<bool> allowed_;
  RateTable all_;
  RateTable domains_;
  RateTable clients_;
};

/// A name that a public CA could certify for a stranger: a DNS name with a dot, no local one, not
/// absurdly deep, and none of the repeated labels by which CAs recognise recursion behind wildcard
/// DNS. Fault::denied says what is wrong.
Result<void> check_on_demand_name(std::string_view host);
/// `*.parent` stands for one label; anything else for itself.
bool matches_pattern(std::string_view pattern, std::string_view host);
/// IPv4 /24, IPv6 /56: what counts as one client.
std::string client_block(const asio::ip::address& client);

}  // namespace gatehouse::acme
