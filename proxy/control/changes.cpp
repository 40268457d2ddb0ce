#include "proxy/control/changes.hpp"

#include <algorithm>
#include <map>

#include "config/load.hpp"

namespace gatehouse::control {
namespace {

using Named = std::map<std::string, std::string>;  // name to everything that it is

/// A part of the config by its printed form: whatever key is added to the model is compared, too.
template <class Keep>
std::string printed(const config::Config& whole, Keep keep) {
  config::Config part;
  keep(whole, part);
  return config::print(part);
}

std::string credentials(const config::Site& site) {
  std::string text;  // printed redacted, so they are compared apart
  for (const config::Route& route : site.routes) {
    if (!route.basic_auth) continue;
    for (const auto& [user, password] : route.basic_auth->users) {
      text += user + "\n" + password.value + "\n";
    }
  }
  return text;
}

Named named_sites(const config::Config& config) {
  Named named;
  for (const config::Site& site : config.sites) {
    const auto keep = [&](const config::Config&, config::Config& part) {
      part.sites.push_back(site);
    };
    const std::string name = site.hosts.empty() ? "" : site.hosts.front();
    named[name] = printed(config, keep) + credentials(site);
  }
  return named;
}

Named backends(const config::Config& config) {
  Named named;
  for (const config::Backend& backend : config.backends) {
    const auto keep = [&](const config::Config&, config::Config& part) {
      part.backends.push_back(backend);
    };
    named[backend.name] = printed(config, keep);
  }
  return named;
}

Named listeners(const config::Config& config) {
  Named named;
  const auto add = [&](const std::vector<config::Listen>& listens, const char* scheme) {
    for (const config::Listen& listen : listens) named[listen.text] = scheme;
  };
  add(config.server.http, "http");
  add(config.server.https, "https");
  for (const config::Site& site : config.sites) {
    if (site.http) add(*site.http, "http");
    if (site.https) add(*site.https, "https");
  }
  return named;
}

void compare(const char* kind, const Named& before, const Named& after,
             std::vector<std::string>& lines) {
  const auto line = [&](const std::string& name, const char* what) {
    lines.push_back(std::string(kind) + " " + name + " " + what);
  };
  for (const auto& [name, value] : after) {
    const auto old = before.find(name);
    if (old == before.end()) {
      line(name, "added");
    } else if (old->second != value) {
      line(name, "changed");
    }
  }
  for (const auto& [name, value] : before) {
    if (!after.contains(name)) line(name, "removed");
  }
}

}  // namespace

Changes compare(const config::Config& before, const config::Config& after) {
  Changes changes;
  compare("listener", listeners(before), listeners(after), changes.applied);
  compare("site", named_sites(before), named_sites(after), changes.applied);
  compare("backend", backends(before), backends(after), changes.applied);
  const auto whole = [&](const char* name, auto keep) {
    if (printed(before, keep) != printed(after, keep)) {
      changes.applied.push_back(std::string(name) + " changed");
    }
  };
  whole("[log]", [](const config::Config& from, config::Config& part) { part.log = from.log; });
  whole("[acme]", [](const config::Config& from, config::Config& part) { part.acme = from.acme; });
  whole("[server]", [](const config::Config& from, config::Config& part) {
    part.server = from.server;
    part.server.http.clear();  // told above
    part.server.https.clear();
    part.server.data_dir.clear();  // told below
    part.server.workers = 0;
    part.server.user.clear();
  });

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
