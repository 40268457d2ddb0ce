#include "core/net/proxy_header.hpp"

#include <array>
#include <charconv>
#include <optional>

#include "core/base/cidr.hpp"

namespace gatehouse::net {
namespace {

using std::string_view_literals::operator""sv;

constexpr auto signature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t v2_fixed = 16;
constexpr std::size_t v1_longest = 107;
constexpr std::uint8_t tlv_crc32c = 0x03;
constexpr std::uint8_t tlv_unique_id = 0x05;

Error bad(std::string_view why) {
  return Error(Fault::bad_message, Side::client, "PROXY header: " + std::string(why));
}

std::uint8_t octet(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint16_t number16(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(octet(bytes, at) << 8 | octet(bytes, at + 1));
}

/// CRC-32C (Castagnoli, reflected), bit by bit: once per connection over a few dozen octets.
std::uint32_t crc32c(std::uint32_t crc, std::uint8_t next) {
  crc ^= next;
  for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78U : 0U);
  return crc;
}

/// Over the whole header, the four octets of the sum itself taken as zero.
std::uint32_t checksum(std::string_view header, std::size_t sum_at) {
  std::uint32_t crc = ~0U;
  for (std::size_t i = 0; i < header.size(); ++i) {
    crc = crc32c(crc, i >= sum_at && i < sum_at + 4 ? std::uint8_t{0} : octet(header, i));
  }
  return ~crc;
}

/// The chain of type-length-value fields must fill the header exactly; a checksum must fit.
Result<void> check_fields(std::string_view header, std::size_t at) {
  while (at < header.size()) {
    if (header.size() - at < 3) return bad("a field is cut short");
    const std::uint8_t type = octet(header, at);
    const std::size_t length = number16(header, at + 1);
    at += 3;
    if (header.size() - at < length) return bad("a field is longer than the header");
    if (type == tlv_unique_id && length > 128) return bad("the unique id is too long");
    if (type == tlv_crc32c) {
      if (length != 4) return bad("the checksum has an impossible length");
      const auto told =
          static_cast<std::uint32_t>(number16(header, at)) << 16 | number16(header, at + 2);
      if (checksum(header, at) != told) return bad("the checksum does not fit");
    }
    at += length;
  }
  return {};
}

asio::ip::address v4_at(std::string_view bytes, std::size_t at) {
  asio::ip::address_v4::bytes_type octets;
  for (std::size_t i = 0; i < octets.size(); ++i) octets[i] = octet(bytes, at + i);
  return asio::ip::address_v4(octets);
}

asio::ip::address v6_at(std::string_view bytes, std::size_t at) {
  asio::ip::address_v6::bytes_type octets;
  for (std::size_t i = 0; i < octets.size(); ++i) octets[i] = octet(bytes, at + i);
  return unmapped(asio::ip::address_v6(octets));
}

Result<ProxyHeader> parse_v2(std::string_view bytes) {
  ProxyHeader header;
  if (bytes.size() < v2_fixed) return header;
  const std::uint8_t version = octet(bytes, 12) >> 4;
  const std::uint8_t command = octet(bytes, 12) & 0x0F;
  const std::uint8_t family = octet(bytes, 13) >> 4;
  const std::uint8_t transport = octet(bytes, 13) & 0x0F;
  const std::size_t length = v2_fixed + number16(bytes, 14);
  if (version != 2) return bad("unknown version");
  if (command > 1) return bad("unknown command");
  if (family > 3 || transport > 2) return bad("unknown address family or transport");
  if (length > most_proxy_header) return bad("longer than 4096 octets");
  if (bytes.size() < length) return header;
  const std::string_view whole = bytes.substr(0, length);
  static constexpr std::array<std::size_t, 4> address_octets = {0, 12, 36, 216};
  const std::size_t addresses = address_octets[family];
  header.length = length;
  header.local = command == 0 || family == 0 || family == 3;
  if (command == 0) return header;  // LOCAL: whatever follows is skipped
  if (length - v2_fixed < addresses) return bad("shorter than its addresses");
  const auto fields = check_fields(whole, v2_fixed + addresses);
  if (!fields) return fields.error();
  if (family == 1) {
    header.source = v4_at(whole, 16);
    header.destination = v4_at(whole, 20);
    header.source_port = number16(whole, 24);
    header.destination_port = number16(whole, 26);
  } else if (family == 2) {
    header.source = v6_at(whole, 16);
    header.destination = v6_at(whole, 32);
    header.source_port = number16(whole, 48);
    header.destination_port = number16(whole, 50);
  }
  return header;
}

/// Cuts the next word off `line`; words are parted by exactly one space.
std::string_view word(std::string_view& line) {
  const std::size_t space = line.find(' ');
  const std::string_view found = line.substr(0, space);
  line = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  return found;
}

std::optional<std::uint16_t> port_of(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text.front() == '0')) return {};
  unsigned value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || value > 65535) return {};
  return static_cast<std::uint16_t>(value);
}

