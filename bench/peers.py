"""The proxies that are compared, each as its own experts would set it up for one CPU."""
import os
import re
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))

from measure import cpu_us, family, pinned, pss_kib  # noqa: E402
from ports import free_port  # noqa: E402

SUITE = "TLS_AES_128_GCM_SHA256"


def most_connections():
    """HAProxy wants two descriptors each; the others get the same."""
    return min(30000, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100) // 2)


def first_answer(port, host, process, log, seconds=600):
    """Returns when an https request to the host is answered. `port` without `host`: listens."""
    trusting = ssl._create_unverified_context()
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
                if host is None:
                    return
                with trusting.wrap_socket(plain, server_hostname=host) as stream:
                    stream.sendall(f"GET /1k HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                    if stream.recv(12) == b"HTTP/1.1 200":
                        return
        except OSError:
            pass
        time.sleep(0.001)
    with open(log, errors="replace") as lines:
        raise RuntimeError(f"no answer on port {port}:\n" + lines.read()[-2000:])


class Peer:
    """One proxy, perhaps running. `names` are (host pattern, certificate file, key file)."""
    name = ""
    program = ""
    speaks_h1 = True

    def __init__(self, scene, binary=None):
        self.scene = scene
        self.binary = binary or shutil.which(self.program) or f"/usr/sbin/{self.program}"
        self.process = None
        self.http = self.https = 0

    def available(self):
        return os.access(self.binary, os.X_OK)

    def version(self):
        done = subprocess.run([self.binary, *self.version_words], capture_output=True, text=True)
        return re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr).group(0)

    def start(self, backend, certificates, options=None):
        """Returns the seconds until it answers https for the first of the hosts. `options`: access_log (a file), workers,
        bodies (they are large), and more that Gatehouse alone has."""
        self.folder = self.scene.folder(self.name)
        self.http, self.https = free_port(), free_port()
        argv, environment = self.prepare(backend, certificates, options or {})
        self.log = os.path.join(self.folder, "log")
        cpus = "0" if (options or {}).get("workers", 1) == 1 else "0,1"
        began = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(pinned(cpus, argv), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env={**os.environ, **environment}, cwd=self.folder)
        self.scene.watch(self)
        first_answer(self.https, certificates[0][0] if self.speaks_h1 else None, self.process, self.log)
        return time.monotonic() - began

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def pids(self):
        return family(self.process.pid)

    def cpu_us(self):
        return cpu_us(self.pids())

    def pss_kib(self):
        return pss_kib(self.pids())

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as out:
            out.write(text)
        return path


class Gatehouse(Peer):
    name = program = "gatehouse"
    version_words = ["version"]
    most_sites_a_file = 20000

    def prepare(self, backend, certificates, options):
        sites = [f"""
[[site]]
hosts = ["{host}"]
redirect_http = false
backend = "app"
tls = {{ mode = "files", cert = "{cert}", key = "{key}" }}
""" for host, cert, key in certificates]
        # A file may have 16 MiB.
        for first in range(0, len(sites), self.most_sites_a_file):
            self.write(f"sites-{first}.toml", "".join(sites[first:first + self.most_sites_a_file]))
        access = f'access = "{options["access_log"]}"' if "access_log" in options else ""
        fresh = ""
        if "acme" in options:
            fresh = f"""
[acme]
ca = ["pebble"]
[acme.on_demand]
allow = ["*.fresh.test"]
rate = "100000/1m"
rate_per_domain = "100000/1m"
rate_per_client = "100000/1m"
max_waiting = 2000
{options["acme"](self.http, self.https).issuer()}
[[site]]
hosts = ["*.fresh.test"]
backend = "app"
tls.mode = "on_demand"
"""
        self.config = self.write("gatehouse.toml", f"""
include = ["{self.folder}/sites-*.toml"]
[server]
http = ["127.0.0.1:{self.http}"]
https = ["127.0.0.1:{self.https}"]
workers = {options.get("workers", 1)}
data_dir = "{self.folder}/data"
timeouts.idle = "300s"
{options.get("server", "")}
[log]
level = "warn"
{access}
[backend.app]
servers = ["127.0.0.1:{backend}"]
idle_connections = 256
{fresh}
{options.get("extra", "")}
[[site]]
hosts = ["plain.bench"]
tls.mode = "off"
backend = "app"
""")
        return [self.binary, "run", "--config", self.config], {}


class Before(Gatehouse):
    """Another build: what a change brings is seen in one run."""
    name = "before"


