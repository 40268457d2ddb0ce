#include "proxy/serve/request_path.hpp"

#include <doctest/doctest.h>

#include <set>

#include "proxy/serve/matchers.hpp"

namespace request_path_test {

using gatehouse::serve::OtherReadings;
using gatehouse::serve::PathPattern;
using gatehouse::serve::RequestPath;

TEST_CASE("a path pattern matches exactly, or as a prefix that ends at a segment border") {
  struct Row {
    const char* pattern;
    const char* path;
    bool matches;
  };
  const Row rows[] = {
      {"/health", "/health", true},
      {"/health", "/health/", false},
      {"/health", "/healthy", false},
      {"/health", "/Health", false},
      {"/api/*", "/api/v1/x", true},
      {"/api/*", "/api/", true},
      {"/api/*", "/api", true},
      {"/api/*", "/apis", false},
      {"/api/*", "/API/x", false},
      {"/*", "/", true},
      {"/*", "/anything/else", true},
      {"/a/b/*", "/a/c", false},
      {"/*", "*", false},
  };
  for (const Row& row : rows) {
    INFO(row.pattern << " against " << row.path);
    CHECK(PathPattern(row.pattern).matches(row.path) == row.matches);
  }
}

TEST_CASE("rules see a path with its dot segments resolved and its escapes undone once") {
  enum class Is { sure, unsure, unreadable };
  struct Row {
    const char* path;
    const char* seen;
    Is is;
  };
  const Row rows[] = {
      {"/", "/", Is::sure},
      {"/a/b", "/a/b", Is::sure},
      {"/a/b/", "/a/b/", Is::sure},
      {"/a.b/.../c", "/a.b/.../c", Is::sure},
      {"/a/./b", "/a/b", Is::sure},
      {"/a/../b", "/b", Is::sure},
      {"/a/b/..", "/a/", Is::sure},
      {"/a/.", "/a/", Is::sure},
      {"/../../etc", "/etc", Is::sure},
      {"/..", "/", Is::sure},
      {"/a/%2e%2E/b", "/b", Is::sure},
      {"/%61dmin", "/admin", Is::sure},
      {"/a%20b", "/a%20b", Is::sure},
      {"/.well-known/x", "/.well-known/x", Is::sure},
      {"*", "*", Is::sure},
      // An empty segment is one by the RFC: the dots after it take it away alone.
      {"//a///b", "//a///b", Is::unsure},
      {"/a//../b", "/a/b", Is::sure},
      {"/a//", "/a//", Is::unsure},
      {"/a%2fb", "/a%2fb", Is::unsure},
      {"/a%5Cb", "/a%5Cb", Is::unsure},
      {"/a\\b", "/a\\b", Is::unsure},
      {"/a;v=1/b", "/a;v=1/b", Is::unsure},
      {"/a%3bv", "/a%3bv", Is::unsure},
      {"/a%252e", "/a%252e", Is::unsure},
      {"/a%00", "/a%00", Is::unreadable},
      {"/a%2500", "/a%2500", Is::unreadable},
      {"/a%zz", "/a%zz", Is::unreadable},
      {"/a%2", "/a%2", Is::unreadable},
      {"/a%", "/a%", Is::unreadable},
  };
  std::string room;
  for (const Row& row : rows) {
    INFO(row.path);
    const RequestPath seen = RequestPath::of(row.path, room);
    CHECK(seen.text == row.seen);
    CHECK(seen.unreadable == (row.is == Is::unreadable));
    CHECK((seen.unsure || seen.unreadable) == (row.is != Is::sure));
  }
}

TEST_CASE("a common path is matched where it lies") {
  std::string room;
  const std::string path = "/assets/app.3f2a.js";
  CHECK(RequestPath::of(path, room).text.data() == path.data());
  CHECK(room.empty());
}

TEST_CASE("the other readings of a path are those that servers are known for") {
  struct Row {
    const char* path;
    std::set<std::string> among;
  };
  const Row rows[] = {
      {"/public/..%2fadmin", {"/public/..%2fadmin", "/admin"}},
      {"/public/%252e%252e/admin", {"/public/%252e%252e/admin", "/admin"}},
      {"/public/..;/admin", {"/public/..;/admin", "/admin"}},
      {"/public/..%3b/admin", {"/public/..%3b/admin", "/admin"}},
      {"/public\\..\\admin", {"/public\\..\\admin", "/admin"}},
      {"/public%5c..%5cadmin", {"/public%5c..%5cadmin", "/admin"}},
      {"/public%255c..%252fadmin", {"/admin"}},
      {"//admin", {"//admin", "/admin"}},
      {"/a//b/", {"/a//b/", "/a/b/"}},
      {"/group%2Fproject", {"/group%2Fproject", "/group/project"}},
  };
  for (const Row& row : rows) {
    INFO(row.path);
    std::set<std::string> seen;
    std::string reading;
    OtherReadings readings(row.path);
    while (readings.next(reading)) seen.insert(reading);
    for (const std::string& wanted : row.among) {
      INFO(wanted);
      CHECK(seen.contains(wanted));
    }
  }
}

TEST_CASE("a long path that is not sure is not tried in all its readings") {
  std::string room;
  CHECK(RequestPath::of("/" + std::string(5000, 'a') + ";x", room).unreadable);
  CHECK_FALSE(RequestPath::of("/" + std::string(5000, 'a') + "%20x", room).unreadable);
  CHECK_FALSE(RequestPath::of("/" + std::string(4000, 'a') + ";x", room).unreadable);
}

}  // namespace request_path_test
