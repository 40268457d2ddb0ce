// Addresses, hosts, servers, paths: names in strings.
#include <idn2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include "config/detail/words.hpp"
#include "core/base/bytes.hpp"
#include "core/base/cidr.hpp"
#include "core/base/contains.hpp"
#include "core/base/host.hpp"
#include "core/base/password_hash.hpp"
#include "core/base/pattern.hpp"
#include "core/base/url.hpp"

namespace gatehouse::config::detail {
namespace {

bool ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

/// U-labels to A-labels (RFC 5891 §4).
Result<std::string> to_a_labels(std::string_view text) {
  if (ascii(text)) return std::string(text);
  const std::string name(text);
  char* raw = nullptr;
  const int status = idn2_to_ascii_8z(name.c_str(), &raw, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, void (*)(void*)> made(raw, idn2_free);
  if (status != IDN2_OK) {
    return wrong(text,
                 "no valid internationalized name (" + std::string(idn2_strerror(status)) + ")");
  }
  return std::string(made.get());
}

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || failed != std::errc() || end != text.data() + text.size()) return {};
  return port;
}

constexpr std::string_view port_range = "a port is at most 65535";

/// Digits, but more than a port may be.
bool too_large_port(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos &&
         !port_of(text);
}

bool token(std::string_view text) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (to_lower(c) >= 'a' && to_lower(c) <= 'z') ||
           marks.find(c) != std::string_view::npos;
  });
}

