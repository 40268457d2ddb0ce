#include "proxy/serve/forwarded_fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

#include "core/base/address_text.hpp"
#include "core/base/bytes.hpp"
#include "core/http/header_rules.hpp"

namespace gatehouse::serve {
namespace {

using boost::asio::ip::address;
using http::FieldName;

constexpr std::size_t most_hops = 20;
constexpr std::size_t most_hop_bytes = 2048;

/// Takes the last element off a comma list.
std::string_view take_last(std::string_view& list) {
  const auto comma = list.rfind(',');
  std::string_view last = comma == std::string_view::npos ? list : list.substr(comma + 1);
  list = comma == std::string_view::npos ? std::string_view() : list.substr(0, comma);
  return http::trim(last);
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`, each
/// perhaps in quotes: proxies write all of them.
std::optional<address> address_in(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  if (!text.empty() && text.front() == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return {};
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return {};
    text = text.substr(1, end - 1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    text = text.substr(0, text.find(':'));
  }
  if (text.empty() || text.size() > 45 || text.find('%') != std::string_view::npos) return {};
  boost::system::error_code failed;
  const address parsed = boost::asio::ip::make_address(std::string(text), failed);
  if (failed) return {};
  return unmapped(parsed);
}

bool contained(std::span<const Cidr> blocks, const address& ip) {
  return std::any_of(blocks.begin(), blocks.end(), [&](const Cidr& b) { return b.contains(ip); });
}

// What no client may tell, and what a trusted proxy may.
constexpr http::FieldNames never_told = http::spoofable | http::FieldNames{FieldName::x_real_ip};
constexpr http::FieldNames told_by_trusted =
    http::forwarded_family | http::FieldNames{FieldName::x_request_id};

std::string joined(const http::Fields& fields, std::string_view name) {
  std::string out;
  for (const http::Field& line : fields) {
    if (!equal_ignoring_case(line.name, name) || line.value.empty()) continue;
    if (!out.empty()) out += ", ";
    out += line.value;
  }
  return out;
}

void append_to_list(http::Fields& fields, std::string_view name, std::string_view value) {
  std::string list = joined(fields, name);
  if (!list.empty()) list += ", ";
  list += value;
  fields.set(name, fields.keep(list));
}

std::string_view port_text(std::uint16_t port, std::array<char, 5>& room) {
  return {room.data(), std::to_chars(room.data(), room.data() + room.size(), port).ptr};
}

/// What Via says of us; `via_name` received it so (RFC 9110 §7.6.3).
std::string_view received_by_us(http::Version version) {
  static constexpr std::array<std::string_view, 3> texts = {"1.0 gatehouse", "1.1 gatehouse",
                                                            "2.0 gatehouse"};
  static_assert(std::all_of(texts.begin(), texts.end(),
                            [](std::string_view text) { return text.ends_with(via_name); }));
  return texts[static_cast<std::size_t>(version)];
}

/// A node as RFC 7239 §6 writes it.
std::string forwarded_element(const Hop& hop) {
  const bool v6 = hop.peer.is_v6();
  std::string out = v6 ? "for=\"[" + hop.peer.to_string() + "]\"" : "for=" + hop.peer.to_string();
  out.append(";proto=").append(hop.scheme);
  return out;
}

}  // namespace

ClientAddress resolve_client(const http::Fields& fields, const address& peer,
                             std::span<const Cidr> trusted) {
  ClientAddress client{unmapped(peer), false};
  if (trusted.empty() || !contained(trusted, client.ip)) return client;
  client.peer_trusted = true;

  std::size_t hops = 0;
  std::size_t bytes = 0;
  for (auto line = fields.end(); line != fields.begin();) {
    --line;
    if (!equal_ignoring_case(line->name, "X-Forwarded-For")) continue;
    std::string_view list = line->value;
    while (!list.empty()) {
      const std::size_t before = list.size();
      const std::string_view entry = take_last(list);
      bytes += before - list.size();
      if (++hops > most_hops || bytes > most_hop_bytes) return client;
      const auto ip = address_in(entry);
      if (!ip) return client;
      client.ip = *ip;
      if (!contained(trusted, *ip)) return client;
    }
  }
  return client;  // all are trusted: the leftmost
}

void remove_spoofable(http::Fields& fields, bool peer_trusted) {
  const http::FieldNames removed = peer_trusted ? never_told : never_told | told_by_trusted;
  if (!fields.may_have(removed | http::FieldNames{FieldName::underscored})) return;
  fields.remove_if([&](const http::Field& line) {
    return removed.has(line.which) ||
           (line.which == FieldName::underscored && http::imitates_protected(line.name));
  });
}

void write_forwarded(http::Fields& fields, const Hop& hop) {
  AddressRoom room;
  const std::string_view peer = fields.keep(address_text(unmapped(hop.peer), room));
  if (hop.peer_trusted) {
    append_to_list(fields, "X-Forwarded-For", peer);
    if (fields.find("Forwarded")) append_to_list(fields, "Forwarded", forwarded_element(hop));
  } else {
    fields.add({"X-Forwarded-For", peer, FieldName::x_forwarded});
  }
  // Unless a trusted proxy already told it. What anybody else told is gone by now.
  const auto tell = [&](std::string_view name, std::string_view value, FieldName which) {
    if (!hop.peer_trusted || !fields.find(name)) fields.add({name, value, which});
  };
  tell("X-Forwarded-Proto", hop.scheme, FieldName::x_forwarded);
  if (!hop.authority.empty()) tell("X-Forwarded-Host", hop.authority, FieldName::x_forwarded);
  if (hop.port != 0) {
    std::array<char, 5> digits;
    const std::string_view port = fields.keep(port_text(hop.port, digits));
    tell("X-Forwarded-Port", port, FieldName::x_forwarded);
  }
  const bool direct = hop.client_ip == hop.peer;
  fields.add({"X-Real-IP", direct ? peer : fields.keep(address_text(unmapped(hop.client_ip), room)),
              FieldName::x_real_ip});
  if (!hop.request_id.empty()) tell("X-Request-Id", hop.request_id, FieldName::x_request_id);
  const std::string_view via = received_by_us(hop.version);
  if (fields.find(FieldName::via)) {
    append_to_list(fields, "Via", via);
  } else {
    fields.add({"Via", via, FieldName::via});
  }
}

std::size_t times_in_via(const http::Fields& fields) {
  std::size_t times = 0;
  if (!fields.may_have({FieldName::via})) return times;
  for (const http::Field& line : fields) {
    if (line.which != FieldName::via) continue;
    std::string_view list = line.value;
    while (!list.empty()) {
      const std::string_view entry = take_last(list);
      const auto space = entry.find_first_of(" \t");
      if (space == std::string_view::npos) continue;
      std::string_view by = http::trim(entry.substr(space));
      by = by.substr(0, by.find_first_of(" \t"));  // a comment may follow
      times += equal_ignoring_case(by, via_name) ? 1 : 0;
    }
  }
  return times;
}

}  // namespace gatehouse::serve
