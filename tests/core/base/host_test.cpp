#include "core/base/host.hpp"

#include <doctest/doctest.h>

#include "core/base/cidr.hpp"
#include "core/base/url.hpp"

namespace host_test {

using namespace gatehouse;

TEST_CASE("a host is brought to its normal form") {
  const std::pair<const char*, const char*> rows[] = {
      {"Example.COM", "example.com"}, {"example.com.", "example.com"},
      {"a_b.example", "a_b.example"}, {"xn--bcher-kva.example", "xn--bcher-kva.example"},
      {"192.0.2.1", "192.0.2.1"},     {"[2001:DB8:0:0::1]", "2001:db8::1"},
      {"localhost", "localhost"}};
  for (const auto& [text, normal] : rows) {
    const auto& shown = text;  // clang 14 captures no structured binding
    CAPTURE(shown);
    const auto host = normal_host(text);
    REQUIRE(host.has_value());
    CHECK(*host == normal);
  }
}

TEST_CASE("what is no host is refused") {
  const std::string rows[] = {"",
                              ".",
                              "a..b",
                              ".a",
                              "-a.b",
                              "a-.b",
                              "a b",
                              "a/b",
                              "b\xc3\xbc.example",
                              "1.2.3",
                              "256.1.1.1",
                              "[::1",
                              "[a.b]",
                              "fe80::1%eth0",
                              "a.b:80",
                              std::string(64, 'a'),
                              std::string(300, 'a'),
                              std::string("a\0b", 3)};
  for (const std::string& text : rows) {
    const auto& shown = text;  // clang 14 captures no structured binding
    CAPTURE(shown);
    CHECK_FALSE(normal_host(text).has_value());
  }
}

TEST_CASE("the wildcard of a host is one label up") {
  CHECK(wildcard_of("a.b.example") == "*.b.example");
  CHECK(wildcard_of("localhost").empty());
  CHECK(wildcard_of("192.0.2.1").empty());
}

TEST_CASE("reverse names are those of the DNS") {
  CHECK(reverse_name(boost::asio::ip::make_address("192.0.2.1")) == "1.2.0.192.in-addr.arpa");
  CHECK(reverse_name(boost::asio::ip::make_address("2001:db8::1")) ==
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST_CASE("local names are those that no public CA may certify") {
  for (const char* host :
       {"localhost", "a.localhost", "printer.local", "x.internal", "nas.home.arpa", "intranet",
        "127.0.0.1", "10.1.2.3", "::1", "fd00::1"}) {
    CAPTURE(host);
    CHECK(is_local_host(host));
  }
  for (const char* host : {"example.com", "192.0.2.1", "2001:db8::1", "notlocal.example"}) {
    CAPTURE(host);
    CHECK_FALSE(is_local_host(host));
  }
}

TEST_CASE("an address block contains its addresses and no others") {
  const auto in = [](const char* block, const char* address) {
    return Cidr::parse(block).value().contains(boost::asio::ip::make_address(address));
  };
  CHECK(in("10.0.0.0/8", "10.255.0.1"));
  CHECK_FALSE(in("10.0.0.0/8", "11.0.0.0"));
  CHECK(in("10.0.0.0/8", "::ffff:10.1.1.1"));
  CHECK(in("192.0.2.128/25", "192.0.2.200"));
  CHECK_FALSE(in("192.0.2.128/25", "192.0.2.100"));
  CHECK(in("2001:db8::/32", "2001:db8:ffff::1"));
  CHECK_FALSE(in("2001:db8::/32", "192.0.2.1"));
  CHECK(in("0.0.0.0/0", "8.8.8.8"));
  for (const char* bad : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/a", "example.com", "", "::/129"}) {
    CAPTURE(bad);
    CHECK_FALSE(Cidr::parse(bad).has_value());
  }
}

TEST_CASE("a URL is taken apart") {
  const auto url = Url::parse("HTTPS://Example.com:8443/dir?a=b#frag");
  REQUIRE(url.has_value());
  CHECK(url->host == "example.com");
  CHECK(url->target == "/dir?a=b");
  CHECK(url->text() == "https://example.com:8443/dir?a=b");
  CHECK(Url::parse("http://a.example")->text() == "http://a.example/");
  CHECK(Url::parse("http://a.example?x")->target == "/?x");
  CHECK(Url::parse("https://[::1]/")->authority() == "[::1]");
}

TEST_CASE("what is no plain http or https URL is refused") {
  for (const char* text :
       {"", "example.com", "ftp://a/", "http://", "http://u@a/", "http://a:0/", "http://a:65536/",
        "http://a:x/", "http://a b/", "http://a/\r\n", "http://::1/", "http://a/\x80"}) {
    const auto& shown = text;  // clang 14 captures no structured binding
    CAPTURE(shown);
    CHECK_FALSE(Url::parse(text).has_value());
  }
}

TEST_CASE("host and port are read in every form") {
  CHECK(HostPort::parse("localhost:3000", 80)->port == 3000);
  CHECK(HostPort::parse("localhost", 80)->port == 80);
  CHECK(HostPort::parse("[::1]:81", 80)->host == "::1");
  CHECK_FALSE(HostPort::parse("::1:80", 80).has_value());
  CHECK_FALSE(HostPort::parse(":80", 80).has_value());
}

}  // namespace host_test
