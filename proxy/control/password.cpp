#include "proxy/control/password.hpp"

#include <crypt.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <iostream>
#include <memory>

namespace gatehouse::control {
namespace {

constexpr std::size_t bcrypt_octets = 72;
constexpr unsigned long bcrypt_cost = 12;

Error refuse(const char* why) { return Error(Fault::denied, Side::self, why); }

/// Echo is off while this lives.
class Silence {
 public:
  Silence() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  ~Silence() {
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }

 private:
  termios before_{};
  bool changed_ = false;
};

Result<std::string> ask(const char* prompt) {
  std::cerr << prompt << std::flush;
  std::string line;
  const Silence silence;
  const bool read = static_cast<bool>(std::getline(std::cin, line));
  std::cerr << '\n';
  if (!read) return refuse("no password was given");
  return line;
}

}  // namespace

Result<std::string> hash_password(const std::string& password, HashAlgorithm algorithm) {
  if (password.empty()) return refuse("the password is empty");
  if (password.find('\0') != std::string::npos) return refuse("the password holds a NUL octet");
  const bool bcrypt = algorithm == HashAlgorithm::bcrypt;
  if (bcrypt && password.size() > bcrypt_octets) {
    return refuse(
        "bcrypt looks at the first 72 octets only and this password is longer; use "
        "--algorithm yescrypt");
  }
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> salt{};
  if (!::crypt_gensalt_rn(bcrypt ? "$2b$" : "$y$", bcrypt ? bcrypt_cost : 0, nullptr, 0,
                          salt.data(), static_cast<int>(salt.size()))) {
    return Error(Fault::io, Side::self, "crypt_gensalt: " + std::string(std::strerror(errno)));
  }
  const auto room = std::make_unique<crypt_data>();  // 32 KiB
  const char* hash = ::crypt_r(password.c_str(), salt.data(), room.get());
  if (!hash || hash[0] == '*') {
    return Error(Fault::io, Side::self, "crypt: the system's libcrypt cannot do this algorithm");
  }
  return std::string(hash);
}

Result<std::string> read_password() {
  if (::isatty(STDIN_FILENO) == 0) {
    std::string line;
    if (!std::getline(std::cin, line)) return refuse("no password on stdin");
    return line;
  }
  auto first = ask("Password: ");
  if (!first) return first.error();
  auto again = ask("Once more: ");
  if (!again) return again.error();
  if (*first != *again) return refuse("the two passwords differ");
  return *std::move(first);
}

}  // namespace gatehouse::control
