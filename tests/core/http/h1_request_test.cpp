#include <doctest/doctest.h>

#include "tests/core/http/bench.hpp"

namespace h1_request_test {

using namespace gatehouse;
using namespace gatehouse::http;
using namespace gatehouse::test;

namespace {

struct Refused {
  std::string name;
  int status;
  std::string request;
};

std::string get_with(const std::string& lines) {
  return "GET / HTTP/1.1\r\nHost: a.example\r\n" + lines + "\r\n";
}
std::string post_with(const std::string& lines, const std::string& body = "") {
  return "POST / HTTP/1.1\r\nHost: a.example\r\n" + lines + "\r\n" + body;
}
std::string line_is(const std::string& line) { return line + "\r\nHost: a.example\r\n\r\n"; }

std::string many_fields(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) lines += "X-" + std::to_string(i) + ": a\r\n";
  return lines;
}

// What no request head may look like.
const std::vector<Refused> refused_heads = {
    {"no Host", 400, "GET / HTTP/1.1\r\n\r\n"},
    {"two Hosts", 400, get_with("Host: b.example\r\n")},
    {"two equal Hosts", 400, get_with("Host: a.example\r\n")},
    {"a list as Host", 400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"},
    {"an empty Host", 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
    {"userinfo in Host", 400, "GET / HTTP/1.1\r\nHost: u@a.example\r\n\r\n"},
    {"a path in Host", 400, "GET / HTTP/1.1\r\nHost: a.example/x\r\n\r\n"},
    {"port 0", 400, "GET / HTTP/1.1\r\nHost: a.example:0\r\n\r\n"},
    {"port 65536", 400, "GET / HTTP/1.1\r\nHost: a.example:65536\r\n\r\n"},
    {"a port with a sign", 400, "GET / HTTP/1.1\r\nHost: a.example:+80\r\n\r\n"},
    {"IPv6 without brackets", 400, "GET / HTTP/1.1\r\nHost: 2001:db8::1\r\n\r\n"},
    {"a zone id in Host", 400, "GET / HTTP/1.1\r\nHost: [fe80::1%eth0]\r\n\r\n"},
    {"space before Host's colon", 400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
    {"tab before Host's colon", 400, "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n"},
    {"space before the colon of an ordinary field", 400, get_with("X-A : a\r\n")},
    {"space before the colon of Content-Length", 400, post_with("Content-Length : 3\r\n", "abc")},
    {"space before the colon of Transfer-Encoding", 400,
     post_with("Transfer-Encoding : chunked\r\n", "0\r\n\r\n")},
    {"whitespace before the first field", 400, "GET / HTTP/1.1\r\n Host: a.example\r\n\r\n"},
    {"obs-fold", 400, get_with("X-A: a\r\n b\r\n")},
    {"folded Transfer-Encoding", 400, post_with("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")},
    {"bare LF after the request line", 400, "GET / HTTP/1.1\nHost: a.example\r\n\r\n"},
    {"bare LF after a field", 400, "GET / HTTP/1.1\r\nHost: a.example\nX: y\r\n\r\n"},
    {"bare LF as the empty line", 400, "GET / HTTP/1.1\r\nHost: a.example\r\n\n"},
    {"bare LF only", 400, "GET / HTTP/1.1\nHost: a.example\n\n"},
    {"leading bare LF", 400, "\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n"},
    {"leading bare CR", 400, "\rGET / HTTP/1.1\r\nHost: a.example\r\n\r\n"},
    {"five leading empty lines", 400, "\r\n\r\n\r\n\r\n\r\n" + get_with("")},
    {"bare CR in a value", 400, get_with("X-A: a\rb\r\n")},
    {"CR as the line end before Transfer-Encoding", 400,
     get_with("X:\rTransfer-Encoding: chunked\r\n")},
    {"CR as separator", 400, "GET / HTTP/1.1\rHost: a.example\r\r"},
    {"CR and an octet at the head's end", 400, "GET / HTTP/1.1\r\nHost: a.example\r\n\rX"},
    {"NUL in a value", 400, get_with(std::string("X-A: a\0b\r\n", 10))},
    {"NUL in a name", 400, get_with(std::string("X\0A: a\r\n", 8))},
    {"a control octet in a value", 400, get_with("X-A: a\x01z\r\n")},
    {"DEL in a value", 400, get_with("X-A: a\x7f\r\n")},
    {"an empty name", 400, get_with(": a\r\n")},
    {"a field without colon", 400, get_with("X-A\r\n")},
    {"a name that is no token", 400, get_with("X(A): a\r\n")},
    {"a name with raw octets", 400, get_with("X\xc3\xa4: a\r\n")},
    {"Content-Length, then Transfer-Encoding", 400,
     post_with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
    {"Transfer-Encoding, then Content-Length", 400,
     post_with("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n")},
    {"two equal Content-Length", 400,
     post_with("Content-Length: 3\r\nContent-Length: 3\r\n", "abc")},
    {"two different Content-Length", 400,
     post_with("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd")},
    {"Content-Length with plus", 400, post_with("Content-Length: +3\r\n", "abc")},
    {"Content-Length with minus", 400, post_with("Content-Length: -3\r\n", "abc")},
    {"Content-Length in hex", 400, post_with("Content-Length: 0x3\r\n", "abc")},
    {"Content-Length with a space inside", 400, post_with("Content-Length: 3 4\r\n", "abc")},
    {"empty Content-Length", 400, post_with("Content-Length:\r\n")},
    {"a list as Content-Length", 400, post_with("Content-Length: 3,3\r\n", "abc")},
    {"a spaced list as Content-Length", 400, post_with("Content-Length: 3, 3\r\n", "abc")},
    {"Content-Length of 20 digits", 400, post_with("Content-Length: 18446744073709551615\r\n")},
    {"Content-Length past 2^64", 400, post_with("Content-Length: 18446744073709551616\r\n")},
    {"chunked twice", 400, post_with("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n")},
    {"two Transfer-Encoding lines", 400,
     post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
    {"xchunked", 400, post_with("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")},
    {"chunked with a parameter", 400, post_with("Transfer-Encoding: chunked;a=b\r\n", "0\r\n\r\n")},
    {"chunked in quotes", 400, post_with("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n")},
    {"Transfer-Encoding identity", 400, post_with("Transfer-Encoding: identity\r\n")},
    {"Transfer-Encoding gzip", 400, post_with("Transfer-Encoding: gzip\r\n")},
    {"chunked not last", 400, post_with("Transfer-Encoding: chunked, gzip\r\n")},
    {"empty Transfer-Encoding", 400, post_with("Transfer-Encoding:\r\n")},
    {"empty Transfer-Encoding and a length", 400,
     post_with("Transfer-Encoding:\r\nContent-Length: 3\r\n", "abc")},
    {"an empty member before chunked", 400,
     post_with("Transfer-Encoding: ,chunked\r\n", "0\r\n\r\n")},
    {"VT before chunked", 400, post_with("Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n")},
    {"gzip under chunked", 501, post_with("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")},
    {"identity under chunked", 501,
     post_with("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n")},
    {"Transfer-Encoding in HTTP/1.0", 400,
     "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {"two spaces after the method", 400, line_is("GET  / HTTP/1.1")},
    {"two spaces before the version", 400, line_is("GET /  HTTP/1.1")},
    {"tabs as separators", 400, line_is("GET\t/\tHTTP/1.1")},
    {"a space after the version", 400, line_is("GET / HTTP/1.1 ")},
    {"a space before the method", 400, line_is(" GET / HTTP/1.1")},
    {"a space in the target", 400, line_is("GET /a b HTTP/1.1")},
    {"no version", 400, line_is("GET /")},
    {"HTTP/1.10", 400, line_is("GET / HTTP/1.10")},
    {"lower-case http", 400, line_is("GET / http/1.1")},
    {"HTTP/11", 400, line_is("GET / HTTP/11")},
    {"ICE", 400, line_is("SOURCE / ICE/1.0")},
    {"RTSP", 400, line_is("DESCRIBE / RTSP/1.0")},
    {"HTTP/2.0", 505, line_is("GET / HTTP/2.0")},
    {"HTTP/0.9", 505, line_is("GET / HTTP/0.9")},
    {"HTTP/1.2", 505, line_is("GET / HTTP/1.2")},
    {"HTTP/3.0", 505, line_is("GET / HTTP/3.0")},
    {"the HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
    {"PRI as a method", 400, line_is("PRI / HTTP/1.1")},
    {"a method that is no token", 400, line_is("GE(T / HTTP/1.1")},
    {"an unknown method", 501, line_is("FROBNICATE / HTTP/1.1")},
    {"a lower-case method", 501, line_is("get / HTTP/1.1")},
    {"an RTSP method over HTTP", 501, line_is("DESCRIBE / HTTP/1.1")},
    {"CONNECT", 405, line_is("CONNECT b.example:443 HTTP/1.1")},
    {"TRACE", 405, line_is("TRACE / HTTP/1.1")},
    {"a fragment", 400, line_is("GET /#x HTTP/1.1")},
    {"raw octets in the target", 400, line_is("GET /\xc3\xa4 HTTP/1.1")},
    {"asterisk with GET", 400, line_is("GET * HTTP/1.1")},
    {"authority-form with GET", 400, line_is("GET b:80 HTTP/1.1")},
    {"a relative target", 400, line_is("GET a/b HTTP/1.1")},
    {"userinfo in the target", 400, line_is("GET http://u@b/ HTTP/1.1")},
    {"another scheme", 400, line_is("GET ftp://b/ HTTP/1.1")},
    {"an absolute target without host", 400, line_is("GET http:///x HTTP/1.1")},
    {"an absolute target without Host field", 400, "GET http://b/ HTTP/1.1\r\n\r\n"},
    {"the other scheme on this connection", 421, line_is("GET https://b/ HTTP/1.1")},
    {"a target of 9 KiB", 414, line_is("GET /" + std::string(9 * 1024, 'a') + " HTTP/1.1")},
    {"a head of 70 KiB", 431, get_with("X-A: " + std::string(70 * 1024, 'a') + "\r\n")},
    {"600 fields", 431, get_with(many_fields(600))},
    {"two Authorization", 400,
     get_with("Authorization: Basic YTpi\r\nauthorization: Bearer c\r\n")},
    {"two equal Authorization", 400,
     get_with("Authorization: Basic YTpi\r\nAuthorization: Basic YTpi\r\n")},
    {"Expect: foo", 417, post_with("Expect: foo\r\nContent-Length: 3\r\n")},
    {"Expect twice", 417,
     post_with("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 3\r\n")},
    {"Expect with a list", 417, post_with("Expect: 100-continue, x\r\nContent-Length: 3\r\n")},
    {"a WebSocket upgrade with a body", 400,
     get_with("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 3\r\n")},
};

}  // namespace

TEST_CASE("a head that could be read in two ways is answered with an error and a close") {
  for (const Refused& row : refused_heads) {
    CAPTURE(row.name);
    H1ServerSettings settings;
    settings.scheme = Scheme::http;
    ServerBench bench(&echo_target, settings);
    // What follows must never be taken for a request.
    const std::string answer = bench.talk(row.request + get_with(""));
    CHECK(status_of(answer) == row.status);
    CHECK(bench.connection.refusal().status == row.status);
    CHECK(answer.find("\r\nConnection: close\r\n") != std::string::npos);
    CHECK(answer.find("\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n") != std::string::npos);
    CHECK(occurrences(answer, "HTTP/1.1 ") == 1);
    CHECK(bench.exchanges == 0);
    CHECK(bench.client->closed());
    CHECK((row.status == 405) == (answer.find("\r\nAllow: GET") != std::string::npos));
  }
}

TEST_CASE("a refused head is refused the same when it comes octet by octet") {
  for (const Refused& row : refused_heads) {
    CAPTURE(row.name);
    H1ServerSettings settings;
    settings.scheme = Scheme::http;
    ServerBench bench(&echo_target, settings);
    bench.client->at_most(1);
    CHECK(status_of(bench.talk(row.request)) == row.status);
    CHECK(bench.exchanges == 0);
  }
}

namespace {

RequestHead parsed(const std::string& text, Scheme scheme = Scheme::any) {
  RequestHead head;
  const Refusal refusal = parse_request_head({text}, scheme, head);
  CAPTURE(refusal.reason);
  CHECK(refusal.status == 0);
  return head;
}

}  // namespace

TEST_CASE("a request head tells host, target and framing apart from its fields") {
  const std::string text =
      "POST /a/b?c=d?e HTTP/1.1\r\nHOST: A.Example.:8443\r\nContent-Length: 003\r\n"
      "X-A: \t one two \t\r\nx-a: three\r\n\r\n";
  const RequestHead head = parsed(text);
  CHECK(head.version == Version::http11);
  CHECK(head.method == "POST");
  CHECK(head.path == "/a/b");
  CHECK(head.query == "c=d?e");
  CHECK(head.has_query);
  CHECK(head.authority == "A.Example.:8443");
  CHECK(head.host == "a.example");
  CHECK(head.port == 8443);
  CHECK(head.length.kind == BodyLength::Kind::counted);
  CHECK(head.length.bytes == 3);
  REQUIRE(head.fields.size() == 2);
  CHECK(head.fields.begin()->name == "X-A");
  CHECK(head.fields.begin()->value == "one two");
  CHECK((head.fields.begin() + 1)->value == "three");
}

TEST_CASE("targets in their allowed forms") {
  SUBCASE("a query may be empty") {
    const std::string text = line_is("GET /a? HTTP/1.1");
    const RequestHead head = parsed(text);
    CHECK(head.has_query);
    CHECK(head.query.empty());
  }
  SUBCASE("absolute-form: its authority replaces Host") {
    const std::string text = line_is("GET HTTP://B.example:81/x?y HTTP/1.1");
    const RequestHead head = parsed(text, Scheme::http);
    CHECK(head.host == "b.example");
    CHECK(head.port == 81);
    CHECK(head.authority == "B.example:81");
    CHECK(head.path == "/x");
    CHECK(head.query == "y");
  }
  SUBCASE("absolute-form without a path") {
    const std::string text = line_is("GET http://b.example?y HTTP/1.1");
    const RequestHead head = parsed(text);
    CHECK(head.path == "/");
    CHECK(head.query == "y");
  }
  SUBCASE("OPTIONS for the server as a whole") {
    CHECK(parsed(line_is("OPTIONS * HTTP/1.1")).path == "*");
    CHECK(parsed(line_is("OPTIONS http://b.example HTTP/1.1")).path == "*");
    CHECK(parsed(line_is("OPTIONS http://b.example/ HTTP/1.1")).path == "/");
  }
  SUBCASE("what browsers leave raw passes unchanged") {
    const std::string text = line_is("GET /a|b{c}\"^`<>\\?x=[1] HTTP/1.1");
    const RequestHead head = parsed(text);
    CHECK(head.path == "/a|b{c}\"^`<>\\");
  }
}

TEST_CASE("hosts in their allowed forms") {
  struct Row {
    std::string name, host, normal;
    std::uint16_t port;
  };
  const std::vector<Row> rows = {
      {"a name", "www.Example.com", "www.example.com", 0},
      {"an empty port", "a.example:", "a.example", 0},
      {"the highest port", "a.example:65535", "a.example", 65535},
      {"an IPv4 address", "192.0.2.1:80", "192.0.2.1", 80},
      {"an IPv6 address", "[2001:DB8::1]:443", "2001:db8::1", 443},
      {"an underscore", "a_b.example", "a_b.example", 0},
      {"a single label", "localhost:8080", "localhost", 8080},
      {"an A-label", "xn--bcher-kva.example", "xn--bcher-kva.example", 0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const std::string text = "GET / HTTP/1.1\r\nHost: " + row.host + "\r\n\r\n";
    const RequestHead head = parsed(text);
    CHECK(head.host == row.normal);
    CHECK(head.port == row.port);
    CHECK(head.authority == row.host);
  }
  CHECK(parsed("GET / HTTP/1.0\r\n\r\n").host.empty());
}

TEST_CASE("obs-text in a value passes as it is") {
  const std::string text = get_with("X-A: \xff\x80z\r\n");
  CHECK(parsed(text).fields.find("x-a") == "\xff\x80z");
}

TEST_CASE("chunked is found whatever its case and whitespace") {
  const std::string text = post_with("Transfer-Encoding: \t CHUNKED \r\n");
  const RequestHead head = parsed(text);
  CHECK(head.length.kind == BodyLength::Kind::streamed);
  CHECK(head.fields.empty());
}

TEST_CASE("Expect counts only where a body was announced, and never in HTTP/1.0") {
  CHECK(parsed(post_with("Expect: 100-Continue\r\nContent-Length: 3\r\n")).expects_continue);
  CHECK_FALSE(parsed(get_with("Expect: 100-continue\r\n")).expects_continue);
  CHECK_FALSE(
      parsed("POST / HTTP/1.0\r\nExpect: odd\r\nContent-Length: 3\r\n\r\n").expects_continue);
}

TEST_CASE("a WebSocket upgrade is one only when all of it is there") {
  const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const std::string version = "Sec-WebSocket-Version: 13\r\n";
  const std::string ask = "Connection: keep-alive, UPGRADE\r\nUpgrade: h2c, WebSocket\r\n";
  CHECK(parsed(get_with(ask + key + version)).websocket);
  CHECK(parsed(get_with(ask + key + "Sec-WebSocket-Version: 8\r\n")).websocket);
  CHECK_FALSE(parsed(get_with(ask + version)).websocket);
  CHECK_FALSE(parsed(get_with(ask + key)).websocket);
  CHECK_FALSE(parsed(get_with(ask + "Sec-WebSocket-Key: short\r\n" + version)).websocket);
  CHECK_FALSE(parsed(get_with("Upgrade: websocket\r\n" + key + version)).websocket);
  CHECK_FALSE(
      parsed(get_with("Connection: upgrade\r\nUpgrade: h2c\r\n" + key + version)).websocket);
  CHECK_FALSE(parsed("GET / HTTP/1.0\r\n" + ask + key + version + "\r\n").websocket);
  CHECK_FALSE(parsed(post_with(ask + key + version)).websocket);
}

TEST_CASE("a connection persists by version and Connection options, and close wins") {
  struct Row {
    std::string name;
    Version version;
    std::string lines;
    bool persists;
  };
  const std::vector<Row> rows = {
      {"1.1 by default", Version::http11, "", true},
      {"1.1 with close", Version::http11, "Connection: close\r\n", false},
      {"1.1 with both", Version::http11, "Connection: Close, keep-alive\r\n", false},
      {"1.1 with both on two lines", Version::http11,
       "Connection: keep-alive\r\nConnection: close\r\n", false},
      {"1.0 by default", Version::http10, "", false},
      {"1.0 with keep-alive", Version::http10, "Connection: Keep-Alive\r\n", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    Fields fields;
    REQUIRE_FALSE(split_fields(row.lines, fields));
    CHECK(persists(row.version, fields) == row.persists);
  }
}

}  // namespace h1_request_test
