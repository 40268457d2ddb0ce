#include "proxy/control/remote.hpp"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "proxy/control/admin_client.hpp"
#include "proxy/control/admin_token.hpp"
#include "proxy/control/config_file.hpp"
#include "proxy/control/fail.hpp"
#include "proxy/control/table.hpp"

namespace gatehouse::control {
namespace {

using nlohmann::json;
using Command = Invocation::Command;

struct Reach {
  AdminAddress address;
  std::string data_dir;
  config::AdminPlace place;
};

/// The environment and the secret files of the process may be out of our reach, so what they hold
/// is replaced by something.
config::Surroundings surroundings() {
  config::Surroundings around = config::Surroundings::system();
  around.environment = [real = around.environment](const std::string& name) {
    auto value = real(name);
    return value ? value : std::optional<std::string>("unset");
  };
  return around;
}

/// A file with errors may mean another process than the one that is asked: what is assumed of it is
/// said.
void warn_of_errors(const Invocation& asked, const config::AdminPlace& place) {
  const auto file = find_config(asked.config_file);
  if (!file || !asked.admin.empty() || config::load_file(*file, surroundings()).config) return;
  const std::string at =
      place.listen_read ? "admin.listen " + place.listen : "data_dir " + place.data_dir;
  const bool by_default = !place.listen_read && !place.data_dir_read;
  std::cerr << "gatehouse: warning: " << *file
            << " has errors ('gatehouse validate' names them); asking the process of " << at
            << (by_default ? ", the default" : ", as the file still says")
            << "; --admin ADDRESS names another\n";
}

/// Who is to reload the file reads it, and says what is wrong with it. Where the file says itself
/// which process that is, it need not be read twice.
bool read_by_process(const Invocation& asked, const config::AdminPlace& place) {
  return asked.command == Command::reload && (place.listen_read || place.data_dir_read);
}

/// Where the process is by what its config says, also by one that has errors.
Result<config::AdminPlace> place_of(const Invocation& asked) {
  const config::Surroundings around = surroundings();
  const auto file = find_config(asked.config_file);
  // No file at all: `gatehouse proxy` runs, or nothing does; both mean the default directory.
  if (!file) return config::find_admin("", around);
  const auto text = around.read_file(*file);
  if (!text && asked.admin.empty()) {
    return Error(Fault::io, Side::self,
                 *file + ": cannot read this file; --admin ADDRESS reaches the process without it");
  }
  config::AdminPlace place = config::find_admin(text.value_or(""), around);
  if (!read_by_process(asked, place)) warn_of_errors(asked, place);
  return place;
}

Result<Reach> find_process(const Invocation& asked) {
  const auto place = place_of(asked);
  if (!place) return place.error();
  const bool named = !asked.admin.empty();
  auto address = AdminAddress::parse(named ? asked.admin : place->listen, place->data_dir);
  if (!address) return address.error();
  Reach reach{*std::move(address), place->data_dir, *place};
  // A process that listens on TCP has its socket in the data directory, too.
  if (reach.address.kind == AdminAddress::Kind::tcp && !named) {
    reach.address.kind = AdminAddress::Kind::unix_socket;
    reach.address.path = AdminAddress::default_path(reach.data_dir);
  }
  return reach;
}

std::string text_of(const json& object, const char* key) {
  const auto at = object.find(key);
  if (at == object.end() || at->is_null()) return "";
  return at->is_string() ? at->get<std::string>() : at->dump();
}

std::string joined(const json& words) {
  std::string text;
  for (const json& word : words) text += (text.empty() ? "" : ",") + word.get<std::string>();
  return text;
}

void print_backends(const json& status) {
  if (!status.contains("backends") || status.at("backends").empty()) return;
  Table backends({"BACKEND", "SERVER", "STATE", "REQUESTS", "PROBLEM"});
  for (const json& backend : status.at("backends")) {
    for (const json& server : backend.at("servers")) {
      backends.add({text_of(backend, "name"), text_of(server, "server"), text_of(server, "state"),
                    text_of(server, "in_flight"), text_of(server, "problem")});
    }
  }
  std::cout << backends.text() << '\n';
}

void print_services(const json& status) {
  if (!status.contains("services") || status.at("services").empty()) return;
  Table services({"SERVICE", "SERVERS", "PROBLEM"});
  for (const json& service : status.at("services")) {
    services.add(
        {text_of(service, "service"), text_of(service, "servers"), text_of(service, "problem")});
  }
  std::cout << services.text() << '\n';
}

void print_status(const json& status) {
  std::cout << "gatehouse " << text_of(status, "version") << ", pid " << text_of(status, "pid")
            << ", " << text_of(status, "state") << " since " << text_of(status, "started") << "\n"
            << "config " << text_of(status, "config") << ", data " << text_of(status, "data_dir")
            << ", " << text_of(status, "workers") << " workers\n\n";
  Table listeners({"LISTENER", "PORT", "TLS"});
  for (const json& listener : status.at("listeners")) {
    listeners.add({text_of(listener, "address"), text_of(listener, "port"),
                   listener.at("tls").get<bool>() ? "yes" : "no"});
  }
  std::cout << listeners.text() << '\n';
  Table sites({"SITE", "TLS", "ROUTES"});
  for (const json& site : status.at("sites")) {
    sites.add({joined(site.at("hosts")), text_of(site, "tls"), text_of(site, "routes")});
  }
  std::cout << sites.text() << '\n';
  print_backends(status);
  print_services(status);
  std::cout << "certificates:";
  if (status.at("certificates").empty()) std::cout << " none";
  for (const auto& [state, count] : status.at("certificates").items()) {
    std::cout << ' ' << count << ' ' << state;
  }
  const json& connections = status.at("connections");
  std::cout << "\nconnections: " << connections.at("open") << " open, " << connections.at("idle")
            << " idle, " << connections.at("tunnels")
            << " tunnels\nrequests: " << status.at("counters").at("requests") << '\n';
}

void print_certificates(const json& answer) {
  Table table({"HOST", "ISSUER", "KEY", "NOT AFTER", "NEXT ACTION", "STATE", "LAST ERROR"});
  for (const json& one : answer.at("certificates")) {
    table.add({text_of(one, "host"), text_of(one, "issuer"), text_of(one, "key_type"),
               text_of(one, "not_after"), text_of(one, "next_action"), text_of(one, "state"),
               text_of(one, "last_error")});
  }
  std::cout << table.text();
}

void print_certificate(const json& answer) {
  for (const json& one : answer.at("certificates")) {
    for (const char* key : {"host", "site", "issuer", "key_type", "state", "serial", "not_before",
                            "not_after", "next_action", "attempts", "last_error"}) {
      std::string label = std::string(key) + ":";
      label.resize(14, ' ');
      std::cout << label << (text_of(one, key).empty() ? "-" : text_of(one, key)) << '\n';
    }
    std::cout << '\n';
  }
}

void print_reload(const json& answer) {
  const json& applied = answer.at("applied");
  std::cout << (applied.empty() ? "reloaded, nothing changed\n" : "reloaded\n");
  for (const json& line : applied) std::cout << "  " << line.get<std::string>() << '\n';
  for (const json& key : answer.at("needs_restart")) {
    std::cout << "  " << key.get<std::string>() << " changed: needs a restart\n";
  }
}

int refused(const AdminAnswer& answer, const json& problem) {
  std::string message = text_of(problem, "detail");
  if (message.empty()) message = "answered with status " + std::to_string(answer.status);
  if (const auto errors = problem.find("errors"); errors != problem.end()) {
    for (const json& line : *errors) message += "\n" + line.get<std::string>();
  }
  return fail(message, answer.status == 422 ? 2 : 1);
}

void print(const Invocation& asked, const AdminAnswer& answer, const json& body) {
  if (asked.json) {
    std::cout << answer.body;
  } else if (asked.command == Command::status) {
    print_status(body);
  } else if (asked.command == Command::certs) {
    print_certificates(body);
  } else if (asked.command == Command::certs_show) {
    print_certificate(body);
  } else if (asked.command == Command::reload) {
    print_reload(body);
  } else {
    std::cout << "stopping\n";
  }
}

struct Request {
  const char* method;
  std::string path;
};

Request request_of(const Invocation& asked) {
  switch (asked.command) {
    case Command::reload:
      return {"POST", "/v1/reload"};
    case Command::stop:
      return {"POST", "/v1/stop"};
    case Command::certs:
      return {"GET", "/v1/certs"};
    case Command::certs_show:
      return {"GET", "/v1/certs/" + asked.host};
    default:
      return {"GET", "/v1/status"};
  }
}

/// It goes into a request line as it is.
bool is_path_segment(const std::string& host) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == '*' || c == ':';
  };
  return std::all_of(host.begin(), host.end(), plain);
}

}  // namespace

int run_remote(const Invocation& asked) {
  if (!is_path_segment(asked.host)) return fail("'" + asked.host + "' is no host name", 2);
  const auto reach = find_process(asked);
  if (!reach) return fail(reach.error().detail(), 2);
  std::string token;
  if (reach->address.kind == AdminAddress::Kind::tcp && !reach->data_dir.empty()) {
    // Reading needs none, so a missing one is told by the process when it matters.
    if (auto read = read_admin_token(reach->data_dir)) token = *std::move(read);
  }
  const Request request = request_of(asked);
  const auto answer = ask_admin(reach->address, token, request.method, request.path);
  const bool done = answer && answer->status < 300;
  if (!done && read_by_process(asked, reach->place)) warn_of_errors(asked, reach->place);
  if (!answer) return fail(answer.error().detail());
  const json body = json::parse(answer->body, nullptr, false);
  if (body.is_discarded()) return fail("the answer is no JSON; is that Gatehouse?");
  if (answer->status >= 300) return refused(*answer, body);
  try {
    print(asked, *answer, body);
  } catch (const json::exception& e) {
    return fail(std::string("the answer is not understood: ") + e.what());
  }
  return 0;
}

}  // namespace gatehouse::control
