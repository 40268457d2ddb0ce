"""What surrounds the proxies: folders, certificates, the backend, the load."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile

from measure import ahead, family, pinned, run
from peers import SUITE, Peer, first_answer, free_port, most_connections

LOAD_CPU = 1


class Backend(Peer):
    """nginx with its answers in memory: never what is measured."""
    name = "backend"
    program = "nginx"

    def start(self, *_):
        self.folder = self.scene.folder(self.name)
        self.port = free_port()
        with open(os.path.join(self.folder, "10m"), "wb") as big:
            big.write(os.urandom(10 << 20))
        config = self.write("nginx.conf", f"""
worker_processes 1;
daemon off;
pid {self.folder}/nginx.pid;
error_log {self.folder}/error.log;
events {{ worker_connections {most_connections()}; multi_accept on; }}
http {{
  access_log off;
  client_body_temp_path {self.folder}/body;
  proxy_temp_path {self.folder}/proxy;
  fastcgi_temp_path {self.folder}/fastcgi;
  uwsgi_temp_path {self.folder}/uwsgi;
  scgi_temp_path {self.folder}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_max_body_size 0;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=10;
  server {{
    listen 127.0.0.1:{self.port} backlog=4096;
    location = /1k {{ default_type text/plain; return 200 "{"x" * 1024}"; }}
    location = /10m {{ root {self.folder}; }}
    # Reads the whole body before it answers.
    location = /up {{
      client_body_buffer_size 11m;
      proxy_pass http://127.0.0.1:{self.port}/ok;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }}
    location = /ok {{ return 200 "ok"; }}
  }}
}}
""")
        log = os.path.join(self.folder, "log")
        with open(log, "wb") as out:
            self.process = subprocess.Popen(pinned(LOAD_CPU, [self.binary, "-c", config, "-p", self.folder]),
                                            stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self.scene.callback(self.stop)
        self.scene.backend = self
        first_answer(self.port, None, self.process, log)
        return self.port


class Scene(contextlib.ExitStack):
    """A run's folder and all that lives in it; everything ends with it."""

    def __init__(self, tools):
        super().__init__()
        self.top = tempfile.mkdtemp(prefix="gatehouse-bench-")
        self.callback(shutil.rmtree, self.top, ignore_errors=True)
        os.chmod(self.top, 0o755)  # workers of others give root up, and read files in here
        self.tools = tools
        self.backend = None
        self.peers = []
        # The same suite for everybody: servers differ in which of those offered they prefer.
        openssl = os.path.join(self.top, "openssl.cnf")
        with open(openssl, "w") as out:
            out.write(f"openssl_conf = top\n[top]\nssl_conf = ssl\n[ssl]\nsystem_default = all\n"
                      f"[all]\nCiphersuites = {SUITE}\nMinProtocol = TLSv1.2\n")
        self.load_environment = {"OPENSSL_CONF": openssl}

    def folder(self, name):
        path = tempfile.mkdtemp(prefix=name + "-", dir=self.top)
        os.chmod(path, 0o755)
        return path

    def watch(self, peer):
        self.peers.append(peer)
        self.callback(peer.stop)

    def stop_peers(self):
        """All that a scenario has left running."""
        for peer in self.peers:
            peer.stop()

    def certificate(self, host, kind="p256"):
        """A certificate of its own for the host. Returns (host, certificate file, key file)."""
        folder = self.folder("certificate")
        cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        key_kind = ["-newkey", "rsa:2048"] if kind == "rsa2048" else \
            ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        run(["openssl", "req", "-x509", "-nodes", *key_kind, "-keyout", key, "-out", cert, "-days", "30",
             "-subj", f"/CN={host[:60]}", "-addext", f"subjectAltName=DNS:{host}"], 60)
        return host, cert, key

    def many_certificates(self, count):
        """For n0.bench, n1.bench and so on."""
        folder = self.folder("certificates")
        run([self.tools["certificates"], folder, str(count)], 600)
        return [(f"n{i}.bench", f"{folder}/{i}.crt", f"{folder}/{i}.key") for i in range(count)]

    # --- load, always on the other CPU

    def h2load(self, url, requests, *words, timeout=600):
        """Sends so many requests. Returns (succeeded, failed, seconds)."""
        text = run(pinned(LOAD_CPU, ["h2load", "-t", "1", "-n", str(requests), *map(str, words), url]), timeout,
                   self.load_environment)
        found = re.search(r"finished in ([\d.]+)(ms|s|us),.*?(\d+) succeeded, (\d+) failed, (\d+) errored", text, re.S)
        if not found:
            raise RuntimeError("h2load said nothing of requests:\n" + text)
        scale = {"us": 1e-6, "ms": 1e-3, "s": 1.0}[found.group(2)]
        return int(found.group(3)), int(found.group(4)) + int(found.group(5)), float(found.group(1)) * scale

    latency_clients = 10
    warm_up = 1  # seconds before latencies are taken

    def latencies(self, url, seconds, rate, *words):
        """Milliseconds of each request at a fixed rate, sorted; and how many failed. Neither the client
        nor the backend waits for its CPU: what is told is the proxy's doing."""
        log = os.path.join(self.folder("latencies"), "log")
        clients = self.latency_clients
        argv = ["h2load", "-t", "1", "-c", str(clients), "--rps", str(rate / clients), "-D", str(seconds),
                f"--warm-up-time={self.warm_up}", "--log-file", log, *map(str, words), url]
        with ahead(family(self.backend.process.pid)) as allowed:
            told = run(pinned(LOAD_CPU, ["chrt", "--fifo", "1", *argv] if allowed else argv), seconds + 60,
                       self.load_environment)
        taken, failed = [], 0
        with open(log) as lines:
            for line in lines:
                _, status, microseconds = line.split()[:3]
                taken.append(int(microseconds) / 1000.0)
                failed += status != "200"
        # Those that got no answer at all leave no line.
        lost = sum(map(int, re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", told).groups()[1:]))
        return sorted(taken), failed + lost

    def tls_clients(self, *words, timeout=300):
        text = run(pinned(LOAD_CPU, [self.tools["tls_clients"], *map(str, words)]), timeout, self.load_environment)
        return json.loads(text)

    def busy_with_handshakes(self, port, rate, seconds):
        """So many a second, beside what else is done; call it for how many there were."""
        argv = [self.tools["tls_clients"], "paced", str(port), "localhost", str(seconds), "2", str(rate)]
        client = subprocess.Popen(pinned(LOAD_CPU, argv), stdout=subprocess.PIPE, text=True,
                                  env={**os.environ, **self.load_environment})
        self.callback(client.kill)
        return lambda: json.loads(client.communicate(timeout=seconds + 60)[0])["done"]
