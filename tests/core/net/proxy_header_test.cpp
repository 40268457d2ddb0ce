#include "core/net/proxy_header.hpp"

#include <doctest/doctest.h>

#include <string>

#include "core/base/bytes.hpp"

namespace proxy_header_test {

using namespace gatehouse;
using net::parse_proxy_header;
using net::ProxyHeader;

namespace {

const std::string signature = from_hex("0d0a0d0a000d0a515549540a").value();
const std::string v2_tcp4 =
    from_hex("0d0a0d0a000d0a515549540a2111000cc000020ac6336407c82201bb").value();
const std::string v2_tcp6_checked =
    from_hex(
        "0d0a0d0a000d0a515549540a2121004220010db800000000000000000000000a20010db8000000000000000000"
        "000443c82201bb02000f7777772e6578616d706c652e636f6d010002683203000423dc1db8")
        .value();

std::string v2(std::string_view rest_hex) { return signature + from_hex(rest_hex).value(); }

/// Every proper prefix of a header asks for more; the whole is understood and its length is right.
ProxyHeader read_piece_by_piece(const std::string& header) {
  for (std::size_t cut = 0; cut < header.size(); ++cut) {
    const auto partial = parse_proxy_header(std::string_view(header).substr(0, cut));
    INFO("cut at " << cut);
    REQUIRE(partial.has_value());
    CHECK(partial->length == 0);
  }
  const auto whole = parse_proxy_header(header + "\x16 what the client says");
  REQUIRE(whole.has_value());
  CHECK(whole->length == header.size());
  return *whole;
}

}  // namespace

TEST_CASE("a version 1 header tells both addresses and ends where the client begins") {
  const ProxyHeader v4 = read_piece_by_piece("PROXY TCP4 192.0.2.10 198.51.100.7 51234 443\r\n");
  CHECK(v4.source.to_string() == "192.0.2.10");
  CHECK(v4.destination.to_string() == "198.51.100.7");
  CHECK(v4.source_port == 51234);
  CHECK(v4.destination_port == 443);
  CHECK_FALSE(v4.local);
  const ProxyHeader v6 = read_piece_by_piece("PROXY TCP6 2001:db8::a 2001:db8::443 1 65535\r\n");
  CHECK(v6.source.to_string() == "2001:db8::a");
  CHECK(v6.destination_port == 65535);
}

TEST_CASE("a version 1 header of unknown family leaves the real peer in place") {
  CHECK(read_piece_by_piece("PROXY UNKNOWN\r\n").local);
  CHECK(read_piece_by_piece("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n").local);
}

TEST_CASE("a version 2 header tells both addresses and ends where the client begins") {
  const ProxyHeader v4 = read_piece_by_piece(v2_tcp4);
  CHECK(v4.source.to_string() == "192.0.2.10");
  CHECK(v4.destination.to_string() == "198.51.100.7");
  CHECK(v4.source_port == 51234);
  CHECK(v4.destination_port == 443);
  CHECK(v4.length == 28);
}

TEST_CASE("a version 2 header with a name, a protocol and a checksum that fits is accepted") {
  const ProxyHeader v6 = read_piece_by_piece(v2_tcp6_checked);
  CHECK(v6.length == 82);
  CHECK(v6.source.to_string() == "2001:db8::a");
  CHECK(v6.destination.to_string() == "2001:db8::443");
  CHECK(v6.source_port == 51234);
}

TEST_CASE("a balancer that speaks for itself leaves the real peer in place") {
  CHECK(read_piece_by_piece(v2("20000000")).local);
  CHECK(read_piece_by_piece(v2("20110003ffffff")).local);  // what follows is skipped
  CHECK(read_piece_by_piece(v2("21000000")).local);        // an unspecified family
}

TEST_CASE("an IPv4-mapped source is told as IPv4") {
  const ProxyHeader header =
      read_piece_by_piece(v2("21210024"
                             "00000000000000000000ffffc000020a"
                             "00000000000000000000ffffc6336407"
                             "c82201bb"));
  CHECK(header.source.to_string() == "192.0.2.10");
}

TEST_CASE("whatever is no header is refused at its first wrong octet") {
  struct Row {
    const char* what;
    std::string bytes;
  };
  std::string altered = v2_tcp6_checked;
  altered[20] ^= 1;
  const Row rows[] = {
      {"a TLS record", "\x16\x03\x01"},
      {"an HTTP request", "GET / HTTP/1.1\r\n"},
      {"POST, which begins like PROXY", "PO"},
      {"lower case", "proxy TCP4 192.0.2.10 198.51.100.7 1 2\r\n"},
      {"no space after PROXY", "PROXYTCP4 "},
      {"two spaces", "PROXY  TCP4 192.0.2.10 198.51.100.7 1 2\r\n"},
      {"unknown family", "PROXY UDP4 192.0.2.10 198.51.100.7 1 2\r\n"},
      {"a word that only begins with UNKNOWN", "PROXY UNKNOWNS\r\n"},
      {"IPv6 addresses as TCP4", "PROXY TCP4 2001:db8::a 2001:db8::b 1 2\r\n"},
      {"IPv4 addresses as TCP6", "PROXY TCP6 192.0.2.10 198.51.100.7 1 2\r\n"},
      {"leading zero in an address", "PROXY TCP4 192.0.2.010 198.51.100.7 1 2\r\n"},
      {"a zone", "PROXY TCP6 fe80::1%1 2001:db8::b 1 2\r\n"},
      {"leading zero in a port", "PROXY TCP4 192.0.2.10 198.51.100.7 01 2\r\n"},
      {"a port too large", "PROXY TCP4 192.0.2.10 198.51.100.7 65536 2\r\n"},
      {"a signed port", "PROXY TCP4 192.0.2.10 198.51.100.7 +1 2\r\n"},
      {"no second port", "PROXY TCP4 192.0.2.10 198.51.100.7 1\r\n"},
      {"an empty port", "PROXY TCP4 192.0.2.10 198.51.100.7 1 \r\n"},
      {"a word too many", "PROXY TCP4 192.0.2.10 198.51.100.7 1 2 3\r\n"},
      {"a bare line feed", "PROXY TCP4 192.0.2.10 198.51.100.7 1 2\n\r\n"},
      {"no line end within 107 octets", "PROXY UNKNOWN " + std::string(93, 'x')},
      {"version 1 in a binary header", v2("11110000")},
      {"version 3", v2("31110000")},
      {"unknown command", v2("22110000")},
      {"unknown family in binary", v2("21410000")},
      {"unknown transport", v2("21130000")},
      {"shorter than its addresses", v2("2111000bc000020ac6336407c82201")},
      {"longer than 4096 octets", v2("21111000")},
      {"a checksum that does not fit", altered},
      {"a field cut short", v2("2111000ec000020ac6336407c82201bb0400")},
      {"a field longer than the header", v2("2111000fc000020ac6336407c82201bb040001")},
      {"a checksum of two octets", v2("21110011c000020ac6336407c82201bb0300020000")},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    const auto parsed = parse_proxy_header(row.bytes);
    CHECK_FALSE(parsed.has_value());
    if (!parsed) CHECK(parsed.error().fault() == Fault::bad_message);
  }
}

TEST_CASE("a unique id of more than 128 octets is refused, one of 128 is not") {
  const auto with_id = [](std::size_t octets) {
    const std::size_t length = 12 + 3 + octets;
    std::string header = signature + from_hex("2111").value();
    header += static_cast<char>(length >> 8);
    header += static_cast<char>(length & 0xFF);
    header += from_hex("c000020ac6336407c82201bb05").value();
    header += static_cast<char>(octets >> 8);
    header += static_cast<char>(octets & 0xFF);
    return header + std::string(octets, 'i');
  };
  CHECK(parse_proxy_header(with_id(128)).has_value());
  CHECK_FALSE(parse_proxy_header(with_id(129)).has_value());
}

TEST_CASE("a header that is written reads back as what it told, in both versions") {
  ProxyHeader told;
  told.source_port = 51234;
  told.destination_port = 443;
  for (const int version : {1, 2}) {
    for (const char* family : {"v4", "v6", "mixed"}) {
      INFO("version " << version << ", " << family);
      const bool from_v6 = std::string_view(family) == "v6";
      const bool to_v6 = std::string_view(family) != "v4";
      told.source = asio::ip::make_address(from_v6 ? "2001:db8::a" : "192.0.2.10");
      told.destination = asio::ip::make_address(to_v6 ? "2001:db8::443" : "198.51.100.7");
      const ProxyHeader read = read_piece_by_piece(net::write_proxy_header(version, told));
      CHECK(read.source == told.source);
      CHECK(read.destination == told.destination);
      CHECK(read.source_port == 51234);
      CHECK(read.destination_port == 443);
      CHECK_FALSE(read.local);
    }
  }
}

TEST_CASE("written headers are those of the protocol's description, octet by octet") {
  ProxyHeader told;
  told.source = asio::ip::make_address("192.0.2.10");
  told.destination = asio::ip::make_address("198.51.100.7");
  told.source_port = 51234;
  told.destination_port = 443;
  CHECK(net::write_proxy_header(1, told) == "PROXY TCP4 192.0.2.10 198.51.100.7 51234 443\r\n");
  CHECK(net::write_proxy_header(2, told) == v2_tcp4);
  told.local = true;
  CHECK(net::write_proxy_header(1, told) == "PROXY UNKNOWN\r\n");
  CHECK(net::write_proxy_header(2, told) == v2("20000000"));
}

}  // namespace proxy_header_test
