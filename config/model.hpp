#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

/// The configuration as plain data, defaults beside the fields (config.md is the reference). No
/// methods that decide anything, no sockets, no OpenSSL. Made by parse, judged by check, read by
/// everything else; immutable once a snapshot holds it.
namespace gatehouse::config {

using Duration = std::chrono::milliseconds;
using Strings = std::vector<std::string>;

/// The name of a config file, held once for all the places in it.
class FileName {
 public:
  FileName() = default;
  FileName(std::string name) : name_(std::make_shared<const std::string>(std::move(name))) {}
  const std::string& text() const {
    static const std::string none;
    return name_ ? *name_ : none;
  }

 private:
  std::shared_ptr<const std::string> name_;
};

/// Where in the text a thing stands; line 0: it came from a default or the command line. Any two
/// are equal: what is compared below is what a text says, and that stays the same where it moves.
struct Position {
  FileName file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  bool operator==(const Position&) const { return true; }
};

/// A part that most sites have in common, held once for all of them. Who changes his own gets a
/// copy.
template <class T>
class Shared {
 public:
  Shared() : held_(untouched()) {}
  explicit Shared(T value) : held_(std::make_shared<T>(std::move(value))) {}
  const T& operator*() const { return *held_; }
  const T* operator->() const { return held_.get(); }
  T& own() {
    auto copy = std::make_shared<T>(*held_);
    T& mine = *copy;
    held_ = std::move(copy);
    return mine;
  }
  bool operator==(const Shared& other) const { return held_ == other.held_ || **this == *other; }

 private:
  static const std::shared_ptr<const T>& untouched() {
    static const auto value = std::make_shared<const T>();
    return value;
  }

