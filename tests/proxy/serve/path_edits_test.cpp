#include "proxy/serve/path_edits.hpp"

#include <doctest/doctest.h>

#include "tests/support/result.hpp"

namespace path_edits_test {

using namespace gatehouse;
using serve::PathEdits;
using serve::Target;

namespace {

struct Edit {
  const char* strip = "";
  const char* add = "";
  const char* match = nullptr;
  const char* to = "";
};

/// "PATH" or "PATH?QUERY" after the edits.
std::string edited(const Edit& edit, std::string path, const char* query = nullptr) {
  config::Route route;
  route.strip_prefix = edit.strip;
  route.add_prefix = edit.add;
  if (edit.match) route.rewrite = config::Rewrite{edit.match, edit.to};
  Target target{std::move(path), query ? query : "", query != nullptr};
  const Target before = target;
  const bool changed = PathEdits::make(route).value().apply(target);
  CHECK(changed == (target.path != before.path || target.query != before.query));
  return target.has_query ? target.path + "?" + target.query : target.path;
}

}  // namespace

TEST_CASE("a prefix is stripped at a segment border and leaves one slash at the start") {
  const Edit edit{.strip = "/api"};
  CHECK(edited(edit, "/api/x/y") == "/x/y");
  CHECK(edited(edit, "/api") == "/");
  CHECK(edited(edit, "/api/") == "/");
  CHECK(edited(edit, "/apis/x") == "/apis/x");
  CHECK(edited(edit, "/x/api/y") == "/x/api/y");
  CHECK(edited(edit, "/api//other.example/x") == "/other.example/x");
  CHECK(edited(edit, "/api/x", "q=1") == "/x?q=1");
  CHECK(edited({.strip = "/api/"}, "/api/x") == "/x");
  CHECK(edited(edit, "*") == "*");
}

TEST_CASE("a prefix is added after the other one is gone") {
  CHECK(edited({.add = "/v1"}, "/x") == "/v1/x");
  CHECK(edited({.add = "/v1/"}, "/x") == "/v1/x");
  CHECK(edited({.strip = "/api", .add = "/v1"}, "/api/x") == "/v1/x");
  CHECK(edited({.strip = "/api", .add = "/v1"}, "/other") == "/v1/other");
}

TEST_CASE("a rewrite puts its text in the place of what was found") {
  const Edit old{.match = "^/old/(.*)$", .to = "/new/$1"};
  CHECK(edited(old, "/old/a/b") == "/new/a/b");
  CHECK(edited(old, "/older/a") == "/older/a");
  CHECK(edited(old, "/old/a", "q=1") == "/new/a?q=1");
  CHECK(edited({.match = "b", .to = "x"}, "/a/b/c/b") == "/a/x/c/b");
  CHECK(edited({.match = "^/(a)?(b)", .to = "/$2-$1-$0$"}, "/b/c") == "/b--/b$/c");
  CHECK(edited({.match = ".*", .to = "gone"}, "/x") == "/gone");
  CHECK(edited({.strip = "/api", .add = "/v1", .match = "^/v1/a", .to = "/z"}, "/api/a") == "/z");
}

TEST_CASE("a rewrite with a query puts it before the client's") {
  const Edit page{.match = "^/page/(.*)$", .to = "/index.php?page=$1&x=y"};
  CHECK(edited(page, "/page/home") == "/index.php?page=home&x=y");
  CHECK(edited(page, "/page/home", "lang=de") == "/index.php?page=home&x=y&lang=de");
  CHECK(edited(page, "/page/home", "") == "/index.php?page=home&x=y");
  CHECK(edited(page, "/page/a&admin=1;b+c") ==
        "/index.php?page=a%26admin%3D1%3Bb%2Bc&x=y");  // still one parameter
}

TEST_CASE("pieces that a rewrite joins make no dot segments and no escapes") {
  CHECK(edited({.match = "^/a([^/]*)/b([^/]*)/", .to = "/up/$1$2/"}, "/a./b./x") == "/x");
  CHECK(edited({.match = "^/a(.)/b(.*)$", .to = "/%$1$2"}, "/a6/b1/x") == "/a/x");
}

}  // namespace path_edits_test
