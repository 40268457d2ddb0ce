#include "proxy/serve/handlers/files.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/proxy/serve/answers.hpp"
#include "tests/proxy/serve/bench.hpp"
#include "tests/support/temporary_folder.hpp"

namespace files_test {

using namespace gatehouse;
using namespace gatehouse::serve;
using gatehouse::test::body_in;
using gatehouse::test::field_of;
using gatehouse::test::status_of;
using gatehouse::test::TemporaryFolder;

namespace {

constexpr time_t written_at = 1'700'000'000;
constexpr const char* written = "Tue, 14 Nov 2023 22:13:20 GMT";
constexpr const char* before = "Tue, 14 Nov 2023 22:13:19 GMT";

/// A site that serves a folder, and what a client gets of it.
struct FileSite {
  TemporaryFolder folder;
  config::Route route;
  std::unique_ptr<serve::test::Bench> bench;

  FileSite() {
    route.files.emplace();
    route.files->root = folder.path();
    write("digits", "0123456789");
    write("page.html", "<p>");
    write("empty.txt", "");
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder / name) << text;
    const timespec then[2] = {{written_at, 0}, {written_at, 0}};
    REQUIRE(::utimensat(AT_FDCWD, (folder / name).c_str(), then, 0) == 0);
  }
  serve::test::Bench& running() {
    if (!bench) {
      auto site = serve::test::site_for({"a.example"}, config::TlsMode::off, {route});
      bench = std::make_unique<serve::test::Bench>(serve::test::config_with({site}));
    }
    return *bench;
  }
  std::string ask(const std::string& line, const std::string& fields = "") {
    serve::test::Bench& running_bench = running();
    return running_bench.ask(running_bench.connect(),
                             line + " HTTP/1.1\r\nHost: a.example\r\n" + fields + "\r\n");
  }
  std::string tag(const std::string& path = "/digits", const std::string& fields = "") {
    return field_of(ask("GET " + path, fields), "ETag");
  }
};

}  // namespace

TEST_CASE("a file is sent with its type, its length, its tag and its date") {
  FileSite site;
  const std::string answer = site.ask("GET /page.html?x=1");
  CHECK(status_of(answer) == 200);
  CHECK(body_in(answer) == "<p>");
  CHECK(field_of(answer, "Content-Type") == "text/html; charset=utf-8");
  CHECK(field_of(answer, "Content-Length") == "3");
  CHECK(field_of(answer, "Last-Modified") == written);
  CHECK(field_of(answer, "Accept-Ranges") == "bytes");
  CHECK(field_of(answer, "Vary") == "Accept-Encoding");
  CHECK(field_of(answer, "ETag").starts_with("\""));
  const std::string head = site.ask("HEAD /page.html");
  CHECK(head.ends_with("\r\n\r\n"));
  CHECK(field_of(head, "Content-Length") == "3");
  CHECK(field_of(head, "ETag") == field_of(answer, "ETag"));
  const std::string empty = site.ask("GET /empty.txt");
  CHECK(status_of(empty) == 200);
  CHECK(field_of(empty, "Content-Length") == "0");
}

TEST_CASE("other methods are refused, and what is not there is not found") {
  FileSite site;
  const std::string post = site.ask("POST /digits", "Content-Length: 0\r\n");
  CHECK(status_of(post) == 405);
  CHECK(field_of(post, "Allow") == "GET, HEAD");
  CHECK(status_of(site.ask("DELETE /digits")) == 405);
  CHECK(status_of(site.ask("GET /none")) == 404);
  CHECK(status_of(site.ask("GET /.hidden")) == 404);
  CHECK(status_of(site.ask("GET /")) == 404);
  CHECK(status_of(site.ask("GET /..%2fx")) == 404);
}

TEST_CASE("a folder asked for without its slash is redirected, relative to where the client is") {
  FileSite site;
  REQUIRE(::mkdir((site.folder / "docs").c_str(), 0755) == 0);
  site.write("docs/index.html", "docs");
  const std::string answer = site.ask("GET /docs?a=b");
  CHECK(status_of(answer) == 308);
  CHECK(field_of(answer, "Location") == "./docs/?a=b");
  CHECK(field_of(site.ask("GET //docs"), "Location") == "./docs/");
  CHECK(body_in(site.ask("GET /docs/")) == "docs");
}