  std::shared_ptr<const T> held_;
};

/// A string that must not be printed: passwords, keys, MAC keys, URLs with credentials.
struct Secret {
  std::string value;
  bool empty() const { return value.empty(); }
  bool operator==(const Secret&) const = default;
};

/// A listening address: ":443", "127.0.0.1:8443", "[::1]:8443", "unix:/run/x.sock", "fd:3".
struct Listen {
  enum class Kind : std::uint8_t { any, address, unix_path, descriptor };
  Kind kind = Kind::any;
  std::string address;  // IP literal, or the unix path
  std::uint16_t port = 0;
  int descriptor = -1;
  std::string text;  // as written
  Position at;
  bool operator==(const Listen& other) const { return text == other.text; }
};

struct Timeouts {
  Duration handshake{10'000};
  Duration request_header{15'000};
  Duration idle{75'000};
  Duration read_idle{60'000};
  Duration write_idle{60'000};
  std::uint64_t min_rate = 0;  // bytes per second
  bool operator==(const Timeouts&) const = default;
};

struct Limits {
  std::uint64_t header_bytes = 32 * 1024;
  std::uint64_t header_count = 100;
  std::uint64_t body = 0;
  std::uint64_t h2_streams = 250;
  std::uint64_t requests_per_connection = 0;
  bool operator==(const Limits&) const = default;
};

struct Server {
  std::vector<Listen> http;   // parse fills [":80"] where the key is absent
  std::vector<Listen> https;  // [":443"]
  unsigned workers = 0;
  std::string user;
  std::string data_dir;  // parse resolves the default
  Strings trusted_proxies;
  Strings resolvers;  // ADDRESS:PORT; none: those of the system
  bool proxy_protocol = false;
  Strings protocols = {"h1", "h2"};
  Duration graceful_timeout{30'000};
  std::uint64_t max_connections = 0;
  std::uint64_t certificates_in_memory = 100'000;  // names, on each worker
  bool lean_records = true;
  std::optional<int> default_host_response;
  Timeouts timeouts;
  Limits limits;
  bool operator==(const Server&) const = default;
};

struct Admin {
  std::string listen;  // "" = unix:DATA_DIR/admin.sock; "off"
  std::string metrics;
  bool dashboard = true;
};

struct AccessFields {
  Strings drop;
  Strings hash;
  Strings redact;
  bool operator==(const AccessFields&) const = default;
};

struct Log {
  std::string level = "info";
  std::string format = "auto";
  std::string output = "stderr";
  std::string access = "off";
  std::string access_format = "json";
  AccessFields access_fields;
  std::string audit;
  bool operator==(const Log&) const = default;
};

struct Storage {
  std::string kind = "files";
  Secret url;
  Secret encryption_key;
};

struct RenewWindow {
  std::string days;
  std::string from;
  std::string to;
  std::string tz;
  bool operator==(const RenewWindow&) const = default;
};

struct Propagation {
  Duration delay{0};
  Duration timeout{120'000};
  Strings resolvers;
  bool operator==(const Propagation&) const = default;
};

/// The keys of [acme] that a site may set for itself. Each is resolved: the site's where it says
/// something, else [acme]'s.
struct AcmeSettings {
  Strings ca = {"letsencrypt"};
  std::string email;
  Strings challenges = {"tls-alpn-01", "http-01"};
  Strings key_type = {"p256"};
  bool reuse_key = false;
  std::string profile;
  bool must_staple = false;
  std::string preferred_chain;
  double renew_at = 2.0 / 3.0;  // of the lifetime
  std::vector<RenewWindow> renew_windows;
  std::string preflight = "auto";
  std::string standby_ca;
  Propagation propagation;
  bool operator==(const AcmeSettings&) const = default;
};

struct Eab {
  std::string key_id;
  Secret hmac_key;  // base64url as the CA hands it out
  bool operator==(const Eab&) const = default;
};

struct Issuer {
  std::string directory;
  std::string roots;
  std::optional<Eab> eab;
  std::string staging;
  Position at;
  bool operator==(const Issuer&) const = default;
};

/// N events in a span: "20/1m".
struct Rate {
  std::uint32_t count = 0;
  Duration per{0};
  bool operator==(const Rate&) const = default;
};

struct OnDemand {
  Strings allow;
  std::string ask;
  Duration ask_timeout{5'000};
  Duration deny_for{300'000};
  Duration wait{60'000};
  std::uint32_t max_waiting = 256;
  Rate rate{20, Duration(60'000)};
  Rate rate_per_domain{10, Duration(3'600'000)};
  Rate rate_per_client{5, Duration(60'000)};
  bool operator==(const OnDemand&) const = default;
};

struct DnsProvider {
  Strings zones;
  std::string provider;
  std::map<std::string, Secret> keys;  // the provider's own
  Position at;
  bool operator==(const DnsProvider&) const = default;
};

struct Acme {
  AcmeSettings settings;
  std::map<std::string, Issuer> issuer;
  OnDemand on_demand;
  std::map<std::string, DnsProvider> dns;
  bool operator==(const Acme&) const = default;
};

struct Export {
  std::string cert;
  std::string key;
  std::string owner;
  std::string mode = "0640";
};

struct Certificate {
  Strings hosts;
  std::optional<Export> exported;
  Strings on_change;
  Position at;
};

struct HookEvent {
  Strings on;
  Strings exec;
  std::string url;
  Secret secret;
  Position at;
};

/// One server of a backend.
struct BackendServer {
  enum class Scheme : std::uint8_t { http, https, h2c, srv_http, srv_https, srv_h2c, unix_path };
  Scheme scheme = Scheme::http;
  std::string host;  // name or IP; the path for unix, the service's name for srv
  std::uint16_t port = 0;
  std::uint32_t weight = 1;
  bool backup = false;
  std::uint32_t max_requests = 0;
  std::string text;  // as written
  Position at;
  bool operator==(const BackendServer&) const = default;
};

struct Health {
  std::string path;
  Duration interval{10'000};
  Duration timeout{2'000};
  std::string status = "200-399";
  std::uint32_t rise = 2;
  std::uint32_t fall = 3;
  bool operator==(const Health&) const = default;
};

struct Eject {
  std::uint32_t failures = 5;
  Duration within{10'000};
  Duration for_{10'000};
  double max_share = 0.5;
  bool operator==(const Eject&) const = default;
};

struct BackendTls {
  bool verify = true;
  std::string server_name;
  std::string roots;
  std::string cert;
  std::string key;
  bool operator==(const BackendTls&) const = default;
};

struct Backend {
  std::string name;  // anonymous pools: "HOST#N", unique in the file
  std::vector<BackendServer> servers;
  std::string policy = "two_choices";
  std::string hash_key;  // the header field or cookie that header_hash and cookie_hash go by
  std::string sticky_cookie;
  Duration resolve{30'000};
  Duration connect_timeout{3'000};
  Duration response_timeout{0};
  std::uint32_t idle_connections = 64;
  Duration idle_timeout{60'000};
  std::uint32_t retries = 1;
  Strings retry_on = {"connect"};
  double retry_budget = 0.2;
  Health health;
  Eject eject;
  Duration slow_start{0};
  BackendTls tls;
  int proxy_protocol = 0;
  Position at;
  bool operator==(const Backend&) const = default;
};

/// A file of `errors` may be so large.
inline constexpr std::size_t most_error_page_bytes = 1 << 20;

/// Name and values in file order.
using Pairs = std::vector<std::pair<std::string, std::string>>;

struct RateLimit {
  std::uint32_t requests = 0;
  Duration per{60'000};
  std::uint32_t burst = 0;
  std::string key = "client_ip";
  bool operator==(const RateLimit&) const = default;
};

struct BasicAuth {
  std::vector<std::pair<std::string, Secret>> users;
  std::string realm;
  bool operator==(const BasicAuth&) const = default;
};

struct ForwardAuth {
  std::string url;
  Strings copy;
  Duration timeout{5'000};
  bool operator==(const ForwardAuth&) const = default;
};

struct Redirect {
  std::string to;
  int status = 308;
  bool operator==(const Redirect&) const = default;
};

struct Respond {
  int status = 200;
  std::string body;
  std::string type = "text/plain; charset=utf-8";
  bool echo = false;  // the built-in echo page (examples/quickstart.toml): shows the request
  bool operator==(const Respond&) const = default;
};

struct Rewrite {
  std::string match;
  std::string to;
  bool operator==(const Rewrite&) const = default;
};

struct HeaderEdits {
  Pairs set;
  Pairs add;
  Strings remove;
  bool operator==(const HeaderEdits&) const = default;
};

struct Files {
  std::string root;
  Strings index = {"index.html"};
  Strings try_;
  bool precompressed = true;
  bool operator==(const Files&) const = default;
};

struct Route {
  // when
  Strings path;
  Strings method;
  Pairs header;
  Pairs query;
  Strings client_ip;
  // what
  Strings allow;
  Strings deny;
  std::optional<RateLimit> rate_limit;
  std::uint32_t max_in_flight = 0;
  std::uint64_t max_body = 0;
  std::optional<BasicAuth> basic_auth;
  std::optional<ForwardAuth> forward_auth;
  std::optional<Redirect> redirect;
  std::optional<Respond> respond;
  std::string strip_prefix;
  std::string add_prefix;
  std::optional<Rewrite> rewrite;
  HeaderEdits request_headers;
  HeaderEdits response_headers;
  Strings compress;
  std::uint64_t buffer_request = 0;
  std::optional<Files> files;
  std::string backend;  // name in Config::backends; empty: none
  Pairs errors;
  bool access_log = true;
  Position at;
  bool operator==(const Route&) const = default;
};

enum class TlsMode : std::uint8_t { acme, on_demand, internal, files, off, passthrough };

struct ClientAuth {
  std::string mode = "off";
  std::string roots;
  std::string crl;
  bool operator==(const ClientAuth&) const = default;
};

struct SiteTls {
  TlsMode mode = TlsMode::acme;  // parse fills what an absent key means for the site's hosts
  std::string cert;
  std::string key;
  std::string min_version = "1.2";
  std::string ciphers = "default";
  Strings alpn = {"h2", "http/1.1"};
  ClientAuth client_auth;
  std::string hsts;
  Shared<AcmeSettings> acme;  // resolved
  bool operator==(const SiteTls&) const = default;
};

struct Site {
  Strings hosts;                            // normal_host() form, "*.parent" or "*"
  std::optional<std::vector<Listen>> http;  // own listeners in place of [server]'s
  std::optional<std::vector<Listen>> https;
  bool redirect_http = true;
  SiteTls tls;
  std::vector<Route> routes;  // at least one; the site's own keys are merged in as defaults
  Pairs errors;               // the site's own: for requests that no route takes
  Position at;
  bool operator==(const Site&) const = default;
};

struct Claim {
  std::string project;
  Strings hosts;
};

struct Docker {
  bool enabled = false;
  std::string socket = "unix:/var/run/docker.sock";
  std::string tls_ca;
  std::string tls_cert;
  std::string tls_key;
  bool exposed_by_default = false;
  std::string network;
  Strings compat = {"traefik", "nginx-proxy"};
  std::vector<Claim> claims;
  Duration hold{10'000};
};

struct Config {
  Strings include;
  Server server;
  Admin admin;
  Log log;
  Storage storage;
  Acme acme;
  std::vector<Certificate> certificates;
  std::vector<HookEvent> hooks;
  std::vector<Backend> backends;  // named ones and anonymous ones
  std::vector<Site> sites;
  Docker docker;
  std::set<std::string> expanded;  // values that ${...} has a part in: they may be secrets
};

}  // namespace gatehouse::config
