#include "proxy/serve/handlers/compressed_exchange.hpp"

#include <doctest/doctest.h>

#include "tests/proxy/serve/answers.hpp"
#include "tests/proxy/serve/bench.hpp"
#include "tests/support/decode.hpp"

namespace compress_test {

using namespace gatehouse;
using namespace gatehouse::serve;
using gatehouse::test::body_in;
using gatehouse::test::decoded;
using gatehouse::test::field_of;
using gatehouse::test::Script;
using gatehouse::test::status_of;
using http::Coding;

namespace {

const std::string long_text = [] {
  std::string text;
  while (text.size() < 5000) text += "a line of text\n";
  return text;
}();

/// A site that compresses what its server says.
struct CompressedSite {
  std::unique_ptr<serve::test::Bench> bench;
  std::shared_ptr<Script> client;
  std::shared_ptr<Script> server;

  explicit CompressedSite(config::Strings compress = {"zstd", "br", "gzip"}) {
    config::Config config;
    config::Backend backend;
    backend.name = "app";
    config::BackendServer made;
    made.host = "127.0.0.1";
    made.port = 9;
    made.text = "127.0.0.1:9";
    backend.servers.push_back(made);
    config::Route route;
    route.backend = "app";
    route.compress = std::move(compress);
    auto site = serve::test::site_for({"a.example"}, config::TlsMode::off, {route});
    config = serve::test::config_with({site});
    config.backends.push_back(backend);
    bench = std::make_unique<serve::test::Bench>(std::move(config));
    server = bench->dialer.lead();
    client = bench->connect();
  }
  /// What a client gets of an answer whose fields and body are these.
  std::string ask(const std::string& request_fields, const std::string& answer_head,
                  const std::string& body = long_text, const std::string& method = "GET") {
    begin(request_fields, method);
    return say("HTTP/1.1 " + answer_head + "\r\nContent-Length: " + std::to_string(body.size()) +
               "\r\n\r\n" + (method == "HEAD" ? "" : body));
  }
  void begin(const std::string& request_fields, const std::string& method = "GET") {
    bench->ask(client, method + " / HTTP/1.1\r\nHost: a.example\r\n" + request_fields + "\r\n");
    server->take_written();
  }
  std::string say(const std::string& octets) {
    server->send(octets);
    bench->settle();
    return client->take_written();
  }
};

const std::string accept_gzip = "Accept-Encoding: gzip\r\n";
const std::string text_ok = "200 OK\r\nContent-Type: text/plain";

}  // namespace

TEST_CASE("text is sent in the coding that the client likes best") {
  const std::vector<std::pair<std::string, Coding>> rows = {
      {"gzip", Coding::gzip},
      {"gzip, deflate, br", Coding::br},
      {"gzip, br, zstd", Coding::zstd},
      {"br;q=0.1, gzip;q=0.2", Coding::gzip},
  };
  for (const auto& [accepted, coding] : rows) {
    const auto& shown = accepted;  // clang 14 captures no structured binding
    CAPTURE(shown);
    CompressedSite site;
    const std::string answer =
        site.ask("Accept-Encoding: " + accepted + "\r\n", text_ok + "\r\nETag: \"x\"");
    CHECK(status_of(answer) == 200);
    CHECK(field_of(answer, "Content-Encoding") == http::name(coding));
    CHECK(field_of(answer, "Content-Length").empty());
    CHECK(field_of(answer, "Vary") == "Accept-Encoding");
    CHECK(field_of(answer, "ETag") == "W/\"x\"");
    CHECK(decoded(coding, body_in(answer)) == long_text);
    CHECK(body_in(answer).size() < long_text.size() / 4);
    CHECK(site.bench->worker->encoders.lent() == 0);
  }
}

TEST_CASE("only what the route offers is used") {
  CompressedSite site({"gzip"});
  const std::string answer = site.ask("Accept-Encoding: zstd, br, gzip;q=0.1\r\n", text_ok);
  CHECK(field_of(answer, "Content-Encoding") == "gzip");
}

TEST_CASE("what must not or need not be compressed goes out as it came") {
  struct Row {
    const char* what;
    std::string request;
    std::string answer;
    std::string body;
    const char* vary;  // what may be compressed for another client is told to caches
  };
  const std::vector<Row> rows = {
      {"the client did not ask", "", text_ok, long_text, "Accept-Encoding"},
      {"the client refuses", "Accept-Encoding: gzip;q=0, *;q=0\r\n", text_ok, long_text,
       "Accept-Encoding"},
      {"short", accept_gzip, text_ok, std::string(1023, 'x'), ""},
      {"encoded already", accept_gzip, text_ok + "\r\nContent-Encoding: br", long_text, ""},
      {"no-transform", accept_gzip, text_ok + "\r\nCache-Control: public, no-transform", long_text,
       ""},
      {"no-transform in the request", accept_gzip + "Cache-Control: no-transform\r\n", text_ok,
       long_text, ""},
      {"pictures", accept_gzip, "200 OK\r\nContent-Type: image/png", long_text, ""},
      {"gRPC", accept_gzip, "200 OK\r\nContent-Type: application/grpc+proto", long_text, ""},
      {"no type", accept_gzip, "200 OK", long_text, ""},
      {"a part", accept_gzip,
       "206 Partial Content\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-4999/9000",
       long_text, ""},
      {"a digest of the octets", accept_gzip,
       text_ok + "\r\nContent-Digest: sha-256=:AA==:", long_text, ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CompressedSite site;
    const std::string answer = site.ask(row.request, row.answer + "\r\nETag: \"x\"", row.body);
    CHECK(field_of(answer, "Content-Length") == std::to_string(row.body.size()));
    CHECK(field_of(answer, "ETag") == "\"x\"");
    CHECK((body_in(answer) == row.body));
    CHECK(field_of(answer, "Vary") == row.vary);
  }
}

TEST_CASE("a client that refuses plain text gets even what is short in a coding") {
  CompressedSite site;
  const std::string answer = site.ask("Accept-Encoding: gzip, identity;q=0\r\n", text_ok, "short");
  CHECK(field_of(answer, "Content-Encoding") == "gzip");
  CHECK(decoded(Coding::gzip, body_in(answer)) == "short");
}

TEST_CASE("Vary names Accept-Encoding once") {
  CompressedSite site;
  CHECK(field_of(site.ask(accept_gzip, text_ok + "\r\nVary: accept-encoding, Cookie"), "Vary") ==
        "accept-encoding, Cookie");
}

TEST_CASE("HEAD is told what GET would get") {
  CompressedSite site;
  const std::string answer = site.ask(accept_gzip, text_ok + "\r\nETag: \"x\"", long_text, "HEAD");
  CHECK(field_of(answer, "Content-Encoding") == "gzip");
  CHECK(field_of(answer, "Content-Length").empty());
  CHECK(field_of(answer, "ETag") == "W/\"x\"");
  CHECK(answer.ends_with("\r\n\r\n"));
  CHECK(site.bench->worker->encoders.lent() == 0);
}

TEST_CASE("a copy that was stored encoded is freshened under its weak tag") {
  CompressedSite site;
  site.begin(accept_gzip + "If-None-Match: W/\"x\"\r\n");
  const std::string answer = site.say("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n");
  CHECK(status_of(answer) == 304);
  CHECK(field_of(answer, "ETag") == "W/\"x\"");
  CHECK(field_of(answer, "Vary") == "Accept-Encoding");
}

TEST_CASE("an event stream is compressed and each event arrives when it was sent") {
  for (const Coding coding : {Coding::gzip, Coding::br, Coding::zstd}) {
    CAPTURE(http::name(coding));
    CompressedSite site;
    site.begin("Accept-Encoding: " + std::string(http::name(coding)) + "\r\n");
    std::string answer = site.say(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        "Transfer-Encoding: chunked\r\n\r\n");
    CHECK(field_of(answer, "Content-Encoding") == http::name(coding));
    std::string sent;
    for (const std::string event : {"data: one\n\n", "data: two\n\n", "data: three\n\n"}) {
      sent += event;
      std::string chunk = "b\r\n" + event + "\r\n";
      if (event.size() == 13) chunk[0] = 'd';
      answer += site.say(chunk);
      CHECK(decoded(coding, body_in(answer)) == sent);
    }
    answer += site.say("0\r\n\r\n");
    CHECK(decoded(coding, body_in(answer)) == sent);
    CHECK(answer.ends_with("0\r\n\r\n"));
  }
}

TEST_CASE("trailers follow a compressed body") {
  CompressedSite site;
  site.begin(accept_gzip + "TE: trailers\r\nConnection: TE\r\n");
  const std::string answer = site.say(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n");
  CHECK(decoded(Coding::gzip, body_in(answer)) == "hello");
  CHECK(answer.ends_with("0\r\nX-Sum: 5\r\n\r\n"));
}

TEST_CASE("a body that breaks off is never ended in its coding") {
  CompressedSite site;
  site.begin(accept_gzip);
  std::string answer = site.say(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\nbeginning");
  site.server->cut();
  site.bench->settle();
  answer += site.client->take_written();
  CHECK(site.client->closed());
  CHECK_FALSE(answer.ends_with("0\r\n\r\n"));
  CHECK(site.bench->worker->encoders.lent() == 0);
}

TEST_CASE("past the encoders that a worker lends, answers go out as they are") {
  CompressedSite site;
  std::vector<http::Encoders::Loan> lent;
  for (std::size_t i = 0; i < http::Encoders::most_lent; ++i) {
    lent.push_back(site.bench->worker->encoders.take(Coding::gzip, {}));
  }
  const std::string answer = site.ask(accept_gzip, text_ok);
  CHECK(field_of(answer, "Content-Encoding").empty());
  CHECK(field_of(answer, "Vary") == "Accept-Encoding");
  CHECK(body_in(answer) == long_text);
}

}  // namespace compress_test
