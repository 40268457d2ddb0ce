#include <doctest/doctest.h>

#include "core/http/h2_fields.hpp"
#include "tests/support/h2_peer.hpp"

namespace h2_fields_test {

using namespace gatehouse;
using namespace gatehouse::http;
using test::h2::Pairs;

namespace {

struct Judged {
  Refusal refusal;
  RequestHead head;
};

Judged judge(const Pairs& fields, End end = End::last, Scheme scheme = Scheme::https) {
  Judged out;
  H2Block block({});
  block.begin(out.head.fields);
  for (const auto& [name, value] : fields) block.add(name, value);
  out.refusal = block.request(scheme, end, "0123456789abcdef", out.head);
  return out;
}

Pairs ask(const Pairs& more) { return test::h2::ask("GET", "/a?b=c", more); }

Pairs replaced(const std::string& name, const std::string& value) {
  Pairs out = ask({});
  for (auto& [key, each] : out) {
    if (key == name) each = value;
  }
  return out;
}

Pairs without(const std::string& name) {
  Pairs out = ask({});
  std::erase_if(out, [&](const auto& each) { return each.first == name; });
  return out;
}

}  // namespace

TEST_CASE("a header block becomes a head") {
  const Judged seen = judge(ask({{"te", "trailers"}, {"x", "y"}, {"content-length", "0"}}));
  CHECK(seen.refusal.status == 0);
  CHECK(seen.head.version == Version::http2);
  CHECK(seen.head.method == "GET");
  CHECK(seen.head.path == "/a");
  CHECK(seen.head.query == "b=c");
  CHECK(seen.head.authority == "a.example");
  CHECK(seen.head.host == "a.example");
  CHECK(seen.head.accepts_trailers);
  CHECK(seen.head.length.kind == BodyLength::Kind::counted);
  CHECK(seen.head.fields.count("content-length") == 0);
  CHECK(judge(ask({}), End::more).head.length.kind == BodyLength::Kind::streamed);
  CHECK(judge(ask({}), End::last).head.length.kind == BodyLength::Kind::none);
}

TEST_CASE("a Host stands in for the authority") {
  Pairs fields = without(":authority");
  fields.emplace_back("host", "b.example:8443");
  const Judged seen = judge(fields);
  CHECK(seen.refusal.status == 0);
  CHECK(seen.head.host == "b.example");
  CHECK(seen.head.port == 8443);
  CHECK(seen.head.fields.count("host") == 0);
}

TEST_CASE("what HTTP/2 does not allow in a request is malformed") {
  const std::vector<std::pair<std::string, Pairs>> rows = {
      {"no method", without(":method")},
      {"no scheme", without(":scheme")},
      {"no path", without(":path")},
      {"no authority", without(":authority")},
      {"empty path", replaced(":path", "")},
      {"path without slash", replaced(":path", "a")},
      {"absolute path", replaced(":path", "https://b.example/")},
      {"asterisk for GET", replaced(":path", "*")},
      {"fragment", replaced(":path", "/#x")},
      {"space in the path", replaced(":path", "/ HTTP/1.1")},
      {"line end in the path", replaced(":path", "/\r\nx: y")},
      {"space in the method", replaced(":method", "GET /admin HTTP/1.1")},
      {"PRI", replaced(":method", "PRI")},
      {"unknown scheme", replaced(":scheme", "ftp")},
      {"userinfo", replaced(":authority", "u@a.example")},
      {"two authorities in one", replaced(":authority", "a.example, b.example")},
      {"pseudo-field after a field", ask({{"x", "y"}, {":method", "GET"}})},
      {"pseudo-field twice", ask({{":path", "/"}})},
      {"unknown pseudo-field", ask({{":color", "red"}})},
      {"response's pseudo-field", ask({{":status", "200"}})},
      {"upper case", ask({{"X-Y", "z"}})},
      {"empty name", ask({{"", "z"}})},
      {"space in a name", ask({{"a b", "z"}})},
      {"line end in a name", ask({{"a\r\nb", "z"}})},
      {"line end in a value", ask({{"a", "x\r\ntransfer-encoding: chunked"}})},
      {"NUL in a value", ask({{"a", std::string("x\0y", 3)}})},
      {"space before a value", ask({{"a", " x"}})},
      {"tab after a value", ask({{"a", "x\t"}})},
      {"connection", ask({{"connection", "close"}})},
      {"proxy-connection", ask({{"proxy-connection", "close"}})},
      {"keep-alive", ask({{"keep-alive", "1"}})},
      {"transfer-encoding", ask({{"transfer-encoding", "chunked"}})},
      {"upgrade", ask({{"upgrade", "websocket"}})},
      {"te", ask({{"te", "gzip"}})},
      {"two hosts", ask({{"host", "a.example"}, {"host", "a.example"}})},
      {"another host", ask({{"host", "b.example"}})},
      {"authorization twice",
       ask({{"authorization", "Basic YTpi"}, {"authorization", "Bearer c"}})},
      {"content-length twice", ask({{"content-length", "0"}, {"content-length", "0"}})},
      {"content-length twice, bad first", ask({{"content-length", "+0"}, {"content-length", "0"}})},
      {"content-length of no body", ask({{"content-length", "3"}})},
      {"content-length with a sign", ask({{"content-length", "+0"}})},
      {"content-length list", ask({{"content-length", "0,0"}})},
      {"protocol without CONNECT", ask({{":protocol", "websocket"}})},
  };
  for (const auto& [what, fields] : rows) {
    const std::string& row = what;
    CAPTURE(row);
    CHECK(judge(fields).refusal.status == 400);
  }
}

TEST_CASE("requests that are well-formed and still refused get their status") {
  CHECK(judge({{":method", "CONNECT"}, {":authority", "b.example:443"}}).refusal.status == 405);
  CHECK(judge(replaced(":method", "TRACE")).refusal.status == 405);
  CHECK(judge(replaced(":scheme", "http")).refusal.status == 421);
  CHECK(judge(ask({{"expect", "foo"}})).refusal.status == 417);
  Pairs tunnel = test::h2::ask("CONNECT", "/");
  tunnel.insert(tunnel.begin(), {":protocol", "chat"});
  CHECK(judge(tunnel, End::more).refusal.status == 501);
  Pairs many = ask({});
  for (int i = 0; i < 101 + 6; ++i) many.emplace_back("a", "b");
  CHECK(judge(many).refusal.status == 431);
  CHECK(judge(ask({{"a", std::string(33 * 1024, 'x')}})).refusal.status == 431);
}

TEST_CASE("an extended CONNECT is the GET it would have been in HTTP/1.1") {
  Pairs tunnel = test::h2::ask("CONNECT", "/chat", {{"sec-websocket-key", "forged"}});
  tunnel.insert(tunnel.begin(), {":protocol", "websocket"});
  const Judged seen = judge(tunnel, End::more);
  CHECK(seen.refusal.status == 0);
  CHECK(seen.head.websocket);
  CHECK(seen.head.method == "GET");
  CHECK(seen.head.path == "/chat");
  CHECK(seen.head.length.kind == BodyLength::Kind::none);
  CHECK(seen.head.fields.find("sec-websocket-key") == "MDEyMzQ1Njc4OWFiY2RlZg==");
  CHECK(seen.head.fields.count("sec-websocket-key") == 1);
  CHECK(seen.head.fields.find("sec-websocket-version") == "13");
}

TEST_CASE("trailers keep to what trailers may say") {
  Fields fields;
  H2Block block({});
  block.begin(fields);
  block.add("x-sum", "1");
  block.add("host", "b.example");
  CHECK(block.trailers().status == 0);
  CHECK(fields.size() == 1);
  fields.clear();
  block.begin(fields);
  block.add(":path", "/");
  CHECK(block.trailers().status == 400);
}

TEST_CASE("a head on its way out carries its length and nothing of one connection") {
  H2Lines lines;
  ResponseHead head;
  head.status = 200;
  head.fields.add("Connection", "close");
  head.fields.add("Transfer-Encoding", "chunked");
  head.fields.add("X-Kept", "1");
  std::string text;
  const auto write = [&](std::span<const Field> out) {
    text.clear();
    for (const Field& line : out) {
      text.append(line.name).append("=").append(line.value).append(";");
    }
  };
  write(lines.response(head, "now"));
  CHECK(text == ":status=200;X-Kept=1;date=now;");
  head.length = BodyLength::streamed();
  write(lines.response(head, ""));
  CHECK(text == ":status=200;X-Kept=1;");
  RequestHead request;
  request.method = "POST";
  request.path = "/a";
  request.has_query = true;
  request.query = "b";
  request.authority = "c.example";
  request.accepts_trailers = true;
  request.length = BodyLength::counted(7);
  write(lines.request(request, "https"));
  CHECK(text ==
        ":method=POST;:scheme=https;:authority=c.example;:path=/a?b;content-length=7;te=trailers;");
}

}  // namespace h2_fields_test
