#include "proxy/control/changes.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace gatehouse::control {
namespace {

/// The parts of a kind by their names.
template <class Part>
using Named = std::unordered_map<std::string_view, const Part*>;

Named<config::Site> named_sites(const config::Config& config) {
  Named<config::Site> named;
  for (const config::Site& site : config.sites) {
    named[site.hosts.empty() ? std::string_view() : site.hosts.front()] = &site;
  }
  return named;
}

Named<config::Backend> named_backends(const config::Config& config) {
  Named<config::Backend> named;
  for (const config::Backend& backend : config.backends) named[backend.name] = &backend;
  return named;
}

constexpr std::string_view http = "http";
constexpr std::string_view https = "https";

/// What each listening address speaks.
Named<std::string_view> named_listeners(const config::Config& config) {
  Named<std::string_view> named;
  const auto add = [&](const std::vector<config::Listen>& listens, const std::string_view& scheme) {
    for (const config::Listen& listen : listens) named[listen.text] = &scheme;
  };
  add(config.server.http, http);
  add(config.server.https, https);
  for (const config::Site& site : config.sites) {
    if (site.http) add(*site.http, http);
    if (site.https) add(*site.https, https);
  }
  return named;
}

/// Lines of one kind of change, by name.
void tell(const char* kind, std::vector<std::pair<std::string_view, const char*>> told,
          std::vector<std::string>& lines) {
  std::sort(told.begin(), told.end());
  for (const auto& [name, what] : told) {
    lines.push_back(std::string(kind) + " " + std::string(name) + " " + what);
  }
}

template <class Part>
void compare(const char* kind, const Named<Part>& before, const Named<Part>& after,
             std::vector<std::string>& lines) {
  std::vector<std::pair<std::string_view, const char*>> there;
  std::vector<std::pair<std::string_view, const char*>> gone;
  for (const auto& [name, value] : after) {
    const auto old = before.find(name);
    if (old == before.end()) {
      there.emplace_back(name, "added");
    } else if (!(*old->second == *value)) {
      there.emplace_back(name, "changed");
    }
  }
  for (const auto& [name, value] : before) {
    if (!after.contains(name)) gone.emplace_back(name, "removed");
  }
  tell(kind, std::move(there), lines);
  tell(kind, std::move(gone), lines);
}

/// What is told in lines of its own left out.
config::Server without_told(config::Server server) {
  server.http.clear();
  server.https.clear();
  server.data_dir.clear();
  server.workers = 0;
  server.user.clear();
  return server;
}

}  // namespace

Changes compare(const config::Config& before, const config::Config& after) {
  Changes changes;
  compare("listener", named_listeners(before), named_listeners(after), changes.applied);
  compare("site", named_sites(before), named_sites(after), changes.applied);
  compare("backend", named_backends(before), named_backends(after), changes.applied);
  const auto whole = [&](const char* name, bool same) {
    if (!same) changes.applied.push_back(std::string(name) + " changed");
  };
  whole("[log]", before.log == after.log);
  whole("[acme]", before.acme == after.acme);
  whole("[server]", without_told(before.server) == without_told(after.server));

  const auto fixed = [&](const char* name, bool same) {
    if (!same) changes.needs_restart.push_back(name);
  };
  fixed("server.data_dir", before.server.data_dir == after.server.data_dir);
  fixed("server.workers", before.server.workers == after.server.workers);
  fixed("server.user", before.server.user == after.server.user);
  fixed("admin.listen", before.admin.listen == after.admin.listen);
  fixed("[storage]", before.storage.kind == after.storage.kind &&
                         before.storage.url.value == after.storage.url.value &&
                         before.storage.encryption_key.value == after.storage.encryption_key.value);
  return changes;
}

}  // namespace gatehouse::control
