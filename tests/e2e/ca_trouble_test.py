"""A CA that is away, stalls, lies or sends rubbish: sites are served, errors are clear, nothing grows."""
import re
import subprocess
import ssl

from harness import *


class FakeCa:
    """An HTTPS server that answers every request as `behaviour(handler)` says; counts them."""

    def __init__(self, scene, behaviour):
        self.requests = []
        outer = self
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", scene.path("fake.key"), "-out", scene.path("fake.pem"), "-subj",
             "/CN=localhost", "-days", "2", "-addext", "subjectAltName=IP:127.0.0.1"],
            check=True, capture_output=True)
        self.roots_file = scene.path("fake.pem")

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                outer.requests.append((self.command, self.path))
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                behaviour(self, outer, body)

            do_GET = do_POST = do_HEAD = handle_any

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.roots_file, scene.path("fake.key"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()
        scene.callback(self.close)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def url(self, path=""):
        return f"https://127.0.0.1:{self.port}{path}"

    def directory(self):
        return {"newNonce": self.url("/nonce"), "newAccount": self.url("/account"),
                "newOrder": self.url("/order"), "revokeCert": self.url("/revoke"),
                "keyChange": self.url("/change"), "random": "https://forum.example/unknown"}


def reply(handler, status, body, content_type="application/json", headers=()):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(len(data)))
    handler.send_header("Replay-Nonce", os.urandom(12).hex())
    for name, value in headers:
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(data)


def until_order(handler, ca):
    """Directory, nonces and account as they should be; True when the request was one of these."""
    if handler.path == "/dir":
        reply(handler, 200, ca.directory())
    elif handler.path == "/nonce":
        reply(handler, 200 if handler.command == "HEAD" else 204, b"")
    elif handler.path == "/account":
        reply(handler, 201, {"status": "valid"}, headers=[("Location", ca.url("/acct/1"))])
    else:
        return False
    return True


class CaTrouble(Case):
    def gatehouse(self, issuer, extra_hosts=()):
        self.http, self.https = free_port(), free_port()
        self.backend = Backend(self.scene)
        return Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = ["127.0.0.1:{self.https}"]