TEST_CASE("a folder's slash is put behind the path that the client knows, whatever it became") {
  FileSite site;
  REQUIRE(::mkdir((site.folder / "docs").c_str(), 0755) == 0);
  site.write("docs/index.html", "docs");
  SUBCASE("a prefix taken off") {
    site.route.strip_prefix = "/pub";
    CHECK(field_of(site.ask("GET /pub/docs?a"), "Location") == "./docs/?a");
    CHECK(body_in(site.ask("GET /pub/docs/")) == "docs");
  }
  SUBCASE("the whole path taken off") {
    site.write("index.html", "root");
    site.route.strip_prefix = "/docs";
    CHECK(body_in(site.ask("GET /docs")) == "root");
  }
  SUBCASE("another name, and a query that the client did not send") {
    site.route.rewrite = config::Rewrite{"^/v([0-9])(/?)$", "/docs$2?version=$1"};
    const std::string answer = site.ask("GET /v2");
    CHECK(status_of(answer) == 308);
    CHECK(field_of(answer, "Location") == "./v2/");
    CHECK(body_in(site.ask("GET /v2/")) == "docs");
  }
  SUBCASE("the slash was there, and the route took it away") {
    site.route.rewrite = config::Rewrite{"^(/.*)/$", "$1"};
    CHECK(body_in(site.ask("GET /docs/")) == "docs");
    CHECK(field_of(site.ask("GET /docs"), "Location") == "./docs/");
  }
}

TEST_CASE("the same file is not sent twice to who has it") {
  FileSite site;
  const std::string tag = site.tag();
  for (const std::string& fields :
       {"If-None-Match: " + tag, "If-None-Match: W/" + tag, std::string("If-None-Match: *"),
        "If-Modified-Since: " + std::string(written)}) {
    CAPTURE(fields);
    const std::string answer = site.ask("GET /digits", fields + "\r\n");
    CHECK(status_of(answer) == 304);
    CHECK(answer.ends_with("\r\n\r\n"));
    CHECK(field_of(answer, "ETag") == tag);
  }
  CHECK(status_of(site.ask("GET /digits", "If-Modified-Since: " + std::string(before) + "\r\n")) ==
        200);
  CHECK(status_of(site.ask("GET /digits", "If-Match: \"other\"\r\n")) == 412);
  CHECK(status_of(site.ask("GET /digits", "If-Match: " + tag + "\r\n")) == 200);
  CHECK(status_of(site.ask("GET /digits",
                           "If-Unmodified-Since: " + std::string(before) + "\r\n")) == 412);
  site.write("digits", "01234567890");
  CHECK(status_of(site.ask("GET /digits", "If-None-Match: " + tag + "\r\n")) == 200);
}

TEST_CASE("one range is sent as a part of the whole") {
  FileSite site;
  const std::string answer = site.ask("GET /digits", "Range: bytes=2-4\r\n");
  CHECK(status_of(answer) == 206);
  CHECK(body_in(answer) == "234");
  CHECK(field_of(answer, "Content-Range") == "bytes 2-4/10");
  CHECK(field_of(answer, "Content-Length") == "3");
  CHECK(body_in(site.ask("GET /digits", "Range: bytes=-3\r\n")) == "789");
  CHECK(body_in(site.ask("GET /digits", "Range: bytes=8-\r\n")) == "89");
  const std::string head = site.ask("HEAD /digits", "Range: bytes=2-4\r\n");
  CHECK(status_of(head) == 200);
  CHECK(field_of(head, "Content-Length") == "10");
}

TEST_CASE("several ranges are sent as parts, each told where it belongs") {
  FileSite site;
  const std::string answer = site.ask("GET /digits", "Range: bytes=7-8,0-1\r\n");
  CHECK(status_of(answer) == 206);
  const std::string type = field_of(answer, "Content-Type");
  REQUIRE(type.starts_with("multipart/byteranges; boundary="));
  const std::string boundary = type.substr(type.find('=') + 1);
  const auto part = [&](const std::string& range, const std::string& octets) {
    return "\r\n--" + boundary + "\r\nContent-Type: application/octet-stream\r\n" +
           "Content-Range: bytes " + range + "/10\r\n\r\n" + octets;
  };
  CHECK(body_in(answer) == part("7-8", "78") + part("0-1", "01") + "\r\n--" + boundary + "--\r\n");
  CHECK(field_of(answer, "Content-Length") == std::to_string(body_in(answer).size()));
}

