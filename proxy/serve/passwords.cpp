#include "proxy/serve/passwords.hpp"

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "core/base/clock.hpp"
#include "core/base/password_hash.hpp"
#include "core/tls/digest.hpp"

namespace gatehouse::serve {
namespace {

constexpr std::size_t key_octets = 32;

/// RFC 9110 §5.6.4
std::string quoted_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

/// Counts one who waits.
template <class Count>
class Waiting {
 public:
  explicit Waiting(Count& count) : count_(count) { ++count_; }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() { --count_; }

 private:
  Count& count_;
};

}  // namespace

/// One password that helpers are busy with, and who waits for it.
struct Passwords::Check {
  explicit Check(const asio::any_io_executor& executor) : done(executor, Steady::max()) {}
  std::optional<bool> right;
  // Helpers look at it: what nobody waits for any more is not worth a hash, at a stop least of all.
  const std::shared_ptr<std::atomic<std::size_t>> wanted =
      std::make_shared<std::atomic<std::size_t>>(0);
  asio::steady_timer done;  // set at Steady::max(), used as a condition
};

/// However a check ends, nobody waits for it any longer.
class Passwords::Ending {
 public:
  Ending(Passwords& passwords, Check& check, const Digest& digest)
      : passwords_(passwords), check_(check), digest_(digest) {}
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;
  ~Ending() {
    passwords_.under_way_.erase(digest_);
    if (!check_.right) check_.right = false;
    check_.done.cancel();
  }

 private:
  Passwords& passwords_;
  Check& check_;
  const Digest& digest_;
};

Users::Users(const config::BasicAuth& from) {
  for (const auto& [name, hash] : from.users) hashes.emplace(name, hash.value);
  const std::string realm = from.realm.empty() ? "Restricted" : from.realm;
  challenge = "Basic realm=" + quoted_string(realm) + ", charset=\"UTF-8\"";
}

const std::string* Users::hash_of(std::string_view user) const {
  const auto found = hashes.find(user);
  return found == hashes.end() ? nullptr : &found->second;
}

Passwords::Passwords(HelperPool& helpers, Entropy& entropy, net::Crew& crew, std::size_t lane)
    : helpers_(helpers), crew_(crew), lane_(lane), key_(entropy.octets(key_octets)) {}

Passwords::Digest Passwords::digest(std::string_view hash, std::string_view user,
                                    std::string_view password) const {
  std::string text;
  for (const std::string_view part : {hash, user, password}) {
    text.append(std::to_string(part.size())).append(":").append(part);
  }
  return tls::hmac_sha256(key_, text);
}

/// The hash that an unknown user is checked against. The same name always costs the same, and which
/// of the users' it is shows nothing.
const std::string& Passwords::decoy(const Users& users, std::string_view user) const {
  const std::string mac = tls::hmac_sha256(key_, user);
  auto chosen = users.hashes.begin();
  std::advance(chosen, static_cast<unsigned char>(mac[0]) % users.hashes.size());
  return chosen->second;
}

bool Passwords::remembers(const Users& users, std::string_view user, std::string_view password) {
  const std::string* hash = users.hash_of(user);
  if (hash == nullptr || (younger_.empty() && older_.empty())) return false;
  const Digest asked = digest(*hash, user, password);
  if (younger_.contains(asked)) return true;
  if (!older_.contains(asked)) return false;
  remember(asked);
  return true;
}

void Passwords::remember(const Digest& digest) {
  if (younger_.size() >= most_remembered / 2) {
    older_ = std::move(younger_);
    younger_.clear();
  }
  younger_.insert(digest);
}

awaitable<Passwords::Verdict> Passwords::check(const Users& users, std::string user,
                                               std::string password) {
  if (waiting_ >= most_waiting) co_return Verdict::busy;
  const std::string* known = users.hash_of(user);
  const std::string& hash = known ? *known : decoy(users, user);
  const Digest asked = digest(hash, user, password);
  std::shared_ptr<Check> check = under_way_[asked];
  const bool fresh = !check;
  if (fresh) check = std::make_shared<Check>(crew_.executor());
  const Waiting here(waiting_);
  const Waiting wants(*check->wanted);  // before a helper can look
  if (fresh) {
    under_way_[asked] = check;
    crew_.add(run(check, std::move(password), hash, asked));
  }
  while (!check->right) co_await check->done.async_wait(as_result);
  const bool fits = known != nullptr && *check->right;
  co_return fits ? Verdict::right : Verdict::wrong;
}

awaitable<void> Passwords::run(std::shared_ptr<Check> check, std::string password, std::string hash,
                               Digest digest) {
  auto job = [password = std::move(password), hash = std::move(hash), wanted = check->wanted] {
    return *wanted > 0 ? std::optional(password_fits(password, hash)) : std::nullopt;
  };
  const Ending ending(*this, *check, digest);
  std::optional<bool> right;
  do {  // again, where somebody came who wants it after all
    right = co_await helpers_.run_in_lane(lane_, job);
  } while (!right && *check->wanted > 0);
  if (!right) co_return;
  if (*right) remember(digest);
  check->right = right;
}

}  // namespace gatehouse::serve
