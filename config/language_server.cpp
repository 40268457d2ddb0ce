// The tables of the process itself: [server] [admin] [log] [storage] [hooks] [docker].
#include "config/access_fields.hpp"
#include "config/detail/forms.hpp"

namespace gatehouse::config::detail {

void describe(Visitor& v, Server& server) {
  v.key("http", server.http, List{ListenForm{}});
  v.key("https", server.https, List{ListenForm{}});
  v.key("workers", server.workers, Count{0, 1024});
  v.key("user", server.user, Text{});
  v.key("data_dir", server.data_dir, Words{});
  v.key("trusted_proxies", server.trusted_proxies, List{Checked{parse_block}});
  v.key("resolvers", server.resolvers, List{Checked{parse_resolver}});
  v.key("proxy_protocol", server.proxy_protocol, Flag{});
  v.key("protocols", server.protocols, List{Choice{{"h1", "h2", "h3"}}, Empty::refused});
  v.key("graceful_timeout", server.graceful_timeout, Span{});
  v.key("max_connections", server.max_connections, Count{});
  v.key("certificates_in_memory", server.certificates_in_memory, Count{1});
  v.key("lean_records", server.lean_records, Flag{});
  v.key("default_host_response", server.default_host_response, MaybeCount{200, 599});
  v.table("timeouts", server.timeouts);
  v.table("limits", server.limits);
}

void describe(Visitor& v, Timeouts& timeouts) {
  constexpr Span at_least_a_tick{Duration(1)};
  v.key("handshake", timeouts.handshake, at_least_a_tick);
  v.key("request_header", timeouts.request_header, at_least_a_tick);
  v.key("idle", timeouts.idle, at_least_a_tick);
  v.key("read_idle", timeouts.read_idle, at_least_a_tick);
  v.key("write_idle", timeouts.write_idle, at_least_a_tick);
  v.key("min_rate", timeouts.min_rate, Size{});
}

void describe(Visitor& v, Limits& limits) {
  // With less no browser comes in; with more a few clients fill the memory.
  constexpr Size head{1 << 10, 16 << 20};
  v.key("header_bytes", limits.header_bytes, head);
  v.key("header_count", limits.header_count, Count{1, 65536});
  v.key("body", limits.body, Size{});
  v.key("h2_streams", limits.h2_streams, Count{1, 65536});
  v.key("requests_per_connection", limits.requests_per_connection, Count{});
}

void describe(Visitor& v, Admin& admin) {
  v.key("listen", admin.listen, Checked{parse_admin_listen, Empty::allowed});
  v.key("metrics", admin.metrics, Checked{parse_metrics_listen, Empty::allowed});
  v.key("dashboard", admin.dashboard, Flag{});
}

void describe(Visitor& v, Log& log) {
  v.key("level", log.level, Choice{{"trace", "debug", "info", "warn", "error"}});
  v.key("format", log.format, Choice{{"auto", "text", "json"}});
  v.key("output", log.output, Words{});
  v.key("access", log.access, Words{});
  v.key("access_format", log.access_format, Choice{{"json", "combined"}});
  v.group("access_fields", log.access_fields);
  v.key("audit", log.audit, Text{});
}

void describe(Visitor& v, AccessFields& fields) {
  // A field that is called by a wrong name would stay in the log as it is.
  const List known{Choice{{access_field_names.begin(), access_field_names.end()}}};
  v.key("drop", fields.drop, known);
  v.key("hash", fields.hash, known);
  v.key("redact", fields.redact, known);
}

void describe(Visitor& v, Storage& storage) {
  v.key("kind", storage.kind, Choice{{"files", "postgres"}});
  v.key("url", storage.url, Hidden{});
  v.key("encryption_key", storage.encryption_key, Hidden{parse_master_key});
}

void describe(Visitor& v, HookEvent& event) {
  v.locate(event.at);
  v.key("on", event.on,
        List{Choice{{"cert.obtained", "cert.failed", "cert.expiring", "cert.revoked", "ca.switched",
                     "config.reloaded"}},
             Empty::refused});
  v.key("exec", event.exec, List{Words{}});
  v.key("url", event.url, Checked{parse_http_url, Empty::allowed});
  v.key("secret", event.secret, Hidden{});
}

void describe(Visitor& v, Docker& docker) {
  v.key("enabled", docker.enabled, Flag{});
  v.key("socket", docker.socket, Checked{parse_socket});
  v.within("tls", Visitor::Shape::in_line, [&docker](Visitor& tls) {
    tls.key("ca", docker.tls_ca, Text{});
    tls.key("cert", docker.tls_cert, Text{});
    tls.key("key", docker.tls_key, Text{});
  });
  v.key("exposed_by_default", docker.exposed_by_default, Flag{});
  v.key("network", docker.network, Text{});
  v.key("compat", docker.compat, List{Choice{{"traefik", "nginx-proxy"}}});
  v.list("claims", Visitor::Shape::in_line, docker.claims);
  v.key("hold", docker.hold, Span{});
}

void describe(Visitor& v, Claim& claim) {
  v.key("project", claim.project, Words{});
  v.key("hosts", claim.hosts, List{Checked{parse_site_host}, Empty::refused});
}

void describe(Visitor& v, Certificate& certificate) {
  v.locate(certificate.at);
  v.key("hosts", certificate.hosts, List{Checked{parse_site_host}, Empty::refused});
  v.maybe("export", certificate.exported);
  v.key("on_change", certificate.on_change, List{Words{}});
}

void describe(Visitor& v, Export& exported) {
  v.key("cert", exported.cert, Text{});
  v.key("key", exported.key, Text{});
  v.key("owner", exported.owner, Text{});
  v.key("mode", exported.mode, Checked{parse_file_mode});
}

}  // namespace gatehouse::config::detail