bool printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return (octet < 0x20 && c != '\t') || octet == 0x7F;
  });
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<Listen> parse_listen(std::string_view text) {
  constexpr std::string_view wanted =
      "an address is \":443\", \"127.0.0.1:443\", \"[::1]:443\", \"unix:/path\" or \"fd:3\"";
  Listen listen;
  listen.text = std::string(text);
  if (text.starts_with("unix:")) {
    listen.kind = Listen::Kind::unix_path;
    listen.address = std::string(text.substr(5));
    if (!listen.address.starts_with('/')) return wrong(text, "the path after unix: begins with /");
    // sun_path is 108 octets with its end (unix(7)).
    if (listen.address.size() > 107) return wrong(text, "a socket's path has at most 107 octets");
    return listen;
  }
  if (text.starts_with("fd:")) {
    const auto number = port_of(text.substr(3));
    if (!number || *number < 3) return wrong(text, "fd: takes a descriptor number from 3 on");
    listen.kind = Listen::Kind::descriptor;
    listen.descriptor = *number;
    return listen;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong(text, wanted);
  const auto port = port_of(text.substr(colon + 1));
  if (!port) return wrong(text, too_large_port(text.substr(colon + 1)) ? port_range : wanted);
  listen.port = *port;
  if (colon == 0) return listen;
  std::string_view host = text.substr(0, colon);
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  if (brackets) host = host.substr(1, host.size() - 2);
  const auto address = as_address(host);
  if (!address || address->is_v6() != brackets) return wrong(text, wanted);
  if (address->is_v6() && address->to_v6().is_v4_mapped()) {
    return wrong(text, "write the IPv4 address itself");
  }
  listen.kind = Listen::Kind::address;
  listen.address = address->to_string();
  return listen;
}

Result<std::string> parse_resolver(std::string_view text) {
  constexpr std::uint16_t dns = 53;
  const auto place = HostPort::parse(text, dns);
  const auto address = place ? as_address(place->host) : std::nullopt;
  if (!address || place->port == 0) {
    return wrong(text, "a DNS server is an address, like \"192.0.2.53\" or \"[::1]:5353\"");
  }
  const std::string host = address->to_string();
  return (address->is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(place->port);
}

Result<BackendServer> parse_server(std::string_view text) {
  using Scheme = BackendServer::Scheme;
  struct Form {
    std::string_view opening;
    Scheme scheme;
    std::uint16_t port;  // where none is written; 0: it must be
  };
  constexpr std::array<Form, 6> forms = {{{"http://", Scheme::http, 80},
                                          {"https://", Scheme::https, 443},
                                          {"h2c://", Scheme::h2c, 80},
                                          {"srv+http://", Scheme::srv_http, 0},
                                          {"srv+https://", Scheme::srv_https, 0},
                                          {"srv+h2c://", Scheme::srv_h2c, 0}}};
  BackendServer server;
  server.text = std::string(text);
  if (text.starts_with("unix:")) {
    server.scheme = Scheme::unix_path;
    server.host = std::string(text.substr(5));
    if (!server.host.starts_with('/')) return wrong(text, "the path after unix: begins with /");
    if (server.host.size() > 107) return wrong(text, "a socket's path has at most 107 octets");
    return server;
  }
  std::string_view rest = text;
  std::uint16_t fallback = 0;
  for (const Form& form : forms) {
    if (!text.starts_with(form.opening)) continue;
    server.scheme = form.scheme;
    fallback = form.port;
    rest.remove_prefix(form.opening.size());
    if (rest.ends_with('/')) rest.remove_suffix(1);
  }
  if (rest.find("://") != std::string_view::npos) {
    return wrong(
        text, "a server's scheme is http, https or h2c, and srv+ before it for a service in DNS");
  }
  if (rest.find_first_of("/?#") != std::string_view::npos) {
    return wrong(text, "a server has no path; add_prefix puts one before each request's");
  }
  const auto place = HostPort::parse(rest, fallback);
  if (!place && too_large_port(rest.substr(rest.rfind(':') + 1))) return wrong(text, port_range);
  if (!place) return wrong(text, "a server is HOST:PORT, a URL with its scheme, or unix:/path");
  server.host = place->host;
  server.port = place->port;
  if (text.starts_with("srv+")) {
    if (server.port == 0 && !as_address(server.host)) return server;
    return wrong(text,
                 "a service is a name alone, as in srv+http://_web._tcp.example.com: DNS says "
                 "which hosts and ports offer it");
  }
  if (server.port == 0) {
    return wrong(text, "the port is missing: write '" + std::string(rest) + ":PORT'");
  }
  return server;
}

Result<std::string> parse_site_host(std::string_view text) {
  if (text == "*") return std::string(text);
  if (text.find("://") != std::string_view::npos || text.find('/') != std::string_view::npos) {
    return wrong(text, "a host has no scheme and no path");
  }
  std::string_view name = text;
  const bool wildcard = text.starts_with("*.");
  if (wildcard) name.remove_prefix(2);
  if (name.find('*') != std::string_view::npos) {
    return wrong(text, "'*' stands for the whole left-most label, as in \"*.example.com\"");
  }
  const bool colon = name.find(':') != std::string_view::npos;
  if (colon && !as_address(name) && !name.starts_with('[')) {
    return wrong(text, "a host has no port; 'https' and 'http' say where it is served");
  }
  const auto labels = to_a_labels(name);
  if (!labels) return labels.error();
  const auto host = normal_host(*labels);
  if (!host) return wrong(text, host.error().detail());
  if (wildcard && as_address(*host)) return wrong(text, "an address has no wildcard");
  return wildcard ? "*." + *host : *host;
}

Result<std::string> parse_block(std::string_view text) {
  if (text == "private") return std::string(text);
  if (!Cidr::parse(text)) {
    return wrong(text, "an address block is like \"10.0.0.0/8\" or \"private\"");
  }
  return std::string(text);
}

Result<std::string> parse_path(std::string_view text) {
  if (text.starts_with('~')) {
    if (text.find_first_not_of("~ ") == std::string_view::npos) {
      return wrong(text, "a regular expression follows the '~'");
    }
    const auto compiled = parse_match_value(text);
    if (!compiled) return compiled.error();
    return std::string(text);
  }
  if (!text.starts_with('/')) return wrong(text, "a path begins with '/'");
  const std::size_t star = text.find('*');
  const bool prefix = text.ends_with("/*") && star == text.size() - 1;
  if (star != std::string_view::npos && !prefix) {
    return wrong(text, "'*' stands only at the end, after a '/'");
  }
  if (!printable(text) || text.find_first_of("?# \t") != std::string_view::npos) {
    return wrong(text, "a path has no query, fragment or space");
  }
  return std::string(text);
}

Result<std::string> parse_prefix(std::string_view text) {
  if (!text.starts_with('/') || !printable(text) ||
      text.find_first_of("?#* \t") != std::string_view::npos) {
    return wrong(text, "a path begins with '/' and has no '*', query, fragment or space");
  }
  return std::string(text);
}

Result<std::string> parse_expression(std::string_view text) {
  const auto compiled = Pattern::compile(text);
  if (!compiled) return wrong(text, "no regular expression: " + compiled.error().detail());
  return std::string(text);
}

Result<std::string> parse_match_value(std::string_view text) {
  if (!text.starts_with('~')) return parse_field_value(text);
  std::string_view expression = text.substr(1);
  while (expression.starts_with(' ')) expression.remove_prefix(1);
  if (expression.empty()) return wrong(text, "a regular expression follows the '~'");
  const auto compiled = Pattern::compile(expression);
  if (!compiled) return wrong(text, "no regular expression: " + compiled.error().detail());
  return std::string(text);
}

Result<std::string> parse_match_field(std::string_view text) {
  if (equal_ignoring_case(text, "Content-Length") ||
      equal_ignoring_case(text, "Transfer-Encoding")) {
    return Error(Fault::bad_message, Side::self,
                 "tells where a message ends and is not seen by routes");
  }
  return parse_token(text);
}

Result<std::string> parse_rewrite_to(std::string_view text) {
  if (!printable(text) || !ascii(text) || text.find_first_of("# \t") != std::string_view::npos) {
    return wrong(text, "a path and query as they are sent: no space, fragment or raw octets");
  }
  return std::string(text);
}

Result<std::string> parse_index(std::string_view text) {
  if (text == "." || text == ".." || text.find('/') != std::string_view::npos) {
    return wrong(text, "an index is the name of a file, like \"index.html\"");
  }
  return std::string(text);
}

Result<std::string> parse_try(std::string_view text) {
  constexpr std::string_view placeholder = "{path}";
  if (!text.starts_with('/') && !text.starts_with(placeholder)) {
    return wrong(text, "what is tried begins with '/' or {path}");
  }
  std::string literal(text);
  for (std::size_t at = literal.find(placeholder); at != std::string::npos;
       at = literal.find(placeholder, at)) {
    literal.replace(at, placeholder.size(), "x");
  }
  if (literal.find_first_of("{}") != std::string::npos) {
    return wrong(text, "the only placeholder here is {path}");
  }
  literal += '/';
  if (literal.find("/../") != std::string::npos || literal.find("/./") != std::string::npos) {
    return wrong(text, "no '.' or '..' may stand between slashes");
  }
  return std::string(text);
}

Result<std::string> parse_copied_field(std::string_view text) {
  constexpr std::array<std::string_view, 10> not_copied = {
      "connection", "content-length",    "host",    "keep-alive", "proxy-connection",
      "te",         "transfer-encoding", "trailer", "upgrade",    "via"};
  auto name = parse_token(text);
  if (!name) return name;
  const std::string lower = to_lower(*name);
  if (contains(not_copied, lower)) {
    return wrong(text, "this field is about the connection to a server, and not to be copied");
  }
  return name;
}

Result<std::string> parse_token(std::string_view text) {
  if (!token(text)) return wrong(text, "no valid name of a header field");
  return std::string(text);
}

Result<std::string> parse_request_set(std::string_view text) {
  constexpr std::array<std::string_view, 10> ours = {
      "Connection", "Keep-Alive",        "Proxy-Connection", "TE",     "Trailer",
      "Upgrade",    "Transfer-Encoding", "Content-Length",   "Expect", "HTTP2-Settings"};
  for (const std::string_view name : ours) {
    if (equal_ignoring_case(text, name)) {
      return Error(Fault::bad_message, Side::self,
                   "belongs to one connection or to framing: Gatehouse writes it itself");
    }
  }
  return parse_token(text);
}

Result<std::string> parse_request_edit(std::string_view text) {
  if (equal_ignoring_case(text, "Host")) {
    return Error(Fault::bad_message, Side::self,
                 "stands once in every request: 'set' gives it another value");
  }
  return parse_request_set(text);
}

Result<std::string> parse_answer_edit(std::string_view text) {
  if (equal_ignoring_case(text, "Host")) {
    return Error(Fault::bad_message, Side::self, "is a field of requests only");
  }
  return parse_request_set(text);
}

Result<std::string> parse_method(std::string_view text) {
  if (!token(text)) return wrong(text, "no valid method");
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  constexpr std::array<std::string_view, 9> common = {
      "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"};
  const bool slip = upper != text && contains(common, upper);
  if (slip) return wrong(text, "methods are case-sensitive: write \"" + upper + "\"");
  return std::string(text);
}

Result<std::string> parse_http_url(std::string_view text) {
  const auto url = Url::parse(text);
  if (!url) return wrong(text, "a URL is like \"https://host/path\"");
  return std::string(text);
}

Result<std::string> parse_admin_listen(std::string_view text) {
  if (text == "off") return std::string(text);
  const auto listen = parse_listen(text);
  if (!listen)
    return wrong(text,
                 "write \"off\", \"unix:/path\" or an address like "
                 "\"127.0.0.1:2019\"");
  if (listen->kind == Listen::Kind::descriptor) {
    return wrong(text, "the admin listener takes no inherited descriptor");
  }
  return std::string(text);
}

Result<std::string> parse_metrics_listen(std::string_view text) {
  const auto listen = parse_listen(text);
  if (!listen || listen->kind == Listen::Kind::descriptor) {
    return wrong(text, "write an address like \"127.0.0.1:9180\"");
  }
  return std::string(text);
}

Result<std::string> parse_hsts(std::string_view text) {
  constexpr std::string_view wanted =
      "write a duration, then what else is wanted: \"365d; includeSubDomains; preload\"";
  bool first = true;
  bool whole_year = false;
  bool below = false;  // includeSubDomains
  bool preload = false;
  for (std::string_view part : split(text, ';')) {
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    const bool years = first && part.ends_with('y') && port_of(part.substr(0, part.size() - 1));
    const auto span = parse_duration(part);
    const bool age = first && (years || span.has_value());
    if (!age && (first || (part != "includeSubDomains" && part != "preload"))) {
      return wrong(text, wanted);
    }
    if (first) whole_year = years ? part != "0y" : *span >= std::chrono::hours(365 * 24);
    below = below || part == "includeSubDomains";
    preload = preload || part == "preload";
    first = false;
  }
  if (preload && !(below && whole_year)) {
    return wrong(text, "browsers preload only with includeSubDomains and at least 1y");
  }
  return std::string(text);
}

Result<std::string> parse_status_range(std::string_view text) {
  for (const std::string_view part : split(text, ',')) {
    const auto ends = split(part, '-');
    const bool family =
        part.size() == 3 && part.ends_with("xx") && part[0] >= '1' && part[0] <= '5';
    bool good = family || (ends.size() <= 2);
    std::uint16_t last = 100;
    for (const std::string_view end : ends) {
      if (family) break;
      const auto status = port_of(end);
      good = good && status && *status >= last && *status <= 599;
      last = status.value_or(0);
    }
    if (!good) return wrong(text, "a status is like \"200\", \"200-399\" or \"5xx\"");
  }
  return std::string(text);
}

Result<std::string> parse_error_status(std::string_view text) {
  const auto parsed = parse_status_range(text);
  if (!parsed) return parsed.error();
  for (const std::string_view part : split(text, ',')) {
    if (part[0] < '4') return wrong(text, "error pages are for statuses from 400 on");
  }
  return std::string(text);
}

Result<std::string> parse_file_name(std::string_view text) {
  if (text.empty()) return Error(Fault::bad_message, Side::self, "must not be empty");
  return std::string(text);
}

Result<std::string> parse_file_mode(std::string_view text) {
  const bool octal = text.find_first_not_of("01234567") == std::string_view::npos;
  if (!octal || text.size() < 3 || text.size() > 4) {
    return wrong(text, "a file mode is octal, like \"0640\"");
  }
  return std::string(text);
}

Result<std::string> parse_password_hash(std::string_view text) {
  for (const std::string_view opening : {"$2a$", "$2b$", "$2y$", "$argon2id$", "$y$", "$6$"}) {
    if (!text.starts_with(opening)) continue;
    if (!is_usable_hash(std::string(text))) {
      return Error(Fault::bad_message, Side::self,
                   "is a hash that this system's crypt(3) cannot check (" + std::string(opening) +
                       "); 'gatehouse hash-password' makes one that it can");
    }
    // The sum stands after the last '$'; bcrypt's together with its salt of 22 octets.
    const std::size_t sum = text.size() - text.rfind('$') - 1;
    const bool whole = opening.starts_with("$2") ? sum == 22 + 31 : sum >= 43;
    if (whole) return std::string(text);
    return Error(Fault::bad_message, Side::self, "is a password hash that is not whole");
  }
  // The text may be a password: it is not repeated.
  return Error(Fault::bad_message, Side::self,
               "is no password hash; 'gatehouse hash-password' makes one");
}

Result<std::string> parse_master_key(std::string_view text) {
  const auto octets = from_base64_lenient(text);
  if (!octets || octets->size() != 32) {
    return Error(Fault::bad_message, Side::self, "must be 32 bytes in base64");
  }
  return std::string(text);
}

Result<std::string> parse_hmac_key(std::string_view text) {
  const auto octets = from_base64_lenient(text);
  if (!octets || octets->empty()) {
    return Error(Fault::bad_message, Side::self, "must be base64url, as the CA hands it out");
  }
  return std::string(text);
}

Result<std::string> parse_days(std::string_view text) {
  constexpr std::array<std::string_view, 7> days = {"mon", "tue", "wed", "thu",
                                                    "fri", "sat", "sun"};
  for (const std::string_view part : split(text, ',')) {
    const auto ends = split(part, '-');
    for (const std::string_view end : ends) {
      if (ends.size() > 2 || std::find(days.begin(), days.end(), end) == days.end()) {
        return wrong(text, "days are like \"mon-thu\" or \"sat,sun\"");
      }
    }
  }
  return std::string(text);
}

Result<std::string> parse_time_of_day(std::string_view text) {
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  const bool shaped =
      text.size() == 5 && digit(0) && digit(1) && text[2] == ':' && digit(3) && digit(4);
  if (!shaped || text.substr(0, 2) > "23" || text[3] > '5') {
    return wrong(text, "a time of day is like \"01:00\"");
  }
  return std::string(text);
}

Result<std::string> parse_socket(std::string_view text) {
  const bool unix_path = text.starts_with("unix:/");
  const bool tcp = text.starts_with("tcp://") && HostPort::parse(text.substr(6), 0).has_value();
  if (!unix_path && !tcp) {
    return wrong(text, "a socket is \"unix:/path\" or \"tcp://HOST:PORT\"");
  }
  return std::string(text);
}

Result<std::string> parse_limit_key(std::string_view text) {
  const bool header = text.starts_with("header:") && token(text.substr(7));
  if (text != "client_ip" && text != "host" && !header) {
    return wrong(text, "requests are counted by client_ip, host or header:NAME");
  }
  return std::string(text);
}

Result<std::string> parse_field_value(std::string_view text) {
  if (!printable(text)) {
    return Error(Fault::bad_message, Side::self, "must not hold control characters");
  }
  return std::string(text);
}

}  // namespace gatehouse::config::detail