data_dir = "{self.scene.path('data')}"
graceful_timeout = "2s"
[acme]
ca = ["test"]
{issuer}
[[site]]
hosts = ["app.example.net"]
backend = "127.0.0.1:{self.backend.port}"
[[site]]
hosts = ["known.localhost"]
backend = "127.0.0.1:{self.backend.port}"
""")

    def issuer(self, ca):
        return f'[acme.issuer.test]\ndirectory = "{ca.url("/dir")}"\nroots = "{ca.roots_file}"\n'

    def check_coped(self, gate, ca, message, most_requests=40):
        wait_for(lambda: re.search(message, gate.log(), re.I), f"a log line like {message}", 200)
        raw = socket.create_connection(("127.0.0.1", self.https), timeout=20)
        with tls_context(verify=False).wrap_socket(raw, server_hostname="known.localhost") as stream:
            self.assertEqual(request_over(stream, "known.localhost")[0], 200)
        self.assertLessEqual(len(ca.requests), most_requests)
        self.assertLess(gate.rss_bytes(), (60 if PATIENCE == 1 else 2000) << 20)
        self.assertEqual(gate.stop(), 0)

    def test_known_names_are_served_while_the_ca_is_down_and_the_order_follows(self):
        http_port, https_port = free_port(), free_port()
        backend = Backend(self.scene)
        ca_port = free_port()
        pebble = Pebble(self.scene, http_port, https_port, port=ca_port)
        pebble.kill()
        gate = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{http_port}"]
https = ["127.0.0.1:{https_port}"]
data_dir = "{self.scene.path('data')}"
[acme]
ca = ["pebble"]
{pebble.issuer()}
[[site]]
hosts = ["app.example.net"]
backend = "127.0.0.1:{backend.port}"
[[site]]
hosts = ["known.localhost"]
backend = "127.0.0.1:{backend.port}"
""")
        wait_for(lambda: "refused" in gate.log(), "a line that tells of the CA being away")
        raw = socket.create_connection(("127.0.0.1", https_port), timeout=20)
        with tls_context(verify=False).wrap_socket(raw, server_hostname="known.localhost") as stream:
            self.assertEqual(request_over(stream, "known.localhost")[0], 200)
        pebble.start()

        def served():
            try:
                return https_get(https_port, "app.example.net", pebble.root_file())[0] == 200
            except (ssl.SSLError, OSError):
                return False
        # The first retry comes after about a minute.
        wait_for(served, "the order to follow", 150)

    def test_malformed_directory(self):
        ca = FakeCa(self.scene, lambda h, ca, body: reply(h, 200, b"{\"newNonce\": 7, \"x\": [[[["))
        self.check_coped(self.gatehouse(self.issuer(ca)), ca, r"app\.example\.net.*(directory|malformed|JSON)")

    def test_html_error_pages(self):
        ca = FakeCa(self.scene, lambda h, ca, body: reply(
            h, 502, b"<html><h1>Bad Gateway\r\n\x1b[31m</h1>", "text/html"))
        gate = self.gatehouse(self.issuer(ca))
        self.check_coped(gate, ca, r"app\.example\.net.*502")
        self.assertNotIn("\x1b", gate.log())

    def test_endless_answer(self):
        def endless(handler, ca, body):
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.end_headers()
            handler.close_connection = True
            with contextlib.suppress(OSError):
                for _ in range(4096):
                    handler.wfile.write(b"[" * 262144)
        ca = FakeCa(self.scene, endless)
        self.check_coped(self.gatehouse(self.issuer(ca)), ca, r"app\.example\.net.*(large|limit|long|exceed|more than)")

    def test_stalling_ca(self):
        released = threading.Event()
        self.addCleanup(released.set)

        def stall(handler, ca, body):
            released.wait(600)
        ca = FakeCa(self.scene, stall)
        self.check_coped(self.gatehouse(self.issuer(ca)), ca, r"app\.example\.net.*(timeout|in time|no answer|deadline)")

    def test_a_ca_that_gives_a_certificate_for_another_key(self):
        other = {}

        def lie(handler, ca, body):
            if until_order(handler, ca):
                return
            names = [{"type": "dns", "value": "app.example.net"}]
            order = {"status": "ready", "identifiers": names, "authorizations": [ca.url("/authz")],
                     "finalize": ca.url("/finalize")}
            if handler.path == "/order":
                reply(handler, 201, order, headers=[("Location", ca.url("/orders/1"))])
            elif handler.path == "/authz":
                reply(handler, 200, {"status": "valid", "identifier": names[0], "challenges": []})
            elif handler.path in ("/finalize", "/orders/1"):
                reply(handler, 200, dict(order, status="valid", certificate=ca.url("/cert")))
            else:
                reply(handler, 200, other["pem"], "application/pem-certificate-chain")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                        "/dev/null", "-out", self.scene.path("lie.pem"), "-subj", "/CN=lie",
                        "-days", "2", "-addext", "subjectAltName=DNS:app.example.net"],
                       check=True, capture_output=True)
        with open(self.scene.path("lie.pem"), "rb") as f:
            other["pem"] = f.read()
        ca = FakeCa(self.scene, lie)
        gate = self.gatehouse(self.issuer(ca))
        self.check_coped(gate, ca, r"app\.example\.net.*key")

    def test_an_order_that_never_leaves_processing_is_parked(self):
        def slow(handler, ca, body):
            if until_order(handler, ca):
                return
            names = [{"type": "dns", "value": "app.example.net"}]
            order = {"status": "processing", "identifiers": names,
                     "authorizations": [], "finalize": ca.url("/finalize")}
            reply(handler, 201 if handler.path == "/order" else 200, order,
                  headers=[("Location", ca.url("/orders/1")), ("Retry-After", "86400")])
        ca = FakeCa(self.scene, slow)
        gate = self.gatehouse(self.issuer(ca))
        wait_for(lambda: any(path == "/order" for _, path in ca.requests), "an order", 60)
        # A clamp that failed would poll in a tight loop; the wait is over when nothing more comes.
        seen = -1
        while seen != len(ca.requests):
            seen = len(ca.requests)
            with contextlib.suppress(subprocess.TimeoutExpired):
                gate.process.wait(2)
        self.assertLess(seen, 20)
        self.assertEqual([p for _, p in ca.requests].count("/order"), 1)
        self.assertEqual(gate.stop(), 0)


if __name__ == "__main__":
    main()