std::optional<asio::ip::address> address_of_family(std::string_view text, bool v6) {
  boost::system::error_code failed;
  const std::string copy(text);
  if (v6) {
    const auto address = asio::ip::make_address_v6(copy, failed);
    if (failed || address.scope_id() != 0) return {};
    return unmapped(address);
  }
  const auto address = asio::ip::make_address_v4(copy, failed);
  if (failed) return {};
  return asio::ip::address(address);
}

Result<ProxyHeader> parse_v1(std::string_view bytes) {
  ProxyHeader header;
  const std::size_t end = bytes.substr(0, v1_longest).find("\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() >= v1_longest) return bad("no line end within 107 octets");
    return header;
  }
  std::string_view line = bytes.substr(0, end);
  header.length = end + 2;
  word(line);  // "PROXY"
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) {
    header.local = true;
    return header;
  }
  const std::string_view family = word(line);
  if (family != "TCP4" && family != "TCP6") return bad("unknown address family");
  const auto source = address_of_family(word(line), family == "TCP6");
  const auto destination = address_of_family(word(line), family == "TCP6");
  const auto source_port = port_of(word(line));
  const auto destination_port = port_of(line);  // the rest: a further word is no port
  if (!source || !destination) return bad("not an address of its family");
  if (!source_port || !destination_port) return bad("not a port");
  header.source = *source;
  header.destination = *destination;
  header.source_port = *source_port;
  header.destination_port = *destination_port;
  return header;
}

/// True while `bytes` may still become `wanted` followed by more.
bool begins(std::string_view bytes, std::string_view wanted) {
  const std::size_t both = std::min(bytes.size(), wanted.size());
  return bytes.substr(0, both) == wanted.substr(0, both);
}

asio::ip::address_v6 as_v6(const asio::ip::address& address) {
  if (address.is_v6()) return address.to_v6();
  return asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4());
}

/// Both addresses in one family, as the header wants them.
struct Ends {
  explicit Ends(const ProxyHeader& header)
      : v4(header.source.is_v4() && header.destination.is_v4()),
        source(v4 ? header.source : as_v6(header.source)),
        destination(v4 ? header.destination : as_v6(header.destination)) {}
  bool v4;
  asio::ip::address source;
  asio::ip::address destination;
};

std::string write_v1(const ProxyHeader& header) {
  if (header.local) return "PROXY UNKNOWN\r\n";
  const Ends ends(header);
  return std::string(ends.v4 ? "PROXY TCP4 " : "PROXY TCP6 ") + ends.source.to_string() + ' ' +
         ends.destination.to_string() + ' ' + std::to_string(header.source_port) + ' ' +
         std::to_string(header.destination_port) + "\r\n";
}

void append16(std::string& out, std::size_t number) {
  out += static_cast<char>(number >> 8 & 0xFF);
  out += static_cast<char>(number & 0xFF);
}

template <class Octets>
void append(std::string& out, const Octets& octets) {
  for (const auto each : octets) out += static_cast<char>(each);
}

std::string write_v2(const ProxyHeader& header) {
  std::string out(signature);
  if (header.local) {
    append(out, std::array<std::uint8_t, 4>{0x20, 0, 0, 0});
    return out;
  }
  const Ends ends(header);
  out += '\x21';
  out += ends.v4 ? '\x11' : '\x21';  // over TCP
  append16(out, ends.v4 ? 12 : 36);
  for (const asio::ip::address* end : {&ends.source, &ends.destination}) {
    if (ends.v4) {
      append(out, end->to_v4().to_bytes());
    } else {
      append(out, end->to_v6().to_bytes());
    }
  }
  append16(out, header.source_port);
  append16(out, header.destination_port);
  return out;
}

}  // namespace

Result<ProxyHeader> parse_proxy_header(std::string_view bytes) {
  if (begins(bytes, signature)) return parse_v2(bytes);
  if (!begins(bytes, "PROXY ")) return bad("the connection does not begin with one");
  if (bytes.size() < 6) return ProxyHeader();
  return parse_v1(bytes);
}

std::string write_proxy_header(int version, const ProxyHeader& header) {
  return version == 1 ? write_v1(header) : write_v2(header);
}

}  // namespace gatehouse::net
