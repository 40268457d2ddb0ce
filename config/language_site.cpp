// The whole file, and [[site]] with all below it.
#include <algorithm>
#include <array>

#include "config/detail/forms.hpp"

namespace gatehouse::config::detail {
namespace {

constexpr std::array<std::string_view, 4> terminal = {"redirect", "respond", "files", "backend"};

std::vector<std::string> backend_names(const Config& config) {
  std::vector<std::string> names;
  for (const Backend& backend : config.backends) names.push_back(backend.name);
  return names;
}

/// `backend` of a route: one name of a [backend.NAME], or servers in place, which become a backend
/// of their own, called HOST#N after the site's first host.
struct BackendRef {
  Config& config;
  const Site& site;

  void read(const Node& node, std::string& value, const Ask& ask) const {
    const bool list = node.kind == Node::Kind::list;
    if (list && node.items.empty()) return value.clear();
    const Node& first = list ? node.items.front() : node;
    const bool alone = !list || node.items.size() == 1;
    if (alone && first.broken) return;
    if (alone && first.kind == Node::Kind::text) {
      if (ask.book.names_backend(config, first.text)) {
        value = first.text;
        return;
      }
      if (first.text.find_first_of(":/") == std::string::npos) {
        return ask.fail(first, "names no [backend." + first.text + "], and a server is HOST:PORT" +
                                   did_you_mean(first.text, backend_names(config)));
      }
    }
    Backend made;
    made.at = node.at;
    List{ServerForm{}}.read(node, made.servers, ask);
    const std::string host = site.hosts.empty() ? "site" : site.hosts.front();
    for (std::size_t n = 1; made.name.empty() || ask.book.names_backend(config, made.name); ++n) {
      made.name = host + "#" + std::to_string(n);
    }
    value = made.name;
    config.backends.push_back(std::move(made));
  }
  std::string write(const std::string& value) const {
    return value.empty() ? "[]" : in_quotes(value);
  }
};

void describe_backends(Visitor& v, Config& config) {
  const auto inside = [&config](const std::string& name, Visitor& table) {
    Backend sample;
    const auto found = std::find_if(config.backends.begin(), config.backends.end(),
                                    [&](const Backend& backend) { return backend.name == name; });
    if (table.reading()) {
      sample.name = name;
      describe(table, sample);
      config.backends.push_back(std::move(sample));
    } else {
      describe(table, table.task() == Visitor::Task::listing ? sample : *found);
    }
  };
  v.each_named("backend", backend_names(config), inside);
}

void describe_sites(Visitor& v, Config& config) {
  const Shared<AcmeSettings> usual(config.acme.settings);  // what [site.tls] does not say
  v.each("site", Visitor::Shape::headed, config.sites.size(), [&](std::size_t i, Visitor& table) {
    if (table.task() == Visitor::Task::writing) return describe(table, config.sites[i], config);
    Site sample;
    Site& site = table.reading() ? config.sites.emplace_back() : sample;
    site.tls.acme = usual;
    describe(table, site, config);
  });
}

/// The site's own route keys are what each [[site.route]] starts from; a key in the route replaces
/// the site's whole key. A route that says itself what is done (redirect, respond, files, backend)
/// takes none of these from the site. Without a [[site.route]] the site's keys are the one route.
void describe_routes(Visitor& v, Site& site, Config& config) {
  Route own;
  if (v.task() != Visitor::Task::writing) {
    describe(v, own, site, config);
    site.errors = own.errors;
  } else if (!site.errors.empty()) {
    v.key("errors", site.errors, PairsForm{parse_error_status, parse_file_name});
  }
  const auto inside = [&](std::size_t i, Visitor& table) {
    if (table.task() == Visitor::Task::writing) {
      return describe(table, site.routes[i], site, config);
    }
    Route route = own;
    const auto says = [&table](std::string_view key) { return table.written(key); };
    if (table.reading() && std::any_of(terminal.begin(), terminal.end(), says)) {
      route.redirect.reset();
      route.respond.reset();
      route.files.reset();
      route.backend.clear();
    }
    describe(table, route, site, config);
    if (table.reading()) site.routes.push_back(std::move(route));
  };
  v.each("route", Visitor::Shape::headed, site.routes.size(), inside);
  if (v.reading() && site.routes.empty()) site.routes.push_back(std::move(own));
}

using Judge = Result<std::string> (*)(std::string_view);

/// Which names the edits of a table may give: `set` may replace what `add` and `remove` must leave.
struct EditNames {
  Judge set;
  Judge other;
};

/// What is written replaces all of `edits`.
void describe_edits(Visitor& v, std::string_view name, HeaderEdits& edits, EditNames names) {
  v.within(name, Visitor::Shape::in_line, [&edits, names](Visitor& table) {
    if (table.reading()) edits = HeaderEdits();
    table.key("set", edits.set, PairsForm{names.set, parse_field_value});
    table.key("add", edits.add, PairsForm{names.other, parse_field_value});
    table.key("remove", edits.remove, List{Checked{names.other}});
  });
}

}  // namespace

void describe(Visitor& v, Config& config) {
  if (v.task() != Visitor::Task::writing) v.key("include", config.include, List{Words{}});
  v.table("server", config.server);
  v.table("admin", config.admin);
  v.table("log", config.log);
  v.table("storage", config.storage);
  v.table("acme", config.acme);
  v.list("certificate", Visitor::Shape::headed, config.certificates);
  v.within("hooks", Visitor::Shape::headed, [&config](Visitor& hooks) {
    hooks.list("events", Visitor::Shape::in_line, config.hooks);
  });
  describe_backends(v, config);
  describe_sites(v, config);
  v.table("docker", config.docker);
}

void describe(Visitor& v, Site& site, Config& config) {
  v.locate(site.at);
  v.key("hosts", site.hosts, List{Checked{parse_site_host}, Empty::refused});
  v.key("http", site.http, MaybeList{ListenForm{}});
  v.key("https", site.https, MaybeList{ListenForm{}});
  v.key("redirect_http", site.redirect_http, Flag{});
  v.table("tls", site.tls);
  describe_routes(v, site, config);
}

void describe(Visitor& v, SiteTls& tls) {
  // Forms with words in them are made once: there may be ten thousand sites.
  static const Named<TlsMode> modes{{{"acme", TlsMode::acme},
                                     {"on_demand", TlsMode::on_demand},
                                     {"internal", TlsMode::internal},
                                     {"files", TlsMode::files},
                                     {"off", TlsMode::off},
                                     {"passthrough", TlsMode::passthrough}}};
  static const Choice versions{{"1.2", "1.3"}};
  static const List protocols{Choice{{"h2", "http/1.1"}}, Empty::refused};
  v.key("mode", tls.mode, modes);
  v.key("cert", tls.cert, Text{});
  v.key("key", tls.key, Text{});
  v.key("min_version", tls.min_version, versions);
  v.key("ciphers", tls.ciphers, Words{});
  v.key("alpn", tls.alpn, protocols);
  v.group("client_auth", tls.client_auth);
  v.key("hsts", tls.hsts, Checked{parse_hsts, Empty::allowed});
  // Most sites say nothing of these, and have no settings of their own then.
  if (!v.reading() || v.any_left()) describe(v, tls.acme.own());
}

void describe(Visitor& v, ClientAuth& auth) {
  v.key("mode", auth.mode, Choice{{"off", "request", "require"}});
  v.key("roots", auth.roots, Text{});
  v.key("crl", auth.crl, Text{});
}

void describe(Visitor& v, Route& route, const Site& site, Config& config) {
  v.locate(route.at);
  v.key("path", route.path, List{Checked{parse_path}});
  v.key("method", route.method, List{Checked{parse_method}});
  v.key("header", route.header, PairsForm{parse_match_field, parse_match_value});
  v.key("query", route.query, PairsForm{nullptr, parse_match_value});
  v.key("client_ip", route.client_ip, List{Checked{parse_block}});
  v.key("allow", route.allow, List{Checked{parse_block}});
  v.key("deny", route.deny, List{Checked{parse_block}});
  v.maybe("rate_limit", route.rate_limit);
  v.key("max_in_flight", route.max_in_flight, Count{});
  v.key("max_body", route.max_body, Size{});
  v.maybe("basic_auth", route.basic_auth);
  v.maybe("forward_auth", route.forward_auth);
  v.maybe("redirect", route.redirect);
  v.maybe("respond", route.respond);
  v.key("strip_prefix", route.strip_prefix, Checked{parse_prefix, Empty::allowed});
  v.key("add_prefix", route.add_prefix, Checked{parse_prefix, Empty::allowed});
  v.maybe("rewrite", route.rewrite);
  describe_edits(v, "request_headers", route.request_headers,
                 {parse_request_set, parse_request_edit});
  describe_edits(v, "response_headers", route.response_headers,
                 {parse_answer_edit, parse_answer_edit});
  static const List codings{Choice{{"zstd", "br", "gzip"}}};
  v.key("compress", route.compress, codings);
  v.key("buffer_request", route.buffer_request, Size{});
  v.maybe("files", route.files);
  v.key("backend", route.backend, BackendRef{config, site});
  v.key("errors", route.errors, PairsForm{parse_error_status, parse_file_name});
  v.key("access_log", route.access_log, Flag{});
}

void describe(Visitor& v, RateLimit& limit) {
  v.key("requests", limit.requests, Count{1});
  v.key("per", limit.per, Span{Duration(1)});
  v.key("burst", limit.burst, Count{});
  v.key("key", limit.key, Checked{parse_limit_key});
}

void describe(Visitor& v, BasicAuth& auth) {
  v.key("users", auth.users, UsersForm{});
  v.key("realm", auth.realm, Checked{parse_field_value, Empty::allowed});
}

void describe(Visitor& v, ForwardAuth& auth) {
  v.key("url", auth.url, Checked{parse_http_url});
  v.key("copy", auth.copy, List{Checked{parse_copied_field}});
  v.key("timeout", auth.timeout, Span{Duration(1)});
}

void describe(Visitor& v, Redirect& redirect) {
  v.key("to", redirect.to, Checked{parse_field_value});
  v.key("status", redirect.status, Count{300, 399});
}

void describe(Visitor& v, Respond& respond) {
  v.key("status", respond.status, Count{200, 599});
  v.key("body", respond.body, Text{});
  v.key("type", respond.type, Checked{parse_field_value});
  v.key("echo", respond.echo, Flag{});
}

void describe(Visitor& v, Rewrite& rewrite) {
  v.key("match", rewrite.match, Checked{parse_expression});
  v.key("to", rewrite.to, Checked{parse_rewrite_to, Empty::allowed});
}

void describe(Visitor& v, Files& files) {
  v.key("root", files.root, Words{});
  v.key("index", files.index, List{Checked{parse_index}});
  v.key("try", files.try_, List{Checked{parse_try}});
  v.key("precompressed", files.precompressed, Flag{});
}

}  // namespace gatehouse::config::detail
