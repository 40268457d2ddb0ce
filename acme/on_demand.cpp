#include "acme/on_demand.hpp"

#include <algorithm>

#include "acme/registered_domain.hpp"
#include "core/base/bytes.hpp"
#include "core/base/cidr.hpp"
#include "core/base/host.hpp"

namespace gatehouse::acme {
namespace {

constexpr std::size_t most_remembered = 20'000;
constexpr std::size_t most_counted = 20'000;
constexpr std::size_t most_labels = 10;
// A yes without max-age: enough for the calls around one order, too short to outlive a customer.
constexpr std::chrono::seconds remember_yes{60};
constexpr std::chrono::seconds longest_memory{24 * 3600};

Error denied(std::string_view host, std::string why) {
  return Error(Fault::denied, Side::client, std::string(host) + ": " + std::move(why));
}

std::vector<std::string_view> labels_of(std::string_view host) {
  std::vector<std::string_view> labels;
  for (;;) {
    const auto dot = host.find('.');
    labels.push_back(host.substr(0, dot));
    if (dot == std::string_view::npos) return labels;
    host.remove_prefix(dot + 1);
  }
}

/// RFC 3986 §2.1. A host in normal form stays as it is; a name that a pattern lets through may not
/// be one, and must not add to the query.
std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    out += plain ? std::string(1, c) : "%" + hex(std::string_view(&c, 1));
  }
  return out;
}

std::string_view word(AskReason reason) {
  switch (reason) {
    case AskReason::issue:
      return "issue";
    case AskReason::load:
      return "load";
    case AskReason::renew:
      return "renew";
  }
  return "";
}

}  // namespace

Result<void> check_on_demand_name(std::string_view host) {
  if (as_address(host)) return denied(host, "an IP address");
  if (host.find('*') != std::string_view::npos) return denied(host, "a wildcard");
  if (host.find('_') != std::string_view::npos) return denied(host, "an underscore");
  const auto normal = normal_host(host);
  if (!normal || *normal != host) return denied(host, "no host name");
  const auto labels = labels_of(host);
  if (labels.size() < 2) return denied(host, "no dot");
  if (is_local_host(host)) return denied(host, "a local name");
  if (labels.size() > most_labels) return denied(host, "too many labels");
  // Names of four labels and more that repeat themselves are what wildcard DNS in front of an
  // on-demand proxy brings about; CAs refuse them.
  if (labels.size() >= 4) {
    for (std::size_t at = 0; at < labels.size(); ++at) {
      if (at > 0 && labels[at] == labels[at - 1]) return denied(host, "repeated labels");
      if (std::count(labels.begin(), labels.end(), labels[at]) > 2)
        return denied(host, "repeated labels");
    }
  }
  return {};
}

bool matches_pattern(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) return pattern == host;
  const auto dot = host.find('.');
  return dot != std::string_view::npos && dot > 0 && host.substr(dot + 1) == pattern.substr(2);
}

std::string client_block(const asio::ip::address& client) {
  const auto plain = unmapped(client);
  if (plain.is_v4()) {
    auto octets = plain.to_v4().to_bytes();
    octets[3] = 0;
    return asio::ip::address_v4(octets).to_string() + "/24";
  }
  auto octets = plain.to_v6().to_bytes();
  std::fill(octets.begin() + 7, octets.end(), static_cast<unsigned char>(0));
  return asio::ip::address_v6(octets).to_string() + "/56";
}

// --- rates -----------------------------------------------------------------------------------

bool RateTable::allows(const std::string& key, const config::Rate& rate, Steady now) {
  if (rate.count == 0) return false;
  const auto at = events_.find(key);
  if (at == events_.end()) {
    if (events_.size() < most_) return true;
    drop_idle(rate, now);
    return events_.size() < most_;
  }
  auto& events = at->second;
  while (!events.empty() && events.front() + rate.per <= now) events.pop_front();
  return events.size() < rate.count;
}

void RateTable::count(const std::string& key, const config::Rate& rate, Steady now) {
  auto& events = events_[key];
  events.push_back(now);
  while (events.size() > rate.count) events.pop_front();
}

