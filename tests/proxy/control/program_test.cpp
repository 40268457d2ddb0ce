#include "tests/proxy/control/program.hpp"

#include <crypt.h>
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

namespace program_test {

using namespace gatehouse::test;
using nlohmann::json;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

std::string site(const std::string& host) {
  return "\n[[site]]\nhosts = [\"" + host + "\"]\nhttps = []\nrespond = { body = \"" + host +
         "\" }\n";
}

/// One worker on ports that the kernel chooses.
std::string config(const TemporaryFolder& folder) {
  return "[server]\nhttp = [\"127.0.0.1:0\"]\nhttps = []\nworkers = 1\ndata_dir = \"" +
         folder.path() + "/data\"\n" + site("a.example");
}

json status(const TemporaryFolder& folder) {
  // By its address: the config may be one that has errors.
  const Ended ended = Program::run(
      folder, {"status", "--json", "--admin", "unix:" + folder.path() + "/data/admin.sock"});
  REQUIRE_MESSAGE(ended.status == 0, ended.err);
  return json::parse(ended.out);
}

}  // namespace

TEST_CASE("version is told on stdout, as text and as JSON") {
  const TemporaryFolder folder;
  const Ended text = Program::run(folder, {"version"});
  CHECK(text.status == 0);
  CHECK(text.out.starts_with("gatehouse "));
  CHECK(contains(text.out, "OpenSSL"));
  const Ended machine = Program::run(folder, {"version", "--json"});
  CHECK(json::parse(machine.out).contains("openssl"));
}

TEST_CASE("wrong usage ends with 2 and speaks on stderr only") {
  const TemporaryFolder folder;
  const Ended ended = Program::run(folder, {"explain", "a.example"});
  CHECK(ended.status == 2);
  CHECK(ended.out.empty());
  CHECK(contains(ended.err, "not available in this version"));
  CHECK(Program::run(folder, {"no-such-command"}).status == 2);
}

TEST_CASE("validate tells every error of the file with its place and ends with 2") {
  const TemporaryFolder folder;
  write(folder / "bad.toml",
        "[server]\nworkes = 3\nhttp = 5\n\n[[site]]\nhots = [\"a.example\"]\n");
  const Ended ended = Program::run(folder, {"validate", "-c", "bad.toml"});
  CHECK(ended.status == 2);
  CHECK(contains(ended.err, "bad.toml:2:"));
  CHECK(contains(ended.err, "did you mean 'workers'?"));
  CHECK(contains(ended.err, "bad.toml:3:"));
  CHECK(contains(ended.err, "bad.toml:6:"));
  CHECK(Program::run(folder, {"validate", "-c", "missing.toml"}).status == 2);
}

TEST_CASE("validate sums a good file up in one line") {
  const TemporaryFolder folder;
  write(folder / "gatehouse.toml", config(folder));
  const Ended ended = Program::run(folder, {"validate"});
  CHECK(ended.status == 0);
  CHECK(ended.out == "gatehouse.toml: valid, 1 site, 1 route, 0 certificates\n");
}

TEST_CASE("an include that matches no file is warned of, and the file is valid all the same") {
  const TemporaryFolder folder;
  write(folder / "gatehouse.toml", "include = \"sites.d/*.toml\"\n" + config(folder));
  const Ended ended = Program::run(folder, {"validate"});
  CHECK(ended.status == 0);
  CHECK(ended.err == "gatehouse.toml:1:11: warning: include 'sites.d/*.toml' matches no file\n");
  CHECK(ended.out == "gatehouse.toml: valid, 1 site, 1 route, 0 certificates\n");

  Program running(folder, {"run"});
  REQUIRE(running.notified() == "READY=1");
  CHECK(Program::run(folder, {"reload"}).status == 0);
  running.signal(SIGTERM);
  const std::string line =
      R"("level":"warn","event":"config accepted with a warning","at":"gatehouse.toml:1:11",)"
      R"("why":"include 'sites.d/*.toml' matches no file"})";
  const std::string log = running.wait().err;
  REQUIRE(contains(log, line));
  CHECK(contains(log.substr(log.find(line) + line.size()), line));  // of the reload
}

