#include "proxy/serve/handlers/file_search.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <optional>

#include "tests/support/temporary_folder.hpp"

namespace file_search_test {

using namespace gatehouse;
using namespace gatehouse::serve;
using gatehouse::test::TemporaryFolder;
using http::Coding;

namespace {

namespace fs = std::filesystem;

/// root/ with a few files, and a secret beside it.
struct Tree {
  TemporaryFolder folder;
  std::string root = folder / "root";

  Tree() {
    fs::create_directories(root + "/docs/deep");
    fs::create_directories(root + "/empty");
    write("root/index.html", "front");
    write("root/docs/index.html", "docs");
    write("root/docs/page.html", "page");
    write("root/app.js", "plain");
    write("root/app.js.br", "brotli");
    write("root/app.js.gz", "gzip");
    write("root/photo.png", "pixels");
    write("root/photo.png.gz", "nobody asked");
    write("root/.env", "hidden");
    write("secret", "secret");
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder / name) << text;
  }
  void link(const std::string& to, const std::string& name) const {
    fs::create_symlink(to, root + "/" + name);
  }
  FoundFile find(std::vector<std::string> tries, std::vector<Coding> codings = {}) const {
    FileSearch search{root, {"index.html"}, std::move(tries), std::move(codings)};
    FoundFile patient = find_file(search, Patience::wait);
    // What lies in memory is found without patience as well.
    FoundFile quick = find_file(search, Patience::none);
    if (quick.what != Opening::cold) {
      CHECK(quick.what == patient.what);
      CHECK(quick.name == patient.name);
    }
    return patient;
  }
};

std::string content(const FoundFile& found) {
  std::array<char, 256> room;
  const auto got = found.file.read(0, room, Patience::wait);
  return got < 0 ? "error" : std::string(room.data(), static_cast<std::size_t>(got));
}

std::string named(std::string_view path) {
  const auto file = FilePath::of(path);
  if (!file) return "none";
  return file->name + (file->folder ? "/" : "");
}

}  // namespace

TEST_CASE("a request's path becomes a name below the root, or none") {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"/", "/"},
      {"/a", "a"},
      {"/a/", "a/"},
      {"/a/b.txt", "a/b.txt"},
      {"//a///b", "a/b"},
      {"/a/./b", "a/b"},
      {"/a/../b", "b"},
      {"/a/..", "/"},
      {"/../../etc/passwd", "etc/passwd"},
      {"/%2e%2e/%2E%2E/etc/passwd", "etc/passwd"},
      {"/a%20b", "a b"},
      {"/%61", "a"},
      {"/100%25", "100%"},
      {"/%252e%252e/x", "%2e%2e/x"},
      {"/caf%C3%A9", "caf\xC3\xA9"},
      {"/a;b", "a;b"},
      {"/a%5c..%5cb", "a\\..\\b"},
      {"/.well-known/security.txt", ".well-known/security.txt"},
      {"/.well-known", ".well-known"},
      {"/a%2fb", "none"},
      {"/..%2f..%2fetc/passwd", "none"},
      {"/a%00.html", "none"},
      {"/%", "none"},
      {"/%2", "none"},
      {"/%zz", "none"},
      {"/%%32e%%32e/etc", "none"},
      {"/.env", "none"},
      {"/a/.git/config", "none"},
      {"/%2eenv", "none"},
      {"/.well-known/.secret", "none"},
      {"/.well-knownx", "none"},
      {"/...", "none"},
      {"*", "none"},
      {"", "none"},
  };
  for (const auto& [path, expected] : rows) {
    const auto& shown = path;  // clang 14 captures no structured binding
    CAPTURE(shown);
    CHECK(named(path) == expected);
  }
}

TEST_CASE("the names tried are those of the route, with the path put in") {
  config::Files files;
  CHECK(names_tried(files, *FilePath::of("/a/b")) == std::vector<std::string>{"a/b"});
  CHECK(names_tried(files, *FilePath::of("/a/")) == std::vector<std::string>{"a/"});
  CHECK(names_tried(files, *FilePath::of("/")) == std::vector<std::string>{""});
  files.try_ = {"{path}", "{path}.html", "/pages/{path}/", "/index.html"};
  CHECK(names_tried(files, *FilePath::of("/a")) ==
        std::vector<std::string>{"a", "a.html", "pages/a/", "index.html"});
  CHECK(names_tried(files, *FilePath::of("/a/")) ==
        std::vector<std::string>{"a/", "a/.html", "pages/a/", "index.html"});
  CHECK(names_tried(files, *FilePath::of("/%7Bpath%7D")) ==
        std::vector<std::string>{"{path}", "{path}.html", "pages/{path}/", "index.html"});
}