void RateTable::drop_idle(const config::Rate& rate, Steady now) {
  std::erase_if(events_, [&](const auto& entry) {
    return entry.second.empty() || entry.second.back() + rate.per <= now;
  });
}

// --- the gate --------------------------------------------------------------------------------

OnDemandGate::OnDemandGate(Clock& clock, AskTransport& ask)
    : clock_(clock),
      ask_(ask),
      denied_(most_remembered),
      allowed_(most_remembered),
      all_(1),
      domains_(most_counted),
      clients_(most_counted) {}

void OnDemandGate::configure(config::OnDemand settings) {
  settings_ = std::move(settings);
  denied_.clear();
  allowed_.clear();
}

std::optional<Error> OnDemandGate::remembered(const std::string& host) {
  const Error* found = denied_.find(host, clock_.steady());
  if (found == nullptr) return std::nullopt;
  return *found;
}

void OnDemandGate::remember_failure(const std::string& host, const Error& error, Steady until) {
  denied_.put(host, error, until);
}

Result<void> OnDemandGate::deny(const std::string& host, std::string why,
                                config::Duration remember) {
  Error error = denied(host, std::move(why));
  allowed_.forget(host);
  denied_.put(host, error, clock_.steady() + remember);
  return error;
}

bool OnDemandGate::lists(std::string_view host) const {
  const auto fits = [host](const std::string& pattern) { return matches_pattern(pattern, host); };
  return std::any_of(settings_.allow.begin(), settings_.allow.end(), fits);
}

awaitable<Result<void>> OnDemandGate::decide(std::string host, asio::ip::address client,
                                             AskReason reason) {
  if (auto known = remembered(host)) co_return *known;
  if (allowed_.find(host, clock_.steady()) != nullptr) co_return Result<void>();
  if (lists(host)) co_return Result<void>();
  if (settings_.ask.empty()) co_return deny(host, "not on the allow list", settings_.deny_for);
  co_return co_await ask_operator(std::move(host), std::move(client), reason);
}

awaitable<Result<void>> OnDemandGate::ask_operator(std::string host, asio::ip::address client,
                                                   AskReason reason) {
  // An address holds nothing that a query would need escaped, but for the ':' of IPv6, which a
  // query may carry as it is (RFC 3986 §3.4).
  std::string url = settings_.ask;
  url += url.find('?') == std::string::npos ? '?' : '&';
  url += "domain=" + percent_encoded(host) + "&ip=" + unmapped(client).to_string() + "&reason=";
  url += word(reason);
  auto asking = ask_.ask(std::move(url), clock_.steady() + settings_.ask_timeout);
  auto answer = co_await std::move(asking);
  // Nobody who could say yes: that is a no, but a short one, for it may be over soon.
  if (!answer)
    co_return deny(host, "ask failed: " + answer.error().detail(),
                   std::min(settings_.deny_for, config::Duration(10'000)));
  const bool yes = answer->status >= 200 && answer->status <= 299;
  if (yes) {
    const auto remember = std::min(answer->max_age.value_or(remember_yes), longest_memory);
    allowed_.put(host, true, clock_.steady() + remember);
    co_return Result<void>();
  }
  config::Duration remember = settings_.deny_for;
  if (answer->max_age) remember = std::min(*answer->max_age, longest_memory);
  co_return deny(host, "ask answered " + std::to_string(answer->status), remember);
}

Result<void> OnDemandGate::spend(const std::string& host, const asio::ip::address& client) {
  const Steady now = clock_.steady();
  const std::string domain = registered_domain(host);
  const std::string block = client_block(client);
  if (!clients_.allows(block, settings_.rate_per_client, now))
    return Error(Fault::limit, Side::client, host + ": rate_per_client of " + block);
  if (!domains_.allows(domain, settings_.rate_per_domain, now))
    return Error(Fault::limit, Side::client, host + ": rate_per_domain of " + domain);
  if (!all_.allows(std::string(), settings_.rate, now))
    return Error(Fault::limit, Side::client, host + ": rate of all new names");
  clients_.count(block, settings_.rate_per_client, now);
  domains_.count(domain, settings_.rate_per_domain, now);
  all_.count(std::string(), settings_.rate, now);
  return {};
}

}  // namespace gatehouse::acme
