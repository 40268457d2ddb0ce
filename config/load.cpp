#include "config/load.hpp"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "config/detail/parse.hpp"
#include "config/detail/visit.hpp"

namespace gatehouse::config {
namespace {

std::optional<std::string> whole_file(const std::string& path) {
  std::error_code failed;
  if (std::filesystem::is_directory(path, failed)) return {};  // opens, but cannot be read
  std::ifstream in(path, std::ios::binary);
  if (!in) return {};
  std::string content;
  constexpr std::size_t piece = 64 * 1024;
  while (in && content.size() <= most_file_bytes) {
    const std::size_t before = content.size();
    content.resize(before + piece);
    in.read(content.data() + before, piece);
    content.resize(before + static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad()) return {};
  return content;
}

bool may_read(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 && !S_ISDIR(found.st_mode) &&
         ::faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) == 0;
}

std::vector<std::string> matching(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> paths;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) paths.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  return paths;
}

std::string reason_unreadable(const std::string& path) {
  std::error_code failed;
  if (std::filesystem::is_directory(path, failed)) return "it is a directory";
  if (!std::filesystem::exists(path, failed)) {
    return failed ? failed.message() : "there is no such file";
  }
  return ::access(path.c_str(), R_OK) == 0 ? "it breaks off" : std::strerror(errno);
}

std::string reason_against_folder(const std::string& path) {
  std::error_code failed;
  if (std::filesystem::is_directory(path, failed)) return {};
  if (failed && failed != std::errc::no_such_file_or_directory) return failed.message();
  return std::filesystem::exists(path, failed) ? "it is no folder" : "there is no such folder";
}

}  // namespace

Surroundings Surroundings::system() {
  Surroundings around;
  around.environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (!value) return {};
    return value;
  };
  around.read_file = whole_file;
  around.readable = may_read;
  around.glob = matching;
  around.why_unreadable = reason_unreadable;
  around.wrong_folder = reason_against_folder;
  around.root = ::geteuid() == 0;
  return around;
}

std::string detail::because(const std::string& path, const Surroundings& around) {
  return around.why_unreadable ? ": " + around.why_unreadable(path) : "";
}

std::string detail::too_large(std::size_t octets) {
  if (octets <= most_file_bytes) return {};
  return "has more than " + std::to_string(most_file_bytes >> 20) +
         " MiB, the most that is read of a config";
}

Loaded load_file(const std::string& path, const Surroundings& around, Features features) {
  const auto text = around.read_file(path);
  if (!text) return {{}, {{{path, 1, 1}, "cannot read this file: " + reason_unreadable(path)}}, {}};
  return load_text(*text, path, around, features);
}

Loaded load_text(const std::string& text, const std::string& name, const Surroundings& around,
                 Features features) {
  if (const std::string why = detail::too_large(text.size()); !why.empty()) {
    return {{}, {{{name, 1, 1}, "this file " + why}}, {}};
  }
  detail::Book book;
  book.opened(name);
  auto root = detail::parse_toml(text, name, book);
  if (!root) return {{}, book.problems(), {}};
  detail::substitute(*root, around, book);
  detail::merge_includes(*root, name, around, book);
  Config config;
  detail::read(*root, config, book);
  detail::resolve(config, book, around);
  detail::check(config, book, around);
  if (features == Features::this_version) detail::check_available(*root, book);
  if (!book.clean()) return {{}, book.problems(), book.warnings()};
  config.expanded = book.take_expanded();
  return {std::move(config), {}, book.warnings()};
}

}  // namespace gatehouse::config