class Nginx(Peer):
    name = program = "nginx"
    version_words = ["-v"]

    def prepare(self, backend, certificates, options):
        access = "off" if "access_log" not in options else f'{options["access_log"]} json buffer=64k flush=1s'
        servers = "".join(f"""
  server {{
    listen 127.0.0.1:{self.https} ssl http2;
    server_name {host};
    ssl_certificate {cert};
    ssl_certificate_key {key};
    location / {{ proxy_pass http://app; }}
  }}
""" for host, cert, key in certificates)
        config = self.write("nginx.conf", f"""
worker_processes {options.get("workers", 1)};
daemon off;
pid {self.folder}/nginx.pid;
error_log {self.folder}/error.log;
events {{ worker_connections {most_connections()}; multi_accept on; }}
http {{
  log_format json escape=json '{{"time":"$time_iso8601","client":"$remote_addr","method":"$request_method",'
    '"path":"$request_uri","status":$status,"bytes":$body_bytes_sent,"duration":$request_time,'
    '"host":"$host","user_agent":"$http_user_agent","server":"$upstream_addr"}}';
  access_log {access};
  client_body_temp_path {self.folder}/body;
  proxy_temp_path {self.folder}/proxy;
  fastcgi_temp_path {self.folder}/fastcgi;
  uwsgi_temp_path {self.folder}/uwsgi;
  scgi_temp_path {self.folder}/scgi;
  server_names_hash_max_size 400000;
  server_names_hash_bucket_size 128;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_max_body_size 0;
  proxy_request_buffering off;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_buffers 16 16k;
  {"client_body_buffer_size 128k; http2_chunk_size 16k; proxy_buffer_size 64k;" if "bodies" in options else ""}
  proxy_busy_buffers_size 64k;
  proxy_max_temp_file_size 0;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache off;
  ssl_session_tickets on;
  upstream app {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 1000000000; }}
  {servers}
  server {{
    listen 127.0.0.1:{self.http};
    location / {{ proxy_pass http://app; }}
  }}
}}
""")
        return [self.binary, "-c", config, "-p", self.folder], {}


class Haproxy(Peer):
    name = program = "haproxy"
    version_words = ["-v"]

    def prepare(self, backend, certificates, options):
        store = self.scene.folder("haproxy-certificates")
        for host, cert, key in certificates:
            with open(os.path.join(store, host.replace("*", "_") + ".pem"), "w") as joined:
                for part in (cert, key):
                    with open(part) as text:
                        joined.write(text.read())
        log = "no log" if "access_log" not in options else \
            f'log {options["access_log"]} format raw local0\n  option httplog'
        config = self.write("haproxy.cfg", f"""
global
  nbthread {options.get("workers", 1)}
  maxconn {most_connections()}
  tune.ssl.default-dh-param 2048
  tune.ssl.cachesize 0
  ssl-load-extra-files none
  {"tune.bufsize 65536" if "bodies" in options else ""}
  {"tune.h2.initial-window-size 1048576" if "bodies" in options else ""}
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
  option http-keep-alive
  http-reuse always
frontend door
  {log}
  bind 127.0.0.1:{self.https} ssl crt {store}/ alpn h2,http/1.1
  bind 127.0.0.1:{self.http}
  option forwardfor
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  default_backend app
backend app
  server one 127.0.0.1:{backend} pool-max-conn 256
""")
        return [self.binary, "-db", "-f", config], {}


class Caddy(Peer):
    name = program = "caddy"
    version_words = ["version"]

    def prepare(self, backend, certificates, options):
        log = "" if "access_log" not in options else f'log {{\n output file {options["access_log"]}\n }}'
        proxy = f"""reverse_proxy 127.0.0.1:{backend} {{
    transport http {{
      keepalive_idle_conns 256
      keepalive_idle_conns_per_host 256
      compression off
    }}
  }}"""
        sites = "".join(f"""
https://{host}:{self.https} {{
  bind 127.0.0.1
  tls {cert} {key}
  {log}
  {proxy}
}}
""" for host, cert, key in certificates)
        ca = fresh = ""
        if "acme" in options:
            pebble = options["acme"](self.http, self.https)
            ca = f"acme_ca {pebble.directory()}\n  acme_ca_root {pebble.roots_file}\n" \
                 f"  http_port {self.http}\n  https_port {self.https}"
            fresh = f"""
https://*.fresh.test:{self.https} {{
  bind 127.0.0.1
  tls {{
    on_demand
  }}
  {proxy}
}}
"""
        config = self.write("Caddyfile", f"""
{{
  admin off
  {ca}
  auto_https disable_redirects
  storage file_system {self.folder}/data
  log {{
    level ERROR
  }}
  servers {{
    protocols h1 h2
  }}
}}
{sites}
{fresh}
http://:{self.http} {{
  {proxy}
}}
""")
        home = {"HOME": self.folder, "GOMAXPROCS": str(options.get("workers", 1))}
        return [self.binary, "run", "--config", config, "--adapter", "caddyfile"], home


class Floor(Peer):
    """No proxy, but what none gets below: see floor/forward.cpp. One certificate, HTTP/1.1."""
    name = "floor"
    source = "forward"

    def prepare(self, backend, certificates, options):
        _, cert, key = certificates[0]
        return [self.binary, str(self.http), str(self.https), str(backend), cert, key], {}


class FloorHeads(Floor):
    """The same where heads are read and written anew: see floor/forward_heads.cpp."""
    name = "heads"
    source = "forward_heads"


class FloorParts(Floor):
    """The same and what else each request costs at the least: see floor/forward_parts.cpp."""
    name = "parts"
    source = "forward_parts"


class FloorH2(Floor):
    """The same where clients speak HTTP/2: see floor/forward_h2.cpp."""
    source = "forward_h2"
    speaks_h1 = False


class FloorUring(Floor):
    """The same for plain HTTP/1.1 by io_uring: see floor/forward_uring.cpp."""
    name = "uring"
    source = "forward_uring"
    speaks_h1 = False  # not over TLS


class HandshakeFloor(Peer):
    """The least that a TLS server can do: see floor/handshake.cpp."""
    name = "floor"
    source = "handshake"

    def prepare(self, backend, certificates, options):
        _, cert, key = certificates[0]
        return [self.binary, str(self.https), cert, key], {}


PEERS = {peer.name: peer for peer in (Gatehouse, Nginx, Haproxy, Caddy)}
