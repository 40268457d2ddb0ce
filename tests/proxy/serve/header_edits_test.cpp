#include "proxy/serve/header_edits.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "proxy/serve/error_pages.hpp"
#include "proxy/serve/hsts.hpp"
#include "proxy/serve/request_facts.hpp"
#include "tests/support/result.hpp"
#include "tests/support/temporary_folder.hpp"

namespace header_edits_test {

using namespace gatehouse;
using serve::HeaderEdits;

namespace {

struct Message {
  std::string text() const {
    std::string out;
    for (const http::Field& line : request.fields) {
      out.append(line.name).append(": ").append(line.value).append("\n");
    }
    return out;
  }
  http::RequestHead request;
  serve::RequestFacts facts;
};

}  // namespace

TEST_CASE("fields are removed, then set in place of all of their name, then added") {
  Message message;
  for (const auto& [name, value] : {std::pair("x-a", "1"), {"X-B", "1"}, {"X-A", "2"}}) {
    message.request.fields.add(name, value);
  }
  config::HeaderEdits edits;
  edits.remove = {"X-b", "X-None"};
  edits.set = {{"X-A", "3"}, {"X-C", ""}};
  edits.add = {{"X-A", "4"}};
  const HeaderEdits made(edits);
  made.apply(message.request.fields, message.request, message.facts);
  CHECK(message.text() == "X-A: 3\nX-C: \nX-A: 4\n");
}

TEST_CASE("placeholders are filled, and nothing they stand for begins another line") {
  Message message;
  message.request.host = "a.example";
  message.request.path = "/x";
  message.facts.id = "id\r\nEvil: 1";
  config::HeaderEdits edits;
  edits.set = {{"X-From", "{scheme}://{host}{path}"}, {"X-Id", "{request_id}"}};
  const HeaderEdits made(edits);
  made.apply(message.request.fields, message.request, message.facts);
  CHECK(message.text() == "X-From: http://a.example/x\nX-Id: id  Evil: 1\n");
}

TEST_CASE("setting Host on the way to a server changes the authority") {
  Message message;
  message.request.authority = "shop.example";
  message.request.host = "shop.example";
  config::HeaderEdits edits;
  edits.set = {{"host", "inner-{host}"}};
  const HeaderEdits compiled(edits);
  compiled.apply_to(message.request, message.facts);
  CHECK(message.request.authority == "inner-shop.example");
  CHECK(message.text().empty());
}

TEST_CASE("hsts is told in seconds") {
  CHECK(serve::hsts_value("") == "");
  CHECK(serve::hsts_value("1y; includeSubDomains; preload") ==
        "max-age=31536000; includeSubDomains; preload");
  CHECK(serve::hsts_value("30d") == "max-age=2592000");
  CHECK(serve::hsts_value("0s") == "max-age=0");
}

TEST_CASE("an error page for a status goes before one for a range, and each file is read once") {
  const test::TemporaryFolder folder;
  const auto file = [&](const std::string& name, std::string_view content) {
    const std::string path = folder.path() + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  };
  const std::string any = file("5xx.html", "<p>five");
  const std::string bad = file("502.txt", "bad");
  serve::ErrorPageFiles read;
  const auto pages =
      serve::ErrorPages::load({{"5xx", any}, {"502", bad}, {"404,410-412", any}}, read).value();
  CHECK(read.size() == 2);
  CHECK(pages.find(500)->body == "<p>five");
  CHECK(pages.find(500)->type == "text/html; charset=utf-8");
  CHECK(pages.find(502)->body == "bad");
  CHECK(pages.find(502)->type == "text/plain; charset=utf-8");
  CHECK(pages.find(404)->body == "<p>five");
  CHECK(pages.find(411) != nullptr);
  CHECK(pages.find(413) == nullptr);
  CHECK(pages.find(403) == nullptr);

  const auto missing = serve::ErrorPages::load({{"500", folder.path() + "/none"}}, read);
  REQUIRE(!missing);
  CHECK(missing.error().detail().find("/none") != std::string::npos);
  const std::string large = file("large", std::string(config::most_error_page_bytes + 1, 'x'));
  CHECK_FALSE(serve::ErrorPages::load({{"500", large}}, read));
}

}  // namespace header_edits_test
