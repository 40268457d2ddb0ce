#include <doctest/doctest.h>

#include <set>

#include "bench.hpp"
#include "whole_language.hpp"

namespace gatehouse::config::language_test {
namespace {

Machine machine_with_files() {
  Machine machine;
  for (const char* path : {"/etc/roots.pem", "/etc/c.pem", "/etc/c.key", "/etc/crl.pem",
                           "/srv/502.html", "/srv/5xx.html"}) {
    machine.files[path] = "x";
  }
  return machine;
}

TEST_CASE("every key of the language is read into its field") {
  const Config c = config_of(std::string(whole_language), machine_with_files());
  const Server& server = c.server;
  CHECK(server.http.at(1).kind == Listen::Kind::address);
  CHECK(server.http.at(1).address == "127.0.0.1");
  CHECK(server.http.at(1).port == 81);
  CHECK(server.https.at(0).address == "::1");
  CHECK(server.https.at(1).kind == Listen::Kind::unix_path);
  CHECK(server.https.at(1).address == "/run/g.sock");
  CHECK(server.https.at(2).descriptor == 3);
  CHECK(server.workers == 3);
  CHECK(server.user == "www");
  CHECK(server.trusted_proxies == Strings{"private", "192.0.2.0/24"});
  CHECK(server.resolvers == Strings{"192.0.2.53:53", "[2001:db8::53]:8600"});
  CHECK(server.proxy_protocol);
  CHECK(server.protocols == Strings{"h1", "h2", "h3"});
  CHECK(server.graceful_timeout == Duration(60'000));
  CHECK(server.max_connections == 5000);
  CHECK(server.certificates_in_memory == 20'000);
  CHECK_FALSE(server.lean_records);
  CHECK(server.default_host_response == 404);
  CHECK(server.timeouts.handshake == Duration(11'000));
  CHECK(server.timeouts.request_header == Duration(16'000));
  CHECK(server.timeouts.idle == Duration(76'000));
  CHECK(server.timeouts.read_idle == Duration(61'000));
  CHECK(server.timeouts.write_idle == Duration(62'000));
  CHECK(server.timeouts.min_rate == 1024);
  CHECK(server.limits.header_bytes == 65536);
  CHECK(server.limits.header_count == 101);
  CHECK(server.limits.body == 10 * 1024 * 1024);
  CHECK(server.limits.h2_streams == 251);
  CHECK(server.limits.requests_per_connection == 1000);
  CHECK(c.admin.listen == "127.0.0.1:2019");
  CHECK(c.admin.metrics == "127.0.0.1:9180");
  CHECK_FALSE(c.admin.dashboard);
  CHECK(c.log.access_fields.hash == Strings{"client_ip"});
  CHECK(c.log.access_format == "combined");
  CHECK(c.storage.url.value == "postgresql://u:p@host/db");
  CHECK(c.acme.settings.ca == Strings{"corp", "zerossl"});
  CHECK(c.acme.settings.renew_at == 0.5);
  CHECK(c.acme.settings.renew_windows.at(0).tz == "Europe/Berlin");
  CHECK(c.acme.settings.propagation.timeout == Duration(180'000));
  CHECK(c.acme.issuer.at("corp").eab->hmac_key.value == "c2VjcmV0");
  CHECK(c.acme.on_demand.rate_per_domain.count == 11);
  CHECK(c.acme.on_demand.rate_per_domain.per == Duration(3'600'000));
  CHECK(c.acme.dns.at("zone1").keys.at("tsig_secret").value == "c2VjcmV0");
  CHECK(c.certificates.at(0).exported->mode == "0600");
  CHECK(c.hooks.at(1).exec == Strings{"/bin/logger", "reloaded"});
  REQUIRE(c.backends.size() == 2);
  const Backend& app = c.backends[0];
  REQUIRE(app.servers.size() == 9);
  CHECK(app.servers[1].weight == 3);
  CHECK(app.servers[1].backup);
  CHECK(app.servers[2].port == 80);
  CHECK(app.servers[3].scheme == BackendServer::Scheme::https);
  CHECK(app.servers[5].scheme == BackendServer::Scheme::unix_path);
  CHECK(app.servers[6].scheme == BackendServer::Scheme::srv_http);
  CHECK(app.servers[6].host == "_web._tcp.example.com");
  CHECK(app.servers[7].scheme == BackendServer::Scheme::srv_https);
  CHECK(app.servers[8].scheme == BackendServer::Scheme::srv_h2c);
  CHECK(app.servers[8].host == "web.consul");
  CHECK(app.retry_budget == 0.25);
  CHECK(app.eject.for_ == Duration(12'000));
  CHECK_FALSE(app.tls.verify);
  CHECK(app.proxy_protocol == 2);
  CHECK(c.backends[1].name == "files.example#1");
  REQUIRE(c.sites.size() == 2);
  const Site& site = c.sites[0];
  CHECK(site.hosts ==
        Strings{"example.com", "*.example.com", "192.0.2.1", "xn--bcher-kva.example"});
  CHECK(site.tls.client_auth.crl == "/etc/crl.pem");
  CHECK(site.tls.hsts == "1y; includeSubDomains; preload");
  CHECK(c.docker.claims.at(0).hosts == Strings{"*.shop.example"});
  REQUIRE(site.routes.size() == 4);
  const Route& route = site.routes[0];
  CHECK(route.header.at(1) == std::pair<std::string, std::string>("Accept", "~ json"));
  CHECK(route.rate_limit->key == "header:X-Key");
  CHECK(route.basic_auth->users.at(0).first == "alice");
  CHECK(route.request_headers.set.at(0).second == "{host}");
  CHECK(route.errors.at(1).first == "5xx");
  CHECK(site.routes[1].redirect->status == 301);
  CHECK(site.routes[2].respond->status == 201);
  CHECK(site.routes[3].files->try_ == Strings{"{path}", "/i.html"});
}

TEST_CASE("a site takes from [acme] what it does not say itself") {
  const Config c = config_of(std::string(whole_language), machine_with_files());
  const AcmeSettings& own = *c.sites.at(0).tls.acme;
  CHECK(own.ca == Strings{"letsencrypt"});
  CHECK(own.email == "site@example.com");
  CHECK(own.key_type == Strings{"p384"});
  CHECK(own.challenges == Strings{"dns-01", "http-01"});
  CHECK(own.renew_at == 0.5);
  CHECK(c.sites.at(1).tls.acme->email == "ops@example.com");
}

TEST_CASE("a route takes its site's keys, but not its site's answer when it has its own") {
  const Config c = config_of(std::string(whole_language), machine_with_files());
  const auto& routes = c.sites.at(0).routes;
  CHECK(routes.at(0).backend == "app");
  CHECK(routes.at(0).max_body == 2 * 1024 * 1024);
  CHECK(routes.at(1).backend.empty());
  CHECK(routes.at(1).max_body == 1024 * 1024);
}

TEST_CASE("the whole language printed loads again to the same config") {
  const Config c = config_of(std::string(whole_language), machine_with_files());
  const std::string once = print(c, Features::whole_language);
  CHECK(once.find("c2VjcmV0") == std::string::npos);
  CHECK(once.find("postgresql") == std::string::npos);
  std::string filled = once;  // put the secrets back
  const auto fill = [&](const std::string& key, const std::string& value) {
    const std::string hidden = key + " = \"<redacted>\"";
    for (auto at = filled.find(hidden); at != std::string::npos; at = filled.find(hidden)) {
      filled.replace(at, hidden.size(), key + " = \"" + value + "\"");
    }
  };
  for (const char* key : {"url", "secret", "server", "tsig_name", "tsig_secret"}) fill(key, "x");
  fill("hmac_key", "c2VjcmV0");
  fill("encryption_key", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
  fill("alice", "$2y$10$abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu");
  const std::string twice =
      print(config_of(filled, machine_with_files()), Features::whole_language);
  CHECK(twice == once);
}

TEST_CASE("secrets in header fields, matches, bodies and URLs are not printed") {
  Machine machine;
  machine.environment["TOK"] = "t0psecret";
  machine.files["/run/key"] = "s3cret\n";
  const std::string text = R"([acme.on_demand]
ask = "http://ask.example:5000/check?token=${TOK}"
[[site]]
hosts = "a.example"
backend = "${B:-b.example:80}"
forward_auth = { url = "https://auth.example/${file:/run/key}" }
request_headers.set = { X-Key = "${file:/run/key}", X-Both = "a ${TOK} b", X-Plain = "plain $${x}" }
request_headers.add = { authorization = "Basic bGl0ZXJhbA==", Cookie = "id=literal", X-API-Key = "literal" }
response_headers.add = { Set-Cookie = "b=literal", Proxy-Authorization = "literal" }
[[site.route]]
header = { X-Edge = "~ ^${TOK}$", Authorization = "", Accept = "json" }
query = { key = "${TOK}", page = "1" }
[[site.route]]
respond = { body = "${file:/run/key}" }
)";
  const std::string printed = print(config_of(text, machine), Features::whole_language);
  CAPTURE(printed);
  for (const char* secret : {"t0psecret", "s3cret", "literal", "bGl0ZXJhbA"}) {
    CHECK(printed.find(secret) == std::string::npos);
  }
  for (const char* shown :
       {"ask = \"http://ask.example:5000/redacted\"", "url = \"https://auth.example/redacted\"",
        "[\"b.example:80\"]", "X-Key = \"<redacted>\"", "X-Plain = \"plain $${x}\"",
        "authorization = \"<redacted>\"", "Authorization = \"\"", "Accept = \"json\"",
        "page = \"1\"", "body = \"<redacted>\""}) {
    CAPTURE(std::string(shown));
    CHECK(printed.find(shown) != std::string::npos);
  }
  // Valid as it is; what must be put back is told.
  const auto told = warnings(printed);
  CHECK(told.size() >= 9);
  CHECK(told.at(0).find("was redacted when this config was printed: write the value itself") !=
        std::string::npos);
  CHECK(print(config_of(printed), Features::whole_language) == printed);
}

TEST_CASE("every key is known and the whole file writes each of them") {
  const auto keys = known_keys();
  CHECK(keys.size() > 200);
  const std::set<std::string> unique(keys.begin(), keys.end());
  CHECK(unique.contains("server.timeouts.idle"));
  CHECK(unique.contains("backend.*.health.path"));
  CHECK(unique.contains("site.route.rate_limit.key"));
  CHECK(unique.contains("site.max_body"));
  CHECK(unique.contains("site.tls.propagation.delay"));
  for (const std::string& key : keys) {
    const std::string last = key.substr(key.rfind('.') + 1);
    CAPTURE(key);
    const bool shown = whole_language.find(last) != std::string_view::npos || key == "include";
    CHECK(shown);
  }
}

TEST_CASE("every default is what the reference says") {
  const std::string text = print(config_of("[backend.b]\nservers = \"h:1\"\n\n[[site]]\nhosts = "
                                           "\"a.example\"\nbackend = \"b\"\n"),
                                 Features::whole_language);
  for (const char* line : {
           "http = [\":80\"]\n",
           "https = [\":443\"]\n",
           "workers = 0\n",
           "user = \"\"\n",
           "data_dir = \"/home/u/.local/share/gatehouse\"\n",
           "trusted_proxies = []\n",
           "resolvers = []\n",
           "protocols = [\"h1\", \"h2\"]\n",
           "graceful_timeout = \"30s\"\n",
           "max_connections = 0\n",
           "certificates_in_memory = 100000\n",
           "lean_records = true\n",
           "handshake = \"10s\"\n",
           "request_header = \"15s\"\n",
           "idle = \"75s\"\n",
           "read_idle = \"1m\"\n",
           "write_idle = \"1m\"\n",
           "min_rate = 0\n",
           "header_bytes = \"32KiB\"\n",
           "header_count = 100\n",
           "body = 0\n",
           "h2_streams = 250\n",
           "requests_per_connection = 0\n",
           "listen = \"\"\n",
           "metrics = \"\"\n",
           "dashboard = true\n",
           "level = \"info\"\n",
           "format = \"auto\"\n",
           "output = \"stderr\"\n",
           "access = \"off\"\n",
           "access_format = \"json\"\n",
           "access_fields = { drop = [], hash = [], redact = [] }\n",
           "audit = \"\"\n",
           "kind = \"files\"\n",
           "url = \"\"\n",
           "encryption_key = \"\"\n",
           "ca = [\"letsencrypt\"]\n",
           "email = \"\"\n",
           "challenges = [\"tls-alpn-01\", \"http-01\"]\n",
           "key_type = [\"p256\"]\n",
           "reuse_key = false\n",
           "profile = \"\"\n",
           "must_staple = false\n",
           "preferred_chain = \"\"\n",
           "renew_at = \"2/3\"\n",
           "renew_windows = []\n",
           "preflight = \"auto\"\n",
           "standby_ca = \"\"\n",
           "propagation = { delay = \"0s\", timeout = \"2m\", resolvers = [] }\n",
           "allow = []\n",
           "ask = \"\"\n",
           "ask_timeout = \"5s\"\n",
           "deny_for = \"5m\"\n",
           "wait = \"1m\"\n",
           "max_waiting = 256\n",
           "rate = \"20/1m\"\n",
           "rate_per_domain = \"10/1h\"\n",
           "rate_per_client = \"5/1m\"\n",
           "servers = [\"h:1\"]\n",
           "policy = \"two_choices\"\n",
           "hash_key = \"\"\n",
           "sticky = { cookie = \"\" }\n",
           "resolve = \"30s\"\n",
           "connect_timeout = \"3s\"\n",
           "response_timeout = \"0s\"\n",
           "idle_connections = 64\n",
           "idle_timeout = \"1m\"\n",
           "retries = 1\n",
           "retry_on = [\"connect\"]\n",
           "retry_budget = \"20%\"\n",
           "health = { path = \"\", interval = \"10s\", timeout = \"2s\", status = \"200-399\", "
           "rise = 2, fall = 3 }\n",
           "eject = { failures = 5, within = \"10s\", for = \"10s\", max_share = \"50%\" }\n",
           "slow_start = \"0s\"\n",
           "tls = { verify = true, server_name = \"\", roots = \"\", cert = \"\", key = \"\" }\n",
           "proxy_protocol = 0\n",
           "redirect_http = true\n",
           "mode = \"acme\"\n",
           "min_version = \"1.2\"\n",
           "ciphers = \"default\"\n",
           "alpn = [\"h2\", \"http/1.1\"]\n",
           "client_auth = { mode = \"off\", roots = \"\", crl = \"\" }\n",
           "hsts = \"\"\n",
           "path = []\n",
           "method = []\n",
           "header = {}\n",
           "query = {}\n",
           "client_ip = []\n",
           "deny = []\n",
           "max_in_flight = 0\n",
           "max_body = 0\n",
           "strip_prefix = \"\"\n",
           "add_prefix = \"\"\n",
           "request_headers = { set = {}, add = {}, remove = [] }\n",
           "response_headers = { set = {}, add = {}, remove = [] }\n",
           "compress = []\n",
           "buffer_request = 0\n",
           "backend = \"b\"\n",
           "errors = {}\n",
           "access_log = true\n",
           "enabled = false\n",
           "socket = \"unix:/var/run/docker.sock\"\n",
           "exposed_by_default = false\n",
           "network = \"\"\n",
           "compat = [\"traefik\", \"nginx-proxy\"]\n",
           "claims = []\n",
           "hold = \"10s\"\n",
       }) {
    CAPTURE(line);
    CHECK(text.find(std::string("\n") + line) != std::string::npos);
  }
}

TEST_CASE("a site keeps its own error pages beside those of its routes") {
  const std::string text =
      "[[site]]\nhosts = \"a.example\"\nerrors = { \"404\" = \"/srv/404.html\" }\n"
      "[[site.route]]\npath = \"/a\"\nbackend = \"h:1\"\n"
      "errors = { \"5xx\" = \"/srv/5xx.html\" }\n"
      "[[site.route]]\npath = \"/b\"\nbackend = \"h:1\"\n";
  Machine machine;
  machine.files = {{"/srv/404.html", "none"}, {"/srv/5xx.html", "later"}};
  const Config config = config_of(text, machine);
  const Pairs own = {{"404", "/srv/404.html"}};
  CHECK(config.sites[0].errors == own);
  CHECK(config.sites[0].routes[0].errors == Pairs{{"5xx", "/srv/5xx.html"}});
  CHECK(config.sites[0].routes[1].errors == own);
  const Config again = config_of(print(config, Features::whole_language), machine);
  CHECK(again.sites[0].errors == own);
  CHECK(again.sites[0].routes[0].errors == config.sites[0].routes[0].errors);
}

}  // namespace
}  // namespace gatehouse::config::language_test
