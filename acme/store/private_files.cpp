#include "acme/store/private_files.hpp"

#include "acme/store/detail/layout.hpp"
#include "core/base/bytes.hpp"

namespace gatehouse::acme {
namespace {

constexpr std::string_view temporary_prefix = ".tmp-";

std::string octal(std::uint32_t mode) {
  std::string digits = "0000";
  for (std::size_t at = digits.size(); at-- > 0; mode >>= 3U)
    digits[at] = static_cast<char>('0' + (mode & 7U));
  return digits;
}

}  // namespace

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string PrivateFiles::temporary_name(const std::string& path) {
  return parent_of(path) + "/" + std::string(temporary_prefix) + hex(entropy_.octets(8));
}

Result<void> PrivateFiles::make_directories(const std::string& path) {
  if (path == "/" || path == ".") return {};
  auto made = system_.make_directory(path);
  if (!made && missing(made.error())) {
    auto above = make_directories(parent_of(path));
    if (!above) return above.error();
    made = system_.make_directory(path);
  }
  if (!made) return made.error();
  if (*made) return system_.sync_directory(parent_of(path));
  return {};
}

Result<void> PrivateFiles::replace(const std::string& path, std::string_view octets) {
  const std::string temporary = temporary_name(path);
  auto done = system_.create(temporary, octets);
  if (done) done = system_.rename(temporary, path);
  if (!done) {
    (void)system_.remove(temporary);  // what failed first is what the caller hears
    return done.error();
  }
  return system_.sync_directory(parent_of(path));
}

Result<void> PrivateFiles::create(const std::string& path, std::string_view octets) {
  const std::string temporary = temporary_name(path);
  auto done = system_.create(temporary, octets);
  if (done) done = system_.link(temporary, path);
  (void)system_.remove(temporary);
  if (!done) return done.error();
  return system_.sync_directory(parent_of(path));
}

Result<void> PrivateFiles::create_passing(const std::string& path, std::string_view octets) {
  const std::string temporary = temporary_name(path);
  auto done = system_.append(temporary, octets);
  if (done) done = system_.link(temporary, path);
  (void)system_.remove(temporary);
  return done;
}

Result<std::string> read_secret(FileSystem& system, const std::string& path) {
  const auto facts = system.facts(path);
  if (!facts) return facts.error();
  if ((facts->mode & 0077U) != 0)
    return Error(
        Fault::denied, Side::self,
        path + ": mode " + octal(facts->mode) + " lets others read it; refused until it is 0600");
  return system.read(path);
}

Result<void> PrivateFiles::remove(const std::string& path) {
  auto removed = system_.remove(path);
  if (!removed && !missing(removed.error())) return removed.error();
  return {};
}

Result<void> PrivateFiles::remove_flat(const std::string& directory) {
  const auto names = system_.list(directory);
  if (!names && missing(names.error())) return {};
  if (!names) return names.error();
  for (const std::string& name : *names) {
    auto removed = remove(directory + "/" + name);
    if (!removed) return removed.error();
  }
  return remove(directory);
}

void PrivateFiles::sweep(const std::string& directory) {
  const auto names = system_.list(directory);
  if (!names) return;
  for (const std::string& name : *names)
    if (name.starts_with(temporary_prefix)) (void)remove(directory + "/" + name);
}

}  // namespace gatehouse::acme
