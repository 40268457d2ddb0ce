#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>
#include <vector>

#include "proxy/control/admin_address.hpp"
#include "proxy/control/admin_token.hpp"
#include "proxy/control/notify.hpp"
#include "proxy/control/process.hpp"
#include "proxy/control/unix_door.hpp"
#include "tests/support/temporary_folder.hpp"

namespace doors_test {

using namespace gatehouse;
using namespace gatehouse::control;
using test::TemporaryFolder;

namespace {

mode_t mode_of(const std::string& path) {
  struct stat facts {};
  REQUIRE(::lstat(path.c_str(), &facts) == 0);
  return facts.st_mode & 07777;
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  return address;
}

}  // namespace

TEST_CASE("the admin socket is its owner's alone and goes with its door") {
  const TemporaryFolder folder;
  const std::string path = folder / "admin.sock";
  {
    const auto door = UnixDoor::open(path);
    REQUIRE(door.has_value());
    CHECK(mode_of(path) == 0600);
  }
  CHECK_FALSE(exists(path));
}

TEST_CASE("a second process is told that one is already running") {
  const TemporaryFolder folder;
  const auto first = UnixDoor::open(folder / "admin.sock");
  REQUIRE(first.has_value());
  const auto second = UnixDoor::open(folder / "admin.sock");
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().fault() == Fault::refused);
  CHECK(second.error().detail().find("already running") != std::string::npos);
  CHECK(exists(folder / "admin.sock"));
}