TEST_CASE("ranges that cannot be had are told the size, strange ones get the whole") {
  FileSite site;
  const std::string answer = site.ask("GET /digits", "Range: bytes=10-\r\n");
  CHECK(status_of(answer) == 416);
  CHECK(field_of(answer, "Content-Range") == "bytes */10");
  CHECK(status_of(site.ask("GET /digits", "Range: lines=1-2\r\n")) == 200);
  CHECK(status_of(site.ask("GET /digits", "Range: bytes=0-,0-\r\n")) == 200);
}

TEST_CASE("a range of another state of the file gets the whole") {
  FileSite site;
  const std::string range = "Range: bytes=0-0\r\nIf-Range: ";
  CHECK(status_of(site.ask("GET /digits", range + site.tag() + "\r\n")) == 206);
  CHECK(status_of(site.ask("GET /digits", range + written + "\r\n")) == 206);
  CHECK(status_of(site.ask("GET /digits", range + "\"other\"\r\n")) == 200);
  CHECK(status_of(site.ask("GET /digits", range + before + "\r\n")) == 200);
}

TEST_CASE("a file written just now has a date that no later change can hide behind") {
  FileSite site;
  std::ofstream(site.folder / "new") << "x";  // the bench's clock is behind the real one
  const std::string answer = site.ask("GET /new");
  const std::string date = field_of(answer, "Last-Modified");
  CHECK(date == field_of(answer, "Date"));
  CHECK(status_of(site.ask("GET /new", "Range: bytes=0-0\r\nIf-Range: " + date + "\r\n")) == 200);
}

TEST_CASE("an encoded sibling has a tag of its own and keeps its file's type") {
  FileSite site;
  site.write("page.html.gz", "not really gzip");
  const std::string answer = site.ask("GET /page.html", "Accept-Encoding: br, gzip\r\n");
  CHECK(body_in(answer) == "not really gzip");
  CHECK(field_of(answer, "Content-Encoding") == "gzip");
  CHECK(field_of(answer, "Content-Type") == "text/html; charset=utf-8");
  CHECK(field_of(answer, "Vary") == "Accept-Encoding");
  CHECK(field_of(answer, "ETag") != site.tag("/page.html"));
  CHECK(body_in(site.ask("GET /page.html", "Accept-Encoding: gzip;q=0\r\n")) == "<p>");
  CHECK(body_in(site.ask("GET /page.html", "Accept-Encoding: identity, gzip;q=0.5\r\n")) == "<p>");
  CHECK(body_in(site.ask("GET /page.html", "Accept-Encoding: gzip\r\nRange: bytes=0-2\r\n")) ==
        "not");
}

TEST_CASE("siblings are left alone where the route says so") {
  FileSite site;
  site.route.files->precompressed = false;
  site.write("page.html.gz", "gzip");
  const std::string answer = site.ask("GET /page.html", "Accept-Encoding: gzip\r\n");
  CHECK(body_in(answer) == "<p>");
  CHECK(field_of(answer, "Vary").empty());
}

TEST_CASE("a route's try leads single-page applications to their page") {
  FileSite site;
  site.route.files->try_ = {"{path}", "/page.html"};
  CHECK(body_in(site.ask("GET /deep/link")) == "<p>");
  CHECK(body_in(site.ask("GET /digits")) == "0123456789");
  CHECK(status_of(site.ask("GET /.env")) == 404);
}

TEST_CASE("a file that shrinks while it is sent cuts the answer") {
  FileSite site;
  const std::string whole(4 * 1024 * 1024, 'x');
  site.write("big", whole);
  serve::test::Bench& bench = site.running();
  const auto client = bench.connect();
  client->take(100'000);
  client->send("GET /big HTTP/1.1\r\nHost: a.example\r\n\r\n");
  bench.settle();
  CHECK(client->written().size() <= 100'000);
  CHECK_FALSE(client->closed());
  REQUIRE(::truncate((site.folder / "big").c_str(), 1'000'000) == 0);
  client->take(whole.size() * 2);
  bench.settle();
  CHECK(client->closed());
  CHECK(client->written().size() < whole.size());
}

TEST_CASE("a big file arrives whole, also where cold parts are read elsewhere") {
  FileSite site;
  std::string whole;
  for (int i = 0; whole.size() < 3'000'000; ++i) whole += std::to_string(i) + "\n";
  site.write("big.txt", whole);
  const std::string answer = site.ask("GET /big.txt");
  CHECK((body_in(answer) == whole));
  CHECK((body_in(site.ask("GET /big.txt", "Range: bytes=100000-2999999\r\n")) ==
         whole.substr(100'000, 2'900'000)));
}

}  // namespace files_test
