"""What every end-to-end test stands on: real processes, real sockets, free ports, nothing left behind.

The program under test is $GATEHOUSE_BIN. A test takes a `Scene`, which owns a temporary folder and
every process and thread started through it, and ends them all when the test ends.
"""
import contextlib
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

from ports import free_port

BINARY = os.environ.get("GATEHOUSE_BIN", "gatehouse")
# Sanitizer builds are slow; every patience below is stretched by this.
PATIENCE = float(os.environ.get("GATEHOUSE_TEST_PATIENCE", "1"))


def wait_for(condition, what, seconds=20.0):
    """Waits until `condition()` is true or fails the test saying `what` did not come."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds * PATIENCE:.0f} s in vain for {what}")
        time.sleep(0.02)


def accepts(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False


class Scene(contextlib.ExitStack):
    """A temporary folder and everything started in it."""

    def __init__(self, test):
        super().__init__()
        self.test = test
        self.dir = tempfile.mkdtemp(prefix="gatehouse-test-")
        self.callback(shutil.rmtree, self.dir, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w" if isinstance(text, str) else "wb") as f:
            f.write(text)
        return path

    def process(self, argv, log, **kwargs):
        """Starts a process whose output goes to `log`; it is killed with the scene."""
        with open(self.path(log), "ab") as out:
            child = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT,
                                     stdin=subprocess.DEVNULL, cwd=self.dir, **kwargs)
        self.callback(self._end, child)
        return child

    @staticmethod
    def _end(child):
        if child.poll() is None:
            child.kill()
        child.wait()

    def log(self, name):
        try:
            with open(self.path(name), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""


class Gatehouse:
    """One running Gatehouse. Ready when it told so through $NOTIFY_SOCKET."""

    def __init__(self, scene, config, name="gatehouse", wait=True, environment=None, argv=None):
        self.scene = scene
        self.name = name
        self.config_path = scene.write(f"{name}.toml", config)
        self.data_dir = scene.path("data")
        self.log_name = f"{name}.log"
        self.process = None
        self.environment = environment or {}
        self.argv = argv
        self.start(wait)

    def start(self, wait=True):
        notify_path = self.scene.path(f"{self.name}.notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(notify_path)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(notify_path)
        os.chmod(notify_path, 0o777)  # as systemd has it: whoever the service becomes may write
        self.scene.callback(self.notify.close)
        env = dict(os.environ, NOTIFY_SOCKET=notify_path, **self.environment)
        argv = self.argv or [BINARY, "run", "-c", self.config_path]
        self.process = self.scene.process(argv, self.log_name, env=env)
        self.scene.callback(self._finish, self.process)
        if wait:
            self.wait_ready()
        return self

    def _finish(self, process):
        """Whatever a test was about: the program ends well, and no sanitizer has a word to say."""
        if process.poll() is None:
            process.terminate()
            process.terminate()  # the second one does not wait for what is under way
            status = process.wait(20 * PATIENCE)
            if status != 0:
                raise AssertionError(f"gatehouse ended with {status}:\n{self.log()}")
        log = self.log()
        if "Sanitizer" in log or "runtime error:" in log:
            raise AssertionError(f"a sanitizer report:\n{log}")

    def wait_ready(self):
        self.notify.settimeout(0.2)
        deadline = time.monotonic() + 30 * PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"gatehouse ended with {self.process.returncode}:\n{self.log()}")
            try:
                if b"READY=1" in self.notify.recv(4096):
                    return
            except TimeoutError:
                pass
        raise AssertionError(f"gatehouse was not ready in time:\n{self.log()}")

    def log(self):
        return self.scene.log(self.log_name)

    def wait_logged(self, text):
        """Waits for `text` in the log: what a client sees may come a moment before the line about it."""
        wait_for(lambda: text in self.log(), f"{text!r} in the log")

    def pid(self):
        return self.process.pid

    def rss_bytes(self):
        with open(f"/proc/{self.pid()}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1)) * 1024

    def internal_root(self):
        """The file of the internal CA's root, once it is made: in the background."""
        root = os.path.join(self.data_dir, "internal-ca", "root.pem")
        wait_for(lambda: os.path.exists(root), "the internal CA's root")
        return root

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, seconds=40):
        """Graceful stop; the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(seconds * PATIENCE)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def rewrite(self, config):
        with open(self.config_path, "w") as f:
            f.write(config)

    def command(self, *words):
        """Runs a `gatehouse` command with this instance's config; (status, stdout, stderr)."""
        done = subprocess.run([BINARY, words[0], "-c", self.config_path, *words[1:]],
                              capture_output=True, text=True, timeout=60 * PATIENCE)
        return done.returncode, done.stdout, done.stderr

    def audit(self):
        path = os.path.join(self.data_dir, "audit.jsonl")
        if not os.path.exists(path):
            return []
        with open(path) as f:
            return [json.loads(line) for line in f if line.strip()]


