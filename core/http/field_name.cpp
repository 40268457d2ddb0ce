#include "core/http/field_name.hpp"

#include <array>

#include "core/base/bytes.hpp"
#include "core/base/eight_octets.hpp"

namespace gatehouse::http {
namespace {

struct Entry {
  std::string_view name;
  FieldName which = FieldName::other;
};

constexpr auto entries = std::to_array<Entry>({
    {"alt-svc", FieldName::alt_svc},
    {"authorization", FieldName::authorization},
    {"client-cert", FieldName::client_cert},
    {"client-cert-chain", FieldName::client_cert},
    {"connection", FieldName::connection},
    {"content-length", FieldName::content_length},
    {"cookie", FieldName::cookie},
    {"date", FieldName::date},
    {"expect", FieldName::expect},
    {"forwarded", FieldName::forwarded},
    {"host", FieldName::host},
    {"http2-settings", FieldName::http2_settings},
    {"keep-alive", FieldName::keep_alive},
    {"proxy", FieldName::proxy},
    {"proxy-authenticate", FieldName::proxy_authenticate},
    {"proxy-authentication-info", FieldName::proxy_authentication_info},
    {"proxy-authorization", FieldName::proxy_authorization},
    {"proxy-connection", FieldName::proxy_connection},
    {"referer", FieldName::referer},
    {"set-cookie", FieldName::set_cookie},
    {"te", FieldName::te},
    {"trailer", FieldName::trailer},
    {"transfer-encoding", FieldName::transfer_encoding},
    {"upgrade", FieldName::upgrade},
    {"user-agent", FieldName::user_agent},
    {"via", FieldName::via},
    {"www-authenticate", FieldName::www_authenticate},
    {"x-client-verify", FieldName::client_cert},
    {"x-real-ip", FieldName::x_real_ip},
    {"x-request-id", FieldName::x_request_id},
});

// Families: all names that begin so.
constexpr auto families = std::to_array<Entry>({
    {"x-accel-", FieldName::x_accel},
    {"x-client-cert", FieldName::client_cert},
    {"x-forwarded-", FieldName::x_forwarded},
});

constexpr std::size_t slots = 128;

/// Length, first and last octet tell all entries apart; which multiples of them is found below.
struct Hash {
  unsigned first = 0;
  unsigned last = 0;

  constexpr std::size_t operator()(std::string_view name) const {
    constexpr unsigned any_case = 0x20;
    const unsigned a = static_cast<unsigned char>(name.front()) | any_case;
    const unsigned b = static_cast<unsigned char>(name.back()) | any_case;
    return (name.size() + a * first + b * last) % slots;
  }
};

constexpr bool tells_apart(Hash hash) {
  std::array<bool, slots> taken{};
  for (const Entry& entry : entries) {
    bool& slot = taken[hash(entry.name)];
    if (slot) return false;
    slot = true;
  }
  return true;
}

constexpr Hash hash_of_names = [] {
  for (unsigned first = 1; first < slots; ++first) {
    for (unsigned last = 1; last < slots; ++last) {
      if (tells_apart({first, last})) return Hash{first, last};
    }
  }
  return Hash{};
}();
static_assert(tells_apart(hash_of_names));

// Numbers of entries, the first one is 1; 0: none. Octets, because few names have an entry: for all
// others two lines of memory is all that is looked at.
constexpr auto table = [] {
  std::array<std::uint8_t, slots> made{};
  for (std::size_t i = 0; i < entries.size(); ++i) {
    made[hash_of_names(entries[i].name)] = static_cast<std::uint8_t>(i + 1);
  }
  return made;
}();

// Apart, because few names begin with an x.
[[gnu::noinline]] FieldName family_of(std::string_view name) {
  for (const Entry& family : families) {
    if (equal_ignoring_case(name.substr(0, family.name.size()), family.name)) return family.which;
  }
  return FieldName::other;
}

/// `entry` has letters in lower case, digits and '-' only, all of which have this bit, and `name`
/// no control octets: only the same octet, or the same letter, becomes one of them by it.
bool same_name(std::string_view entry, std::string_view name) {
  if (entry.size() != name.size()) return false;
  namespace eight = eight_octets;
  const auto differ = [&](std::size_t at) {
    return (eight::at(name.data() + at) | eight::all_of(0x20)) ^ eight::at(entry.data() + at);
  };
  if (name.size() < eight::count) {
    return (eight::few(name) | eight::all_of(0x20)) == (eight::few(entry) | eight::all_of(0x20));
  }
  const std::size_t last = name.size() - eight::count;
  std::uint64_t found = differ(last);
  for (std::size_t at = 0; at < last; at += eight::count) found |= differ(at);
  return found == 0;
}

}  // namespace

FieldName field_name(std::string_view name) {
  if (name.empty()) return FieldName::other;
  if (const std::size_t number = table[hash_of_names(name)]; number > 0) {
    const Entry& entry = entries[number - 1];
    if (same_name(entry.name, name)) return entry.which;
  }
  if (name.find('_') != std::string_view::npos) return FieldName::underscored;
  return to_lower(name.front()) == 'x' ? family_of(name) : FieldName::other;
}

}  // namespace gatehouse::http
