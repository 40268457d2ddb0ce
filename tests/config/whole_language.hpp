#pragma once

#include <string_view>

namespace gatehouse::config {

/// A file that writes every key of the language once, none of them with its default.
inline constexpr std::string_view whole_language = R"(
[server]
http = [":8080", "127.0.0.1:81"]
https = ["[::1]:8443", "unix:/run/g.sock", "fd:3"]
workers = 3
user = "www"
data_dir = "/data"
trusted_proxies = ["private", "192.0.2.0/24"]
resolvers = ["192.0.2.53:53", "[2001:db8::53]:8600"]
proxy_protocol = true
protocols = ["h1", "h2", "h3"]
graceful_timeout = "1m"
max_connections = 5000
certificates_in_memory = 20000
lean_records = false
default_host_response = 404

[server.timeouts]
handshake = "11s"
request_header = "16s"
idle = "76s"
read_idle = "61s"
write_idle = "62s"
min_rate = "1KiB"

[server.limits]
header_bytes = "64KiB"
header_count = 101
body = "10MiB"
h2_streams = 251
requests_per_connection = 1000

[admin]
listen = "127.0.0.1:2019"
metrics = "127.0.0.1:9180"
dashboard = false

[log]
level = "debug"
format = "json"
output = "/var/log/g.log"
access = "stdout"
access_format = "combined"
access_fields = { drop = ["query"], hash = ["client_ip"], redact = ["tls.client_subject"] }
audit = "/var/log/audit.jsonl"

[storage]
kind = "postgres"
url = "postgresql://u:p@host/db"
encryption_key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

[acme]
ca = ["corp", "zerossl"]
email = "ops@example.com"
challenges = ["dns-01", "http-01"]
key_type = ["p256", "rsa2048"]
reuse_key = true
profile = "tlsserver"
must_staple = true
preferred_chain = "Root X"
renew_at = "1/2"
renew_windows = [{ days = "mon-thu", from = "01:00", to = "05:00", tz = "Europe/Berlin" }]
preflight = "gate"
standby_ca = "letsencrypt"
propagation = { delay = "5s", timeout = "3m", resolvers = ["192.0.2.53"] }

[acme.issuer.corp]
directory = "https://ca.corp.example/acme/directory"
roots = "/etc/roots.pem"
eab = { key_id = "kid-1", hmac_key = "c2VjcmV0" }
staging = "https://ca.corp.example/staging/directory"

[acme.issuer.zerossl]
eab = { key_id = "kid-2", hmac_key = "c2VjcmV0" }

[acme.on_demand]
allow = ["*.customers.example.net", "shop.example.org"]
ask = "http://127.0.0.1:5000/ask"
ask_timeout = "6s"
deny_for = "6m"
wait = "61s"
max_waiting = 257
rate = "21/1m"
rate_per_domain = "11/1h"
rate_per_client = "6/1m"

[acme.dns.zone1]
zones = ["example.com"]
provider = "rfc2136"
server = "192.0.2.53"
tsig_name = "key"
tsig_secret = "c2VjcmV0"

[[certificate]]
hosts = ["mail.example.com"]
export = { cert = "/etc/ssl/mail.pem", key = "/etc/ssl/mail.key", owner = "root:ssl", mode = "0600" }
on_change = ["systemctl", "reload", "postfix"]

[hooks]
events = [
  { on = ["cert.obtained", "cert.failed"], url = "https://hooks.example/x", secret = "s" },
  { on = "config.reloaded", exec = ["/bin/logger", "reloaded"] },
]

[backend.app]
servers = ["10.0.0.1:8080", { address = "10.0.0.2:8080", weight = 3, backup = true, max_requests = 9 },
  "http://a.example", "https://b.example:8443", "h2c://c.example:81", "unix:/run/app.sock",
  "srv+http://_web._tcp.example.com", "srv+https://_web._tcp.example.com", "srv+h2c://web.consul"]
policy = "header_hash"
hash_key = "X-Tenant"
sticky = { cookie = "pin" }
resolve = "31s"
connect_timeout = "4s"
response_timeout = "30s"
idle_connections = 65
idle_timeout = "61s"
retries = 2
retry_on = ["connect", "timeout", "502", "503", "504"]
retry_budget = "25%"
health = { path = "/up", interval = "11s", timeout = "3s", status = "200-299", rise = 3, fall = 4 }
eject = { failures = 6, within = "11s", for = "12s", max_share = "40%" }
slow_start = "5s"
tls = { verify = false, server_name = "app.example", roots = "/etc/roots.pem", cert = "/etc/c.pem", key = "/etc/c.key" }
proxy_protocol = 2

[[site]]
hosts = ["example.com", "*.example.com", "192.0.2.1", "bücher.example"]
http = [":8081"]
https = [":8444"]
redirect_http = false
backend = "app"
max_body = "1MiB"

[site.tls]
mode = "acme"
min_version = "1.3"
ciphers = "ECDHE+AESGCM"
alpn = ["http/1.1", "h2"]
client_auth = { mode = "request", roots = "/etc/roots.pem", crl = "/etc/crl.pem" }
hsts = "1y; includeSubDomains; preload"
ca = "letsencrypt"
email = "site@example.com"
key_type = "p384"

[[site.route]]
path = ["/api/*", "/health", "~ ^/v[0-9]+/"]
method = ["GET", "PURGE"]
header = { "X-Beta" = "1", "Accept" = "~ json", "X-None" = "" }
query = { debug = "1" }
client_ip = ["10.0.0.0/8"]
allow = ["private"]
deny = ["10.1.0.0/16"]
rate_limit = { requests = 100, per = "2m", burst = 5, key = "header:X-Key" }
max_in_flight = 7
max_body = "2MiB"
basic_auth = { users = { alice = "$2y$10$abcdefghijklmnopqrstuu23JPZtHcGhwXSF41f93o/7vBdDut3Xu" }, realm = "here" }
forward_auth = { url = "http://auth:9091/verify", copy = ["Remote-User"], timeout = "6s" }
strip_prefix = "/api"
add_prefix = "/v1"
rewrite = { match = "^/old/(.*)$", to = "/new/$1" }
request_headers = { set = { "X-A" = "{host}" }, add = { "X-B" = "2" }, remove = ["X-C"] }
response_headers = { set = { "X-D" = "3" }, add = {}, remove = ["Server"] }
compress = ["zstd", "br", "gzip"]
buffer_request = "64KiB"
errors = { "502" = "/srv/502.html", "5xx" = "/srv/5xx.html" }
access_log = false

[[site.route]]
path = "/go"
redirect = { to = "https://www.example.com{path}{?query}", status = 301 }

[[site.route]]
path = "/ok"
respond = { status = 201, body = "ok", type = "text/html", echo = false }

[[site.route]]
files = { root = "/srv/www", index = ["i.html"], try = ["{path}", "/i.html"], precompressed = false }

[[site]]
hosts = "files.example"
backend = ["https://10.0.0.9:443", { address = "10.0.0.8:443", weight = 2 }]
tls = { mode = "files", cert = "/etc/c.pem", key = "/etc/c.key" }

[docker]
enabled = true
socket = "tcp://docker:2376"
tls = { ca = "/etc/ca.pem", cert = "/etc/c.pem", key = "/etc/c.key" }
exposed_by_default = true
network = "web"
compat = ["traefik"]
claims = [{ project = "shop", hosts = ["*.shop.example"] }]
hold = "11s"
)";

}  // namespace gatehouse::config