class Pebble:
    """A real ACME CA with its fault switches, and a DNS server that points every name at us."""

    def __init__(self, scene, http_port, tls_port, validity=7776000, environment=None, eab=None,
                 sleep=False, nonce_reject=20, authz_reuse=50, alternates=0, chain=1,
                 blocked=("blocked.example",), port=None, wait=True):
        self.scene = scene
        self.port = port or free_port()
        self.management = free_port()
        self.dns = free_port()
        if not os.path.exists(scene.path("pebble-api.pem")):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-keyout", scene.path("pebble-api.key"),
                 "-out", scene.path("pebble-api.pem"), "-subj", "/CN=localhost", "-days", "2",
                 "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                check=True, capture_output=True)
        self.roots_file = scene.path("pebble-api.pem")  # trust for the directory's own TLS
        settings = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": self.roots_file, "privateKey": scene.path("pebble-api.key"),
            "httpPort": http_port, "tlsPort": tls_port, "ocspResponderURL": "",
            "externalAccountBindingRequired": bool(eab), "domainBlocklist": list(blocked),
            "certificateValidityPeriod": validity,
        }
        if eab:
            settings["externalAccountMACKeys"] = eab
        config = scene.write(f"pebble-{self.port}.json", json.dumps({"pebble": settings}))
        env = dict(os.environ, PEBBLE_WFE_NONCEREJECT=str(nonce_reject),
                   PEBBLE_AUTHZREUSE=str(authz_reuse), PEBBLE_ALTERNATE_ROOTS=str(alternates),
                   PEBBLE_CHAIN_LENGTH=str(chain))
        if sleep:
            env["PEBBLE_VA_SLEEPTIME"] = "2"
        else:
            env["PEBBLE_VA_NOSLEEP"] = "1"
        env.update(environment or {})
        self.challtestsrv = scene.process(
            ["pebble-challtestsrv", "-dns01", f"127.0.0.1:{self.dns}", "-management",
             f"127.0.0.1:{free_port()}", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "",
             "-http01", "", "-https01", "", "-tlsalpn01", ""], "challtestsrv.log")
        self.log_name = f"pebble-{self.port}.log"
        self.argv = ["pebble", "-config", config, "-dnsserver", f"127.0.0.1:{self.dns}"]
        self.env = env
        self.start(wait)

    def start(self, wait=True):
        self.process = self.scene.process(self.argv, self.log_name, env=self.env)
        if wait:
            wait_for(lambda: accepts(self.port) and accepts(self.management), "pebble")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def directory(self):
        return f"https://127.0.0.1:{self.port}/dir"

    def issuer(self, name="pebble", extra=""):
        return (f'[acme.issuer.{name}]\ndirectory = "{self.directory()}"\n'
                f'roots = "{self.roots_file}"\n{extra}\n')

    def _management(self, path):
        context = ssl.create_default_context(cafile=self.roots_file)
        with urllib.request.urlopen(f"https://127.0.0.1:{self.management}{path}", context=context,
                                    timeout=10) as answer:
            return answer.read()

    def root_pem(self, number=0):
        return self._management(f"/roots/{number}").decode()

    def root_file(self, number=0):
        return self.scene.write(f"pebble-root-{self.port}-{number}.pem", self.root_pem(number))

    def log(self):
        return self.scene.log(self.log_name)

    def accounts_made(self):
        return len(re.findall(r"There are now \d+ accounts", self.log()))

    def orders_for(self, name):
        """How many orders the CA was asked to make for `name`."""
        return len(re.findall(r"Added order \"[^\"]+\" to the db", self.log())) if name is None else \
            len(re.findall(rf"Order .* for .*{re.escape(name)}", self.log()))

    def orders_made(self):
        return len(re.findall(r"Added order", self.log()))

    def certificates_issued(self):
        return len(re.findall(r"Issued certificate", self.log()))