TEST_CASE("files, folders with an index, and the first name that is there are found") {
  const Tree tree;
  CHECK(content(tree.find({"docs/page.html"})) == "page");
  CHECK(content(tree.find({"docs/"})) == "docs");
  CHECK(content(tree.find({""})) == "front");
  CHECK(content(tree.find({"none", "docs/page.html", "index.html"})) == "page");
  CHECK(content(tree.find({"empty/", "index.html"})) == "front");
  CHECK(content(tree.find({"empty", "index.html"})) == "front");
  CHECK(tree.find({"docs"}).what == Opening::folder);
  CHECK(tree.find({"empty"}).what == Opening::absent);
  CHECK(tree.find({"docs/deep/"}).what == Opening::absent);
  CHECK(tree.find({"none"}).what == Opening::absent);
  CHECK(tree.find({"index.html/"}).what == Opening::absent);
  CHECK(tree.find({"index.html/more"}).what == Opening::absent);
  CHECK(tree.find({std::string(5000, 'x')}).what == Opening::absent);
}

TEST_CASE("an encoded sibling that the client takes stands for its file") {
  const Tree tree;
  const FoundFile found = tree.find({"app.js"}, {Coding::zstd, Coding::br, Coding::gzip});
  CHECK(content(found) == "brotli");
  CHECK(found.coding == Coding::br);
  CHECK(found.name == "app.js");
  CHECK(content(tree.find({"app.js"}, {Coding::gzip})) == "gzip");
  CHECK(content(tree.find({"app.js"}, {Coding::zstd})) == "plain");
  CHECK(content(tree.find({"app.js"})) == "plain");
  CHECK(content(tree.find({"photo.png"}, {Coding::gzip})) == "pixels");
  fs::remove(tree.root + "/app.js");
  CHECK(tree.find({"app.js"}, {Coding::br}).what == Opening::absent);
}

TEST_CASE("symbolic links lead about below the root and never out of it") {
  const Tree tree;
  tree.link("docs/page.html", "inside");
  tree.link("docs", "folder");
  tree.link("../secret", "outside");
  tree.link(tree.folder / "secret", "absolute");
  tree.link("..", "up");
  tree.link("loop", "loop");
  tree.link("../root/docs/page.html", "out_and_in");
  CHECK(content(tree.find({"inside"})) == "page");
  CHECK(content(tree.find({"folder/page.html"})) == "page");
  for (const char* name : {"outside", "absolute", "up/secret", "loop", "out_and_in"}) {
    CAPTURE(name);
    CHECK(tree.find({name}).what == Opening::absent);
  }
  fs::create_symlink("../../secret", tree.root + "/docs/index.htm");
  fs::remove(tree.root + "/docs/index.html");
  fs::create_symlink("../../secret", tree.root + "/docs/index.html");
  CHECK(tree.find({"docs/"}).what == Opening::absent);
  fs::remove(tree.root + "/app.js.br");
  tree.link("../secret", "app.js.br");
  CHECK(content(tree.find({"app.js"}, {Coding::br})) == "plain");
}

TEST_CASE("without openat2 no symbolic link counts, and nothing else is different") {
  const Tree tree;
  tree.link("docs", "folder");
  tree.link("docs/page.html", "inside");
  const int root = ::open(tree.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  REQUIRE(root >= 0);
  const auto opens = [&](std::string_view name) {
    const int opened = detail::open_by_steps(root, name);
    if (opened >= 0) ::close(opened);
    return opened >= 0;
  };
  CHECK(opens("docs/page.html"));
  CHECK(opens("docs"));
  CHECK(opens(""));
  for (const char* name : {"inside", "folder/page.html", "../secret", "docs/../../secret", "none",
                           "index.html/x", ".."}) {
    CAPTURE(name);
    CHECK_FALSE(opens(name));
  }
  ::close(root);
}

TEST_CASE("pipes, sockets and devices are not served, and hold nobody up") {
  const Tree tree;
  REQUIRE(::mkfifo((tree.root + "/pipe").c_str(), 0644) == 0);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  (tree.root + "/socket").copy(where.sun_path, sizeof where.sun_path - 1);
  REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
  CHECK(tree.find({"pipe"}).what == Opening::absent);
  CHECK(tree.find({"socket"}).what == Opening::absent);
  CHECK(content(tree.find({"pipe", "index.html"})) == "front");
  ::close(listener);
  const FileSearch devices{"/dev", {}, {"null"}, {}};
  CHECK(find_file(devices, Patience::wait).what == Opening::absent);
}

TEST_CASE("a root that is not there, or no folder, serves nothing and says so") {
  const Tree tree;
  const FileSearch missing{tree.root + "/none", {}, {"x"}, {}};
  const FoundFile none = find_file(missing, Patience::wait);
  CHECK(none.what == Opening::absent);
  CHECK(none.why.find("No such file") != std::string::npos);
  const FileSearch file{tree.root + "/app.js", {}, {"x"}, {}};
  CHECK(find_file(file, Patience::wait).what == Opening::absent);
}

TEST_CASE("another folder in the root's place counts from the next request on") {
  const Tree tree;
  fs::create_directories(tree.folder / "next");
  tree.write("next/index.html", "new front");
  fs::create_directory_symlink(tree.root, tree.folder / "current");
  const FileSearch search{tree.folder / "current", {"index.html"}, {""}, {}};
  CHECK(content(find_file(search, Patience::wait)) == "front");
  fs::create_directory_symlink(tree.folder / "next", tree.folder / "new");
  fs::rename(tree.folder / "new", tree.folder / "current");
  CHECK(content(find_file(search, Patience::wait)) == "new front");
}

}  // namespace file_search_test
