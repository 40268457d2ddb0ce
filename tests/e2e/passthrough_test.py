"""TLS that passes through: chosen by name, carried as it comes, ended by the servers themselves."""
import struct

from certificates import Authority
from harness import *


class Passthrough(Case):
    def setUp(self):
        super().setUp()
        self.ca = Authority(self.scene, "inner")
        self.pair = self.ca.leaf("theirs.example", "*.theirs.example")
        self.https, self.http = free_port(), free_port()

    def server(self, handle=None, **context):
        """A server that ends TLS itself; `names` are the SNI of each handshake."""
        settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        settings.load_cert_chain(*self.pair)
        for key, value in context.items():
            setattr(settings, key, value)
        backend = Backend(self.scene, handle) if handle else Backend(self.scene)
        backend.names = []
        settings.sni_callback = lambda _, name, __: backend.names.append(name)
        self.settings = settings
        backend.server.socket = settings.wrap_socket(backend.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        return backend

    def config(self, ports, extra="", server=""):
        servers = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
        return f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = ["127.0.0.1:{self.https}"]
data_dir = "{self.scene.path('data')}"
workers = 1
{server}
[log]
access = "{self.scene.path('access.log')}"
[backend.inner]
servers = [{servers}]
{extra}
[[site]]
hosts = ["theirs.example", "*.theirs.example"]
backend = "inner"
tls.mode = "passthrough"
[[site]]
hosts = ["ours.localhost"]
respond = {{ body = "ours" }}
"""

    def gatehouse(self, *ports, **rest):
        self.gate = Gatehouse(self.scene, self.config(ports, **rest))
        return self.gate

    def curl(self, name, *words, path="/"):
        return subprocess.run(
            ["curl", "-sS", "--noproxy", "*", "--cacert", self.ca.pem, "--resolve",
             f"{name}:{self.https}:127.0.0.1", *words, f"https://{name}:{self.https}{path}"],
            capture_output=True, timeout=60 * PATIENCE)

    def raw(self):
        client = socket.create_connection(("127.0.0.1", self.https), timeout=30 * PATIENCE)
        self.scene.callback(client.close)
        return client

    def lines(self):
        # Each worker writes its own: sorted, they stand as the connections began.
        return sorted(map(json.loads, self.scene.log("access.log").splitlines()), key=lambda line: line["ts"])

    def test_a_client_shakes_hands_with_the_server_itself(self):
        backend = self.server()
        self.gatehouse(backend.port)
        for version in ("1.2", "1.3"):
            for name in ("theirs.example", "shop.theirs.example"):
                with self.subTest(version=version, name=name):
                    done = self.curl(name, "--tlsv" + version, "--tls-max", version)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    headers = dict((k.lower(), v) for k, v in json.loads(done.stdout)["headers"])
                    self.assertNotIn("x-forwarded-for", headers, "nobody has looked inside")
                    self.assertEqual(backend.names[-1], name)
        line = wait_for(lambda: len(self.lines()) >= 4 and self.lines()[-1], "the access log")
        self.assertEqual((line["proto"], line["host"], line["status"]), ("TLS", "shop.theirs.example", 0))
        self.assertEqual(line["backend"]["server"], f"127.0.0.1:{backend.port}")
        self.assertGreater(line["bytes_out"], 500)
        status, out, _ = self.gate.command("status", "--json")
        self.assertEqual(status, 0)
        self.assertEqual(json.loads(out)["counters"]["passed_through"], 4)

    def test_a_clients_certificate_reaches_the_server(self):
        alice = self.ca.leaf("alice", usage="clientAuth")
        backend = self.server()
        self.settings.verify_mode = ssl.CERT_REQUIRED
        self.settings.load_verify_locations(self.ca.pem)
        self.gatehouse(backend.port)
        done = self.curl("theirs.example", "--cert", alice[0], "--key", alice[1])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotEqual(self.curl("theirs.example").returncode, 0)

    def test_ten_megabytes_pass_each_way(self):
        data = os.urandom(10 << 20)
        path = self.scene.write("big", data)

        def twice(request):
            body = request.rfile.read(int(request.headers["Content-Length"]))
            request.send_response(200)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)

        self.gatehouse(self.server(twice).port)
        done = self.curl("theirs.example", "--data-binary", "@" + path, "-H", "Expect:")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, data)

    def test_a_slow_client_holds_its_server_back_and_no_memory_of_ours(self):
        size = 64 << 20
        sent = []

        def pour(request):
            request.send_response(200)
            request.send_header("Content-Length", str(size))
            request.end_headers()
            block = bytes(1 << 20)
            for _ in range(size >> 20):
                request.wfile.write(block)
                sent.append(len(block))

        self.gatehouse(self.server(pour).port)
        raw = self.raw()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        context = tls_context(self.ca.pem)
        with context.wrap_socket(raw, server_hostname="theirs.example") as stream:
            before = self.gate.rss_bytes()
            stream.sendall(b"GET / HTTP/1.1\r\nHost: theirs.example\r\n\r\n")
            # The server gets stuck: for a second nothing more leaves it.
            def stuck():
                have = len(sent)
                return have > 0 and not wait_or_none(lambda: len(sent) > have, 1.0)
            wait_for(stuck, "the server to be held back", 60)
            self.assertLess(sum(sent), size // 2)
            self.assertLess(self.gate.rss_bytes() - before, 8 << 20)
            got = 0
            while b"" != (piece := stream.recv(1 << 20)):
                got += len(piece)
                if got >= size:
                    break
            self.assertGreaterEqual(got, size)

    def test_ends_go_through_one_by_one(self):
        listening = socket.create_server(("127.0.0.1", 0))
        self.scene.callback(listening.close)
        self.gatehouse(listening.getsockname()[1])
        client = self.raw()
        hello = client_hello("theirs.example")
        for octet in hello:  # every octet a segment of its own
            client.sendall(bytes([octet]))
        client.sendall(b"request")
        client.shutdown(socket.SHUT_WR)
        server, _ = listening.accept()
        server.settimeout(20 * PATIENCE)
        self.assertEqual(read_all(server), hello + b"request")
        server.sendall(b"answer")
        server.close()
        self.assertEqual(read_all(client), b"answer")

    def test_a_server_is_told_who_its_client_is(self):
        listening = socket.create_server(("127.0.0.1", 0))
        self.scene.callback(listening.close)
        for version in (1, 2):
            with self.subTest(version):
                self.gatehouse(listening.getsockname()[1], extra=f"proxy_protocol = {version}")
                client = self.raw()
                hello = client_hello("theirs.example")
                client.sendall(hello)
                client.shutdown(socket.SHUT_WR)
                server, _ = listening.accept()
                server.settimeout(20 * PATIENCE)
                said = read_all(server)
                mine, port = client.getsockname()
                if version == 1:
                    header = f"PROXY TCP4 {mine} 127.0.0.1 {port} {self.https}\r\n".encode()
                else:
                    header = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + socket.inet_aton(mine) +
                              socket.inet_aton("127.0.0.1") + struct.pack("!HH", port, self.https))
                self.assertEqual(said, header + hello)
                server.close()
                client.close()
                self.gate.stop()

    def test_other_names_on_the_port_are_served_as_ever(self):
        backend = self.server()
        gate = self.gatehouse(backend.port)
        root = os.path.join(gate.data_dir, "internal-ca", "root.pem")
        wait_for(lambda: os.path.exists(root), "the internal CA")
        status, _, body = https_get(self.https, "ours.localhost", root)
        self.assertEqual((status, body), (200, b"ours"))
        with self.assertRaises(ssl.SSLError) as refused:
            handshake(self.https, "unknown.example", self.ca.pem)
        self.assertIn("UNRECOGNIZED_NAME", str(refused.exception))
        with self.raw() as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: theirs.example\r\n\r\n")
            self.assertIn(b"400 Bad Request", read_all(client))
        with self.raw() as client:
            client.sendall(b"\x16\x03\x01\x00\x04\x02\x00\x00\x00")  # a server's words
            self.assertEqual(read_all(client)[:1], b"\x15", "an alert")
        status, headers, _ = http_get(self.http, "theirs.example", "/x?y")
        self.assertEqual((status, headers["Location"]), (308, f"https://theirs.example:{self.https}/x?y"))
        self.assertEqual(backend.names, [])

    def test_a_request_for_such_a_name_over_our_own_tls_is_421(self):
        gate = self.gatehouse(self.server().port)
        root = os.path.join(gate.data_dir, "internal-ca", "root.pem")
        wait_for(lambda: os.path.exists(root), "the internal CA")
        with handshake(self.https, "ours.localhost", root) as stream:
            self.assertEqual(request_over(stream, "theirs.example")[0], 421)

    def test_a_server_that_is_down_is_passed_over(self):
        backend = self.server()
        down = free_port()
        gate = self.gatehouse(down, backend.port)
        for _ in range(6):
            self.assertEqual(self.curl("theirs.example").returncode, 0)
        backend.close()
        # Nobody left: a word, not silence.
        with self.raw() as client:
            client.sendall(client_hello("theirs.example"))
            self.assertEqual(read_all(client), b"\x15\x03\x03\x00\x02\x02\x50")
        line = wait_for(lambda: len(self.lines()) == 7 and self.lines()[-1], "the access log")
        self.assertIn("dial 127.0.0.1", line["error"])
        self.assertEqual(line["backend"]["attempts"], 2)

    def test_a_tunnel_lives_through_a_reload_and_ends_in_its_own_time_at_a_stop(self):
        listening = socket.create_server(("127.0.0.1", 0))
        self.scene.callback(listening.close)
        port = listening.getsockname()[1]
        gate = self.gatehouse(port)
        client = self.raw()
        hello = client_hello("theirs.example")
        client.sendall(hello)
        server, _ = listening.accept()
        server.settimeout(20 * PATIENCE)
        self.assertEqual(read_exactly(server, len(hello)), hello)
        gate.rewrite(self.config([port]).replace("theirs.example", "others.example"))
        status, _, errors = gate.command("reload")
        self.assertEqual(status, 0, errors)
        client.sendall(b"before")
        self.assertEqual(read_exactly(server, 6), b"before")
        gate.process.terminate()
        wait_for(lambda: not accepts(self.https), "the listener to close")
        server.sendall(b"after")
        self.assertEqual(read_exactly(client, 5), b"after")
        self.assertIsNone(gate.process.poll())
        server.close()
        client.close()
        self.assertEqual(gate.process.wait(20 * PATIENCE), 0)

    def test_a_tunnel_is_cut_when_a_stop_has_waited_long_enough(self):
        listening = socket.create_server(("127.0.0.1", 0))
        self.scene.callback(listening.close)
        gate = self.gatehouse(listening.getsockname()[1], server='graceful_timeout = "300ms"')
        client = self.raw()
        client.sendall(client_hello("theirs.example"))
        server, _ = listening.accept()
        self.scene.callback(server.close)
        self.assertEqual(gate.stop(), 0)
        gate.wait_logged("connections cut at stop")
        self.assertEqual(read_all(client), b"")

    def test_the_example_works(self):
        pair = self.ca.leaf("vault.example.com")
        listening = socket.create_server(("127.0.0.1", 0))
        self.scene.callback(listening.close)
        settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        settings.load_cert_chain(*pair)
        with open(os.path.join(os.environ["GATEHOUSE_TOP"], "examples/passthrough.toml")) as f:
            example = f.read()
        example = example.replace("10.0.0.5:8200", f"127.0.0.1:{listening.getsockname()[1]}")
        example = example.replace("www.example.com", "www.localhost")
        self.gate = Gatehouse(self.scene, f"""
[server]
http = []
https = ["127.0.0.1:{self.https}"]
data_dir = "{self.scene.path('data')}"
""" + example)
        client = self.raw()
        seen = []

        def serve():
            server, _ = listening.accept()
            with server:
                seen.append(read_exactly(server, 28)[:12])
                with settings.wrap_socket(server, server_side=True) as inner:
                    inner.sendall(inner.recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        with tls_context(self.ca.pem).wrap_socket(client, server_hostname="vault.example.com") as stream:
            stream.sendall(b"sealed")
            self.assertEqual(stream.recv(100), b"sealed")
        thread.join(20 * PATIENCE)
        self.assertEqual(seen, [b"\r\n\r\n\0\r\nQUIT\n"])


def wait_or_none(condition, seconds):
    """True as soon as `condition()` is; False when it has not come true in that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def client_hello(name):
    """What Python's TLS client says first to `name`."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls_context(verify=False).wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def read_all(stream):
    out = b""
    while piece := stream.recv(65536):
        out += piece
    return out


def read_exactly(stream, size):
    out = b""
    while len(out) < size:
        piece = stream.recv(size - len(out))
        if not piece:
            raise AssertionError(f"ended after {out!r}")
        out += piece
    return out


if __name__ == "__main__":
    main()
