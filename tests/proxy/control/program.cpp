#include "tests/proxy/control/program.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>

namespace gatehouse::test {
namespace {

constexpr int patience_ms = 60'000;  // only a hanging program takes that long

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void redirect(const std::string& path, int flags, int onto) {
  const int fd = ::open(path.c_str(), flags, 0600);
  ::dup2(fd, onto);
  ::close(fd);
}

int listen_for_datagrams(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  return fd;
}

int counter = 0;  // names of files: one thread runs the tests

}  // namespace

Program::Program(const TemporaryFolder& folder, std::vector<std::string> arguments,
                 const std::string& input) {
  const std::string name = std::to_string(++counter);
  out_ = folder / (name + ".out");
  err_ = folder / (name + ".err");
  socket_ = folder / (name + ".notify");
  const std::string in = folder / (name + ".in");
  std::ofstream(in) << input;
  manager_ = listen_for_datagrams(socket_);

  arguments.insert(arguments.begin(), GATEHOUSE_BINARY);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  child_ = ::fork();
  REQUIRE(child_ >= 0);
  if (child_ == 0) {
    if (::chdir(folder.path().c_str()) != 0) ::_exit(126);
    ::setenv("NOTIFY_SOCKET", socket_.c_str(), 1);
    ::setenv("XDG_DATA_HOME", folder.path().c_str(), 1);
    ::unsetenv("GATEHOUSE_CONFIG");
    redirect(in, O_RDONLY, STDIN_FILENO);
    redirect(out_, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    redirect(err_, O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ended_ = static_cast<int>(::syscall(SYS_pidfd_open, child_, 0));
  REQUIRE(ended_ >= 0);
}

Program::~Program() {
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  ::close(ended_);
  ::close(manager_);
}

std::string Program::notified() {
  pollfd wanted[2] = {{manager_, POLLIN, 0}, {ended_, POLLIN, 0}};
  REQUIRE(::poll(wanted, 2, patience_ms) > 0);
  char room[256];
  const ssize_t count = ::recv(manager_, room, sizeof(room), MSG_DONTWAIT);
  return count < 0 ? std::string() : std::string(room, static_cast<std::size_t>(count));
}

void Program::signal(int number) { REQUIRE(::kill(child_, number) == 0); }

Ended Program::wait() {
  pollfd wanted{ended_, POLLIN, 0};
  REQUIRE(::poll(&wanted, 1, patience_ms) == 1);
  int status = 0;
  REQUIRE(::waitpid(child_, &status, 0) == child_);
  child_ = -1;
  Ended ended;
  ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ended.out = read_all(out_);
  ended.err = read_all(err_);
  return ended;
}

Ended Program::run(const TemporaryFolder& folder, std::vector<std::string> arguments,
                   const std::string& input) {
  Program program(folder, std::move(arguments), input);
  return program.wait();
}

}  // namespace gatehouse::test