TEST_CASE("hash-password hashes the line on stdin") {
  const TemporaryFolder folder;
  const Ended ended = Program::run(folder, {"hash-password"}, "correct horse\n");
  REQUIRE_MESSAGE(ended.status == 0, ended.err);
  const std::string hash = ended.out.substr(0, ended.out.find('\n'));
  const auto room = std::make_unique<crypt_data>();
  CHECK(hash == ::crypt_r("correct horse", hash.c_str(), room.get()));
  CHECK(Program::run(folder, {"hash-password"}, "").status == 1);
}

TEST_CASE("status ends with 1 when nobody runs") {
  const TemporaryFolder folder;
  write(folder / "gatehouse.toml", config(folder));
  const Ended ended = Program::run(folder, {"status"});
  CHECK(ended.status == 1);
  CHECK(contains(ended.err, "no running Gatehouse"));
}

TEST_CASE("a running process is ready when the service manager hears so, and stops when asked") {
  const TemporaryFolder folder;
  write(folder / "gatehouse.toml", config(folder));
  Program running(folder, {"run"});
  REQUIRE(running.notified() == "READY=1");

  struct stat facts {};
  REQUIRE(::stat((folder / "data").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0700);
  REQUIRE(::stat((folder / "data/admin.sock").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0600);

  const json seen = status(folder);
  CHECK(seen.at("state") == "serving");
  REQUIRE(seen.at("listeners").size() == 1);
  CHECK(seen.at("listeners")[0].at("port").get<int>() > 0);
  CHECK(contains(Program::run(folder, {"status"}).out, "a.example"));
  CHECK(Program::run(folder, {"certs"}).status == 0);

  const Ended second = Program::run(folder, {"run"});
  CHECK(second.status == 1);
  CHECK(contains(second.err, "already running"));

  CHECK(Program::run(folder, {"stop"}).status == 0);
  CHECK(running.notified() == "STOPPING=1");
  CHECK(running.wait().status == 0);
  CHECK_FALSE(std::filesystem::exists(folder / "data/admin.sock"));
}

TEST_CASE("a bad file at reload changes nothing and says why") {
  const TemporaryFolder folder;
  write(folder / "gatehouse.toml", config(folder));
  Program running(folder, {"run"});
  REQUIRE(running.notified() == "READY=1");

  write(folder / "gatehouse.toml", config(folder) + site("b.example") + "nonsense = true\n");
  const Ended bad =
      Program::run(folder, {"reload", "--admin", "unix:" + folder.path() + "/data/admin.sock"});
  CHECK(bad.status == 2);
  CHECK(contains(bad.err, "nonsense"));
  CHECK(running.notified().starts_with("RELOADING=1"));
  CHECK(running.notified() == "READY=1");
  CHECK(status(folder).at("sites").size() == 1);
  running.signal(SIGTERM);
  CHECK(running.notified() == "STOPPING=1");
  const Ended ended = running.wait();
  CHECK(ended.status == 0);
  CHECK(contains(ended.err, "reload refused"));
}

TEST_CASE("a process whose file was spoilt can still be asked, and what is assumed is told") {
  const TemporaryFolder folder;
  const std::string good = config(folder);
  write(folder / "gatehouse.toml", good);
  Program running(folder, {"run"});
  REQUIRE(running.notified() == "READY=1");
  const std::string errors =
      "gatehouse: warning: gatehouse.toml has errors ('gatehouse validate' names them); asking the "
      "process of ";
  const std::string by_file = errors + "data_dir " + folder.path() +
                              "/data, as the file still says; --admin ADDRESS names another\n";

  write(folder / "gatehouse.toml", good + site("a.example"));  // TOML, but no good config
  const Ended certs = Program::run(folder, {"certs"});
  CHECK(certs.status == 0);
  CHECK(certs.out.starts_with("HOST"));
  CHECK(certs.err == by_file);

  write(folder / "gatehouse.toml", "= ?\n[[\n" + good + "\nhosts = [\n");  // not even TOML
  const Ended status = Program::run(folder, {"status", "--json"});
  CHECK(status.status == 0);
  CHECK(json::parse(status.out).at("state") == "serving");
  CHECK(status.err == by_file);

  const Ended reload = Program::run(folder, {"reload"});
  CHECK(reload.status == 2);
  CHECK(contains(reload.err, "gatehouse.toml:1:1: not valid TOML"));
  CHECK(running.notified().starts_with("RELOADING=1"));
  CHECK(running.notified() == "READY=1");

  // Without the key the default directory is meant, where nobody is.
  write(folder / "gatehouse.toml", "[server]\nworkes = 1\n");
  const Ended nobody = Program::run(folder, {"status"});
  CHECK(nobody.status == 1);
  CHECK(contains(nobody.err, ", the default; --admin ADDRESS names another\n"));
  CHECK(contains(nobody.err, "no running Gatehouse answers at unix:"));

  const Ended missing = Program::run(folder, {"stop", "-c", "no.toml"});
  CHECK(missing.status == 2);
  CHECK(missing.err ==
        "gatehouse: no.toml: cannot read this file; --admin ADDRESS reaches the process without "
        "it\n");
  const Ended stop = Program::run(
      folder, {"stop", "-c", "no.toml", "--admin", "unix:" + folder.path() + "/data/admin.sock"});
  CHECK(stop.status == 0);
  CHECK(stop.err.empty());
  CHECK(running.notified() == "STOPPING=1");
  CHECK(running.wait().status == 0);
}

TEST_CASE("a good file at reload is served from then on, and told what needs a restart") {
  const TemporaryFolder folder;
  write(folder / "gatehouse.toml", config(folder));
  Program running(folder, {"run"});
  REQUIRE(running.notified() == "READY=1");
  const int port = status(folder).at("listeners")[0].at("port").get<int>();

  std::string changed = config(folder) + site("b.example");
  changed.replace(changed.find("workers = 1"), 11, "workers = 2");
  write(folder / "gatehouse.toml", changed);
  const Ended good = Program::run(folder, {"reload"});
  CHECK(good.status == 0);
  CHECK(contains(good.out, "site b.example added"));
  CHECK(contains(good.out, "server.workers changed: needs a restart"));
  const json after = status(folder);
  CHECK(after.at("sites").size() == 2);
  CHECK(after.at("workers") == 1);
  CHECK(after.at("listeners")[0].at("port") == port);
}

TEST_CASE("SIGHUP reloads") {
  const TemporaryFolder folder;
  write(folder / "gatehouse.toml", config(folder));
  Program running(folder, {"run"});
  REQUIRE(running.notified() == "READY=1");
  write(folder / "gatehouse.toml", config(folder) + site("b.example"));
  running.signal(SIGHUP);
  CHECK(running.notified().starts_with("RELOADING=1"));
  CHECK(running.notified() == "READY=1");
  CHECK(status(folder).at("sites").size() == 2);
}

TEST_CASE("SIGUSR1 opens the log file again") {
  const TemporaryFolder folder;
  const std::string log = folder / "gatehouse.log";
  write(folder / "gatehouse.toml", config(folder) + "\n[log]\noutput = \"" + log + "\"\n");
  Program running(folder, {"run"});
  REQUIRE(running.notified() == "READY=1");
  std::filesystem::rename(log, log + ".1");
  running.signal(SIGUSR1);
  running.signal(SIGTERM);
  CHECK(running.wait().status == 0);
  CHECK(std::filesystem::exists(log));
}

TEST_CASE("a start that cannot be says why and ends with 1") {
  const TemporaryFolder folder;
  write(folder / "file", "x");
  std::string text = config(folder);
  SUBCASE("data_dir cannot be made") {
    text.replace(text.find("/data"), 5, "/file/data");
    write(folder / "gatehouse.toml", text);
    const Ended ended = Program::run(folder, {"run"});
    CHECK(ended.status == 1);
    CHECK(contains(ended.err, "data_dir"));
  }
  SUBCASE("the log cannot be opened") {
    write(folder / "gatehouse.toml",
          text + "\n[log]\noutput = \"" + folder.path() + "/file/gatehouse.log\"\n");
    const Ended ended = Program::run(folder, {"run"});
    CHECK(ended.status == 1);
    CHECK(contains(ended.err, "log.output"));
  }
  SUBCASE("there is no such user") {
    text.replace(text.find("workers = 1"), 11, "user = \"no-such-account-here\"");
    write(folder / "gatehouse.toml", text);
    const Ended ended = Program::run(folder, {"run"});
    CHECK(ended.status == 1);
    CHECK(contains(ended.err, "no such user"));
  }
}

}  // namespace program_test