TEST_CASE("a socket that a dead process left behind is replaced") {
  const TemporaryFolder folder;
  const std::string path = folder / "admin.sock";
  const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un address = address_of(path);
  REQUIRE(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  ::close(dead);
  REQUIRE(exists(path));
  CHECK(UnixDoor::open(path).has_value());
}

TEST_CASE("a file that is no socket is never replaced by the admin socket") {
  const TemporaryFolder folder;
  const std::string path = folder / "admin.sock";
  std::ofstream(path) << "precious";
  const auto door = UnixDoor::open(path);
  REQUIRE_FALSE(door.has_value());
  CHECK(door.error().fault() == Fault::io);
  CHECK(exists(path));
}

TEST_CASE("a door leaves a socket alone that somebody else put in its place") {
  const TemporaryFolder folder;
  const std::string path = folder / "admin.sock";
  auto first = UnixDoor::open(path);
  REQUIRE(first.has_value());
  ::unlink(path.c_str());
  const auto second = UnixDoor::open(path);
  REQUIRE(second.has_value());
  first = UnixDoor();
  CHECK(exists(path));
}

TEST_CASE("a socket path that is too long says so") {
  const TemporaryFolder folder;
  const auto door = UnixDoor::open(folder / std::string(120, 'x'));
  REQUIRE_FALSE(door.has_value());
  CHECK(door.error().fault() == Fault::limit);
}

TEST_CASE("admin addresses are taken apart") {
  const auto standard = AdminAddress::parse("", "/data");
  REQUIRE(standard.has_value());
  CHECK(standard->text() == "unix:/data/admin.sock");
  CHECK(AdminAddress::parse("off", "/data")->kind == AdminAddress::Kind::off);
  CHECK(AdminAddress::parse("unix:/run/a.sock", "/data")->path == "/run/a.sock");
  const auto tcp = AdminAddress::parse("[::1]:2019", "/data");
  REQUIRE(tcp.has_value());
  CHECK(tcp->host == "::1");
  CHECK(tcp->port == 2019);
  CHECK(tcp->text() == "[::1]:2019");
  CHECK_FALSE(AdminAddress::parse("unix:", "/data").has_value());
  CHECK_FALSE(AdminAddress::parse("127.0.0.1", "/data").has_value());
}

TEST_CASE("the admin token is made once, private, and read again") {
  const TemporaryFolder folder;
  SystemEntropy entropy;
  CHECK_FALSE(read_admin_token(folder.path()).has_value());
  const auto made = admin_token(folder.path(), entropy);
  REQUIRE(made.has_value());
  CHECK(made->size() == 43);
  CHECK(mode_of(folder / "admin.token") == 0600);
  CHECK(*admin_token(folder.path(), entropy) == *made);
  CHECK(*read_admin_token(folder.path()) == *made);
}

TEST_CASE("of many that make an admin token at once all have the same one") {
  const TemporaryFolder folder;
  std::array<std::string, 8> tokens;
  std::latch together(tokens.size());
  std::vector<std::thread> threads;
  for (std::string& token : tokens) {
    threads.emplace_back([&] {
      SystemEntropy entropy;
      together.arrive_and_wait();
      if (auto made = admin_token(folder.path(), entropy)) token = *std::move(made);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(tokens.front().size() == 43);
  CHECK(std::count(tokens.begin(), tokens.end(), tokens.front()) == std::ssize(tokens));
  const std::filesystem::directory_iterator files(folder.path());
  CHECK(std::distance(begin(files), end(files)) == 1);  // nothing else is left
}

TEST_CASE("a file that holds no admin token is named, with what to do") {
  const TemporaryFolder folder;
  SystemEntropy entropy;
  REQUIRE(admin_token(folder.path(), entropy).has_value());
  std::filesystem::resize_file(folder / "admin.token", 3);
  const std::string why = admin_token(folder.path(), entropy).error().detail();
  CHECK(why.find("admin.token") != std::string::npos);
  CHECK(why.find("remove it") != std::string::npos);
}

TEST_CASE("an admin token that others can read is refused with its mode") {
  const TemporaryFolder folder;
  SystemEntropy entropy;
  REQUIRE(admin_token(folder.path(), entropy).has_value());
  REQUIRE(::chmod((folder / "admin.token").c_str(), 0644) == 0);
  const auto token = admin_token(folder.path(), entropy);
  REQUIRE_FALSE(token.has_value());
  CHECK(token.error().detail().find("0644") != std::string::npos);
}

TEST_CASE("the service manager gets one datagram with the state") {
  const TemporaryFolder folder;
  const int manager = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  const sockaddr_un address = address_of(folder / "notify");
  REQUIRE(::bind(manager, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  REQUIRE(notify(folder / "notify", "READY=1").has_value());
  char room[64];
  const ssize_t count = ::recv(manager, room, sizeof(room), MSG_DONTWAIT);
  REQUIRE(count == 7);
  CHECK(std::string(room, 7) == "READY=1");
  ::close(manager);
}

TEST_CASE("without a service manager nothing is sent, and a vanished one is an error") {
  const TemporaryFolder folder;
  CHECK(notify("", "READY=1").has_value());
  CHECK_FALSE(notify(folder / "gone", "READY=1").has_value());
  CHECK_FALSE(notify(std::string(200, 'x'), "READY=1").has_value());
}

TEST_CASE("the data directory is made private, with its parents") {
  const TemporaryFolder folder;
  REQUIRE(prepare_data_dir(folder / "a/b").has_value());
  CHECK(mode_of(folder / "a/b") == 0700);
  CHECK(prepare_data_dir(folder / "a/b").has_value());
}

TEST_CASE("a data directory that cannot be is told by its path") {
  const TemporaryFolder folder;
  std::ofstream(folder / "file") << "x";
  const auto refused = prepare_data_dir(folder / "file/data");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().detail().find(folder / "file/data") != std::string::npos);
  CHECK_FALSE(prepare_data_dir(folder / "file").has_value());
}

TEST_CASE("an account that does not exist is told by its name") {
  const auto nobody = find_account("no-such-account-here");
  REQUIRE_FALSE(nobody.has_value());
  CHECK(nobody.error().fault() == Fault::not_found);
  CHECK(find_account("root")->uid == 0);
}

}  // namespace doors_test
