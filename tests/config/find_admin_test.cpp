#include <doctest/doctest.h>

#include "config/load.hpp"

namespace gatehouse::config::find_admin_test {
namespace {

AdminPlace found(const std::string& text) {
  Surroundings around;
  around.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "DATA") return "/from/environment";
    return {};
  };
  around.read_file = [](const std::string&) { return std::optional<std::string>(); };
  around.root = true;
  return find_admin(text, around);
}

TEST_CASE("where a process answers is read of a file whose other keys are wrong") {
  const AdminPlace place =
      found("[server]\ndata_dir = \"/d\"\nworkes = true\n[admin]\nlisten = \"unix:/a.sock\"\n");
  CHECK(place.listen == "unix:/a.sock");
  CHECK(place.listen_read);
  CHECK(place.data_dir == "/d");
  CHECK(place.data_dir_read);
}

TEST_CASE("where a process answers is read line by line of what is no TOML") {
  CHECK(found("[server\n[server]\ndata_dir = \"/d\"\n= =\n").data_dir == "/d");
  CHECK(found("oops\nserver.data_dir = \"/d\"\n").data_dir == "/d");
  CHECK(found("oops\nserver = { data_dir = \"/d\" }\n").data_dir == "/d");
  CHECK(found("[server]\r\n  data_dir = \"${DATA}\" # here\r\n\"\r\n").data_dir ==
        "/from/environment");
  CHECK(found("[log]\nlisten = \"unix:/x\"\n[admin]\nlisten = \"127.0.0.1:1\"\n[[x\n").listen ==
        "127.0.0.1:1");
  // A key of another table is none of ours.
  CHECK(found("[log]\ndata_dir = \"/x\"\n[[x\n").data_dir == "/var/lib/gatehouse");
}

TEST_CASE("what cannot be read of a file is the default") {
  for (const char* text : {"", "[server]\ndata_dir = 3\n", "[server]\ndata_dir = \"${UNSET}\"\n",
                           "[admin]\nlisten = \"nonsense\"\n", "server = 3\n", "\x01\xff[["}) {
    CAPTURE(std::string(text));
    const AdminPlace place = found(text);
    CHECK(place.data_dir == "/var/lib/gatehouse");
    CHECK_FALSE(place.data_dir_read);
    CHECK(place.listen.empty());
    CHECK_FALSE(place.listen_read);
  }
}

TEST_CASE("where a process answers is found before many sites, behind them and among them") {
  const std::string server = "[server]\ndata_dir = \"/d\"\n";
  const std::string site = "[[site]]\nhosts = [\"a.example\"]\n  [site.tls]\n  mode = \"off\"\n";
  CHECK(found(server + site + site).data_dir == "/d");
  CHECK(found(site + server).data_dir == "/d");
  CHECK(found(site + " [ server ]\ndata_dir = \"/d\"\n" + site).data_dir == "/d");
  CHECK(found(server + site + "[admin]\nlisten = \"unix:/a\"\n" + site).listen == "unix:/a");
  CHECK(found(server + site + "x = [\n[1]]").data_dir == "/d");
  CHECK(found("x = \"\"\"\n[[site]]\n\"\"\"\nserver.data_dir = \"/d\"\n").data_dir == "/d");
  // What only looks like a table is a text.
  CHECK(found(server + site + "body = \"\"\"\n[server]\ndata_dir = \"/e\"\n\"\"\"\n").data_dir ==
        "/d");
}

}  // namespace
}  // namespace gatehouse::config::find_admin_test