class Backend:
    """An HTTP server whose handler a test gives; counts what reached it."""

    def __init__(self, scene, handler=None, port=0, host="127.0.0.1"):
        outer = self
        self.requests = []
        self.lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                with outer.lock:
                    outer.requests.append((self.command, self.path, dict(self.headers.items())))
                (handler or outer.echo)(self)

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_OPTIONS = do_PATCH = handle_any

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingTCPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_):
                pass

        self.server = Server((host, port), Handler)
        self.port = self.server.server_address[1]
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05},
                                  daemon=True)
        thread.start()
        scene.callback(self.close)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def echo(request):
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length) if length else b""
        text = json.dumps({"method": request.command, "path": request.path,
                           "headers": request.headers.items(),
                           "body": body.decode("latin-1")}).encode()
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(text)


def tls_context(ca_file=None, alpn=None, verify=True):
    context = ssl.create_default_context(cafile=ca_file) if verify else ssl._create_unverified_context()
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def handshake(port, name, ca_file, timeout=60, alpn=("http/1.1",)):
    """A TLS connection to our listener under `name`, verified against `ca_file`."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=timeout * PATIENCE)
    try:
        return tls_context(ca_file, list(alpn)).wrap_socket(raw, server_hostname=name)
    except BaseException:
        raw.close()
        raise


def https_get(port, name, ca_file, path="/", timeout=60, headers=None):
    """(status, headers, body) of one GET over a fresh verified connection."""
    with handshake(port, name, ca_file, timeout) as stream:
        return request_over(stream, name, path, headers=headers)


def request_over(stream, host, path="/", method="GET", body=None, headers=None):
    connection = http.client.HTTPConnection(host)
    connection.sock = stream
    connection.request(method, path, body=body, headers=dict({"Host": host}, **(headers or {})))
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def has_ipv6():
    """Many containers have no address of that family, not even the loopback's."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def http_get(port, host, path="/", timeout=60, method="GET", body=None, headers=None):
    """(status, headers, body) over plain HTTP, redirects not followed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout * PATIENCE)
    try:
        connection.request(method, path, body=body, headers=dict({"Host": host}, **(headers or {})))
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def raw_exchange(port, data, timeout=10):
    """Sends bytes as they are and reads until the peer closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout * PATIENCE) as s:
        s.sendall(data)
        out = b""
        while True:
            try:
                piece = s.recv(65536)
            except ConnectionResetError:
                return out
            if not piece:
                return out
            out += piece


def certificate_of(port, name, ca_file):
    with handshake(port, name, ca_file) as stream:
        return stream.getpeercert()


def serial_of(port, name):
    """Serial number of what is served, without verification."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=20 * PATIENCE)
    with tls_context(verify=False).wrap_socket(raw, server_hostname=name) as stream:
        der = stream.getpeercert(True)
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-serial"], input=der,
                          capture_output=True, check=True).stdout.decode()
    return text.strip().split("=")[1]


class Case(unittest.TestCase):
    """A test case with a scene."""

    def setUp(self):
        self.scene = Scene(self)
        self.addCleanup(self.finish)

    def finish(self):
        failed = self._outcome and any(error for _, error in getattr(self._outcome, "errors", []) or [])
        result = getattr(self._outcome, "result", None)
        if result is not None:
            failed = failed or any(test is self for test, _ in result.failures + result.errors)
        if failed:
            for name in sorted(os.listdir(self.scene.dir)):
                if name.endswith(".log"):
                    tail = self.scene.log(name)[-6000:]
                    print(f"--- {name}\n{tail}", file=sys.stderr)
        self.scene.close()


class CaCase(Case):
    """A test case with a CA, a backend, and one Gatehouse between them."""

    def ca(self, **options):
        """Starts what the Gatehouse will stand between: `options` are Pebble's."""
        self.http, self.https = free_port(), free_port()
        self.backend = Backend(self.scene)
        self.pebble = Pebble(self.scene, self.http, self.https, **options)

    def serve(self, hosts=("app.example.net",), acme="", issuer="", site=""):
        """One site for `hosts` with certificates of the CA; the rest is TOML for its tables."""
        names = ", ".join(f'"{h}"' for h in hosts)
        return Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = ["127.0.0.1:{self.https}"]
data_dir = "{self.scene.path('data')}"

[acme]
ca = ["pebble"]
{acme}

{self.pebble.issuer(extra=issuer)}

[[site]]
hosts = [{names}]
backend = "127.0.0.1:{self.backend.port}"
{site}
""")


def main():
    unittest.main(verbosity=2)
