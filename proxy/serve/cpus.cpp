#include "proxy/serve/cpus.hpp"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <thread>

namespace gatehouse::serve {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// The smallest quota of our group and the groups around it (version 2: one "0::PATH" line).
std::optional<unsigned> unified_quota() {
  std::ifstream file("/proc/self/cgroup");
  std::string path;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) path = line.substr(3);
  }
  if (path == "/") path.clear();
  std::optional<unsigned> least;
  for (;;) {
    const auto here = cpus_of_quota(first_line("/sys/fs/cgroup" + path + "/cpu.max"));
    if (here) least = std::min(*here, least.value_or(*here));
    if (path.empty()) return least;
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

std::optional<unsigned> version1_quota() {
  const std::string quota = first_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  if (quota.empty() || quota.starts_with('-')) return {};
  return cpus_of_quota(quota + " " + first_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us"));
}

unsigned by_affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<unsigned>(CPU_COUNT(&set));
  return std::thread::hardware_concurrency();
}

}  // namespace

std::optional<unsigned> cpus_of_quota(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return {};
  const std::string_view rest = text.substr(space + 1);
  unsigned long quota = 0;
  unsigned long period = 0;
  const auto first = std::from_chars(text.data(), text.data() + space, quota);
  const auto second = std::from_chars(rest.data(), rest.data() + rest.size(), period);
  if (first.ec != std::errc() || second.ec != std::errc() || quota == 0 || period == 0) return {};
  return static_cast<unsigned>((quota + period - 1) / period);
}

unsigned available_cpus() {
  unsigned cpus = by_affinity();
  if (const auto quota = unified_quota()) cpus = std::min(cpus, *quota);
  if (const auto quota = version1_quota()) cpus = std::min(cpus, *quota);
  return std::max(cpus, 1U);
}

}  // namespace gatehouse::serve
