#include "acme/store/lease.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <sstream>
#include <vector>

#include "core/base/bytes.hpp"
#include "core/base/time_format.hpp"

namespace gatehouse::acme {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

// Field 22 of /proc/PID/stat, in clock ticks since boot. The second field may hold spaces, but it
// ends at the last ')'.
std::string start_time_of(const std::string& pid) {
  const std::string line = first_line("/proc/" + pid + "/stat");
  const auto close = line.rfind(')');
  if (close == std::string::npos) return {};
  std::istringstream rest(line.substr(close + 1));
  std::string field;
  for (int at = 3; at <= 22 && rest >> field; ++at) {
  }
  return field;
}

std::string pid_namespace() {
  struct stat found {};
  if (::stat("/proc/self/ns/pid", &found) != 0) return "0";
  return std::to_string(found.st_ino);
}

std::string boot() { return first_line("/proc/sys/kernel/random/boot_id"); }

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back().push_back(c);
  }
  return parts;
}

// The file: "owner OWNER\nuntil RFC3339\n".
struct Lease {
  std::string owner;
  Wall until;
};

Result<Lease> parse(const std::string& text) {
  const auto lines = split(text, '\n');
  if (lines.size() < 2 || !lines[0].starts_with("owner ") || !lines[1].starts_with("until "))
    return Error(Fault::bad_message, Side::self, "damaged lease");
  const auto until = parse_rfc3339(lines[1].substr(6));
  if (!until) return until.error();
  return Lease{.owner = lines[0].substr(6), .until = *until};
}

}  // namespace

std::string owner_of_this_process() {
  const std::string pid = std::to_string(::getpid());
  return boot() + "/" + pid_namespace() + "/" + pid + "/" + start_time_of(pid);
}

bool surely_dead(const std::string& owner) {
  const auto parts = split(owner, '/');
  if (parts.size() != 4 || parts[0].empty() || parts[0] != boot() || parts[1] != pid_namespace())
    return false;
  return start_time_of(parts[2]) != parts[3];
}

std::string LeaseFiles::fresh_text() const {
  return "owner " + owner_ + "\nuntil " + rfc3339(clock_.wall() + length) + "\n";
}

bool LeaseFiles::over(const std::string& text) const {
  const auto lease = parse(text);
  // A damaged lease protects nothing: leases are written whole or not at all.
  return !lease || clock_.wall() > lease->until + slack || surely_dead(lease->owner);
}

// Leases end with their owner, and he with the power: they need not outlast it.
Result<LeaseFiles::Held> LeaseFiles::take(const std::string& name) {
  Held held{.path = directory_ + "/" + name, .text = fresh_text()};
  auto made = files_.create_passing(held.path, held.text);
  if (made) return held;
  if (made.error().fault() == Fault::not_found) {
    auto directory = files_.make_directories(directory_);
    if (!directory) return directory.error();
    made = files_.create_passing(held.path, held.text);
  }
  for (int tries = 0; !made && made.error().fault() == Fault::refused && tries < 3; ++tries) {
    const auto there = files_.read(held.path);
    if (there) {
      const auto lease = parse(*there);
      if (!over(*there))
        return Error(Fault::refused, Side::self, name + " is held by " + lease->owner);
      auto taken = take_over(held.path, *there);
      if (!taken) return taken.error();
    }
    held.text = fresh_text();
    made = files_.create_passing(held.path, held.text);
  }
  if (!made) return made.error();
  return held;
}

Result<void> LeaseFiles::take_over(const std::string& path, const std::string& expired) {
  // Moving the file away is what only one of several takers can do. Who moved something else than
  // what was judged expired has taken a fresh lease from under its owner, and puts it back.
  const std::string aside = path + "." + hex(files_.entropy().octets(8));
  auto moved = files_.system().rename(path, aside);
  if (!moved) {
    if (moved.error().fault() == Fault::not_found) return {};
    return moved.error();
  }
  const auto there = files_.read(aside);
  if (there && *there != expired) (void)files_.system().link(aside, path);
  return files_.remove(aside);
}

Result<void> LeaseFiles::renew(Held& held) {
  const auto there = files_.read(held.path);
  if (!there || *there != held.text)
    return Error(Fault::refused, Side::self, "lease " + held.path + " was lost");
  std::string next = fresh_text();
  auto written = files_.replace(held.path, next);
  if (!written) return written.error();
  held.text = std::move(next);
  return {};
}

void LeaseFiles::release(const Held& held) {
  const auto there = files_.read(held.path);
  if (there && *there == held.text) (void)files_.remove(held.path);
}

}  // namespace gatehouse::acme
