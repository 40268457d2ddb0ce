"""Traffic through the front door with real clients: curl, raw sockets, big bodies, slow peers, dying servers."""
import base64
import hashlib
import re
import resource
import ssl
import struct
import subprocess

from harness import *

GIB = 1 << 30


class Proxy(Case):
    def gatehouse(self, backend_port=None, site="", server="", extra=""):
        self.http, self.https = free_port(), free_port()
        if backend_port is None:
            self.backend = Backend(self.scene)
            backend_port = self.backend.port
        self.gate = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = ["127.0.0.1:{self.https}"]
data_dir = "{self.scene.path('data')}"
{server}
[log]
access = "{self.scene.path('access.log')}"
{extra}
[[site]]
hosts = ["app.localhost"]
backend = "127.0.0.1:{backend_port}"
{site}
[[site]]
hosts = ["plain.localhost"]
backend = "127.0.0.1:{backend_port}"
tls.mode = "off"
""")
        self.root = self.gate.internal_root()
        return self.gate

    def curl(self, *options, url="https://app.localhost/"):
        port = self.https if url.startswith("https") else self.http
        url = re.sub(r"^(https?://[^/]+)", rf"\1:{port}", url)
        done = subprocess.run(
            ["curl", "-sS", "--http1.1", "--cacert", self.root, "--resolve",
             f"app.localhost:{self.https}:127.0.0.1", "--resolve",
             f"app.localhost:{self.http}:127.0.0.1", "--resolve",
             f"plain.localhost:{self.http}:127.0.0.1", "--max-time", str(120 * PATIENCE), *options, url],
            capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout

    def stream(self):
        return handshake(self.https, "app.localhost", self.root)

    # --- how many

    def test_connections_are_as_many_as_the_open_file_limit_carries(self):
        # A soft limit as systems set it by default: it is the hard one that counts.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.gatehouse(site="""
[[site]]
hosts = ["here.localhost"]
tls.mode = "off"
respond = { body = "here" }
""")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        many = min(1000, (hard - 256) // 2)
        self.assertGreater(many, 600, "the hard limit of open files is too low for this test")
        with contextlib.ExitStack() as all_open:
            streams = [all_open.enter_context(socket.create_connection(("127.0.0.1", self.http), timeout=30 * PATIENCE))
                       for _ in range(many)]
            for _ in range(2):  # all of them stay open between the two
                for stream in streams:
                    stream.sendall(b"GET / HTTP/1.1\r\nHost: here.localhost\r\n\r\n")
                for stream in streams:
                    got = b""
                    while not got.endswith(b"here"):
                        piece = stream.recv(4096)
                        self.assertTrue(piece, got)
                        got += piece

    # --- what a backend sees

    def test_a_backend_sees_the_client_and_no_hop_by_hop_field(self):
        self.gatehouse()
        seen = json.loads(self.curl("-H", "X-Forwarded-For: 6.6.6.6", "-H", "Connection: X-Secret, close",
                                    "-H", "X-Secret: 1", "-H", "X-Real-IP: 6.6.6.6", "-H", "Cookie: a=b",
                                    url="https://app.localhost/p%2Fq/?x=%20y"))
        fields = {}
        for name, value in seen["headers"]:
            self.assertNotIn(name.lower(), fields, "a field twice")
            fields[name.lower()] = value
        self.assertEqual(seen["path"], "/p%2Fq/?x=%20y")
        self.assertEqual(fields["x-forwarded-for"], "127.0.0.1")
        self.assertEqual(fields["x-forwarded-proto"], "https")
        self.assertEqual(fields["x-forwarded-host"], f"app.localhost:{self.https}")
        self.assertEqual(fields["host"], f"app.localhost:{self.https}")
        self.assertEqual(fields["cookie"], "a=b")
        self.assertNotIn("x-secret", fields)
        self.assertNotEqual(fields.get("x-real-ip"), "6.6.6.6")

    def test_plain_http_is_redirected_and_a_site_without_tls_is_not(self):
        self.gatehouse()
        status, headers, _ = http_get(self.http, "app.localhost", "/a/b?c=d", method="POST", body=b"x")
        self.assertEqual(status, 308)
        self.assertEqual(headers["Location"], f"https://app.localhost:{self.https}/a/b?c=d")
        self.assertEqual(http_get(self.http, "plain.localhost")[0], 200)
        self.assertEqual(http_get(self.http, "unknown.example")[0], 404)
        status, _, _ = http_get(self.http, "unknown.example", "/.well-known/acme-challenge/abc")
        self.assertEqual(status, 404)

    def test_a_host_that_is_not_the_connections_is_misdirected(self):
        self.gatehouse()
        with self.stream() as s:
            self.assertEqual(request_over(s, "other.example")[0], 421)

    def test_keep_alive_and_pipelining_answer_in_order_over_one_backend_connection(self):
        self.gatehouse()
        with self.stream() as s:
            wanted = [f"/n{i}" for i in range(20)]
            s.sendall(b"".join(f"GET {p} HTTP/1.1\r\nHost: app.localhost\r\n\r\n".encode() for p in wanted))
            got = []
            reader = s.makefile("rb")
            for _ in wanted:
                self.assertIn(b"200", reader.readline())
                length = 0
                while (line := reader.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                got.append(json.loads(reader.read(length))["path"])
            self.assertEqual(got, wanted)

    def test_an_http10_client_is_answered_and_the_connection_closed(self):
        self.gatehouse()
        out = raw_exchange(self.http, b"GET /old HTTP/1.0\r\nHost: plain.localhost\r\n\r\n")
        self.assertTrue(out.startswith(b"HTTP/1.1 200"))
        self.assertIn(b'"/old"', out)
        self.assertNotIn(b"chunked", out.lower())

    def test_head_and_methods_and_statuses_pass(self):
        def answer(request):
            status = int(request.path.strip("/"))
            request.send_response(status)
            if status not in (204, 304):
                request.send_header("Content-Length", "5")
            request.end_headers()
            if status not in (204, 304) and request.command != "HEAD":
                request.wfile.write(b"hello")
        backend = Backend(self.scene, answer)
        self.gatehouse(backend.port)
        with self.stream() as s:
            for status in (200, 204, 304, 404, 500):
                for method in ("GET", "HEAD", "DELETE"):
                    got, headers, body = request_over(s, "app.localhost", f"/{status}", method)
                    self.assertEqual(got, status)
                    expected = b"" if method == "HEAD" or status in (204, 304) else b"hello"
                    self.assertEqual(body, expected)

    def test_a_chunked_upload_arrives_whole(self):
        received = []

        def answer(request):
            body = b""
            while True:
                size = int(request.rfile.readline().split(b";")[0], 16)
                body += request.rfile.read(size)
                request.rfile.readline()
                if size == 0:
                    break
            received.append(hashlib.sha256(body).hexdigest())
            request.send_response(200)
            request.send_header("Content-Length", "0")
            request.end_headers()
        backend = Backend(self.scene, answer)
        self.gatehouse(backend.port)
        data = os.urandom(3_000_000)
        path = self.scene.write("upload", data)
        self.curl("-T", path, "-H", "Transfer-Encoding: chunked")
        self.assertEqual(received, [hashlib.sha256(data).hexdigest()])

    def test_expect_100_continue(self):
        self.gatehouse()
        with self.stream() as s:
            s.sendall(b"POST /e HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 4\r\n"
                      b"Expect: 100-continue\r\n\r\n")
            reader = s.makefile("rb")
            self.assertIn(b"100", reader.readline())
            self.assertEqual(reader.readline(), b"\r\n")
            s.sendall(b"body")
            self.assertIn(b"200", reader.readline())

    # --- size and pace

    def test_a_gibibyte_each_way_costs_no_memory(self):
        block = os.urandom(1 << 20)

        def answer(request):
            if request.command == "PUT":
                left = int(request.headers["Content-Length"])
                count = 0
                while left:
                    got = len(request.rfile.read(min(left, 1 << 20)))
                    left -= got
                    count += got
                text = str(count).encode()
                request.send_response(200)
                request.send_header("Content-Length", str(len(text)))
                request.end_headers()
                request.wfile.write(text)
            else:
                request.send_response(200)
                request.send_header("Content-Length", str(GIB))
                request.end_headers()
                for _ in range(GIB >> 20):
                    request.wfile.write(block)
        backend = Backend(self.scene, answer)
        gate = self.gatehouse(backend.port)
        self.curl("-T", self.scene.write("small", b"x"), "-o", "/dev/null")
        size = GIB if PATIENCE == 1 else GIB // 16
        before = gate.rss_bytes()
        peak = [before]
        done = threading.Event()

        def watch():
            while not done.wait(0.05):
                peak[0] = max(peak[0], gate.rss_bytes())
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            if PATIENCE == 1:
                out = self.curl("-o", "/dev/null", "-w", "%{size_download}")
                self.assertEqual(int(out), GIB)
            big = self.scene.path("big")
            with open(big, "wb") as f:
                f.truncate(size)
            self.assertEqual(int(self.curl("-T", big)), size)
        finally:
            done.set()
            watcher.join()
        if PATIENCE == 1:
            self.assertLess(peak[0] - before, 10 << 20)

    def test_a_slow_client_holds_a_fast_server_back(self):
        sent = [0]

        def answer(request):
            request.send_response(200)
            request.send_header("Content-Length", str(256 << 20))
            request.end_headers()
            block = b"z" * 65536
            with contextlib.suppress(OSError):
                for _ in range(256 << 4):
                    request.wfile.write(block)
                    sent[0] += len(block)
        backend = Backend(self.scene, answer)
        gate = self.gatehouse(backend.port)
        before = gate.rss_bytes()
        with self.stream() as s:
            s.sendall(b"GET /big HTTP/1.1\r\nHost: app.localhost\r\n\r\n")
            s.recv(1000)
            last = -1
            while last != sent[0]:  # until the server is stopped by back-pressure
                last = sent[0]
                with contextlib.suppress(subprocess.TimeoutExpired):
                    gate.process.wait(0.5)
            self.assertLess(sent[0], 64 << 20)
            if PATIENCE == 1:
                self.assertLess(gate.rss_bytes() - before, 10 << 20)

    def test_a_slow_server_streams_to_a_fast_client_at_once(self):
        step = threading.Semaphore(0)

        def answer(request):
            request.send_response(200)
            request.send_header("Content-Type", "text/event-stream")
            request.end_headers()
            request.close_connection = True
            for i in range(3):
                request.wfile.write(f"data: {i}\n\n".encode())
                request.wfile.flush()
                step.acquire(timeout=30)
        backend = Backend(self.scene, answer)
        self.gatehouse(backend.port)
        with self.stream() as s:
            s.settimeout(20)
            s.sendall(b"GET /events HTTP/1.1\r\nHost: app.localhost\r\n\r\n")
            got = b""
            for i in range(3):
                while f"data: {i}\n\n".encode() not in got:
                    got += s.recv(4096)
                step.release()
            while b"0\r\n\r\n" not in got:
                piece = s.recv(4096)
                self.assertTrue(piece)
                got += piece

    # --- servers that misbehave

    def raw_backend(self, behaviour):
        server = socket.create_server(("127.0.0.1", 0))
        self.scene.callback(server.close)
        seen = []

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(connection):
            with connection:
                data = b""
                while b"\r\n\r\n" not in data:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    data += piece
                seen.append(data)
                with contextlib.suppress(OSError):
                    behaviour(connection)
        threading.Thread(target=serve, daemon=True).start()
        return server.getsockname()[1], seen

    def test_a_server_that_dies_in_mid_answer_gives_a_visible_truncation(self):
        for name, head in {"counted": b"Content-Length: 1000\r\n", "chunked": b"Transfer-Encoding: chunked\r\n"}.items():
            with self.subTest(name):
                def die(connection):
                    body = b"3e8\r\n" + b"x" * 500 if b"chunked" in head else b"x" * 500
                    connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                port, _ = self.raw_backend(die)
                self.gatehouse(port)
                out = raw_exchange(self.http, b"GET / HTTP/1.1\r\nHost: plain.localhost\r\n\r\n")
                self.assertIn(b"200", out.split(b"\r\n")[0])
                self.assertFalse(out.endswith(b"0\r\n\r\n"))
                self.assertLess(len(out.split(b"\r\n\r\n", 1)[1]), 1000)
                self.gate.kill()

    def test_bad_answers_are_502_and_never_reach_the_client(self):
        rows = [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
                b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
                b"HTTP/1.1 99 Low\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
                b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", b""]
        for row in rows:
            with self.subTest(row):
                port, _ = self.raw_backend(lambda c: c.sendall(row))
                self.gatehouse(port)
                out = raw_exchange(self.http, b"POST / HTTP/1.1\r\nHost: plain.localhost\r\nContent-Length: 0\r\n"
                                              b"Connection: close\r\n\r\n")
                self.assertIn(b" 502 ", out.split(b"\r\n")[0])
                self.gate.kill()

    def test_a_server_that_is_away_is_502_and_several_servers_cover_for_one(self):
        self.gatehouse(free_port())
        self.assertEqual(http_get(self.http, "plain.localhost")[0], 502)
        self.gate.kill()
        backend = Backend(self.scene)
        self.http, self.https = free_port(), free_port()
        Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = []
data_dir = "{self.scene.path('data2')}"
[backend.pool]
servers = ["127.0.0.1:{free_port()}", "127.0.0.1:{backend.port}"]
[[site]]
hosts = ["plain.localhost"]
backend = "pool"
tls.mode = "off"
""", name="second")
        for _ in range(30):
            self.assertEqual(http_get(self.http, "plain.localhost", method="POST", body=b"x")[0], 200)
        self.assertEqual(len(backend.requests), 30)

    # --- WebSocket

    def test_a_websocket_passes_both_ways_and_closes_half_by_half(self):
        def serve(connection):
            pass
        server = socket.create_server(("127.0.0.1", 0))
        self.scene.callback(server.close)

        def one():
            connection, _ = server.accept()
            with connection:
                data = b""
                while b"\r\n\r\n" not in data:
                    data += connection.recv(65536)
                key = re.search(rb"Sec-WebSocket-Key: *(\S+)", data, re.I).group(1)
                accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
                connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                   b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + b"\x81\x05early")
                total = b""
                while True:
                    piece = connection.recv(65536)
                    if not piece:
                        break
                    total += piece
                    connection.sendall(piece)
                connection.sendall(b"sum:" + hashlib.sha256(total).hexdigest().encode())
        threading.Thread(target=one, daemon=True).start()
        self.gatehouse(server.getsockname()[1])
        raw = socket.create_connection(("127.0.0.1", self.http), timeout=30)
        raw.sendall(b"GET /chat HTTP/1.1\r\nHost: plain.localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        reader = raw.makefile("rb")
        self.assertIn(b"101", reader.readline())
        fields = b""
        while (line := reader.readline()) != b"\r\n":
            fields += line
        self.assertIn(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", fields)
        self.assertEqual(reader.read(7), b"\x81\x05early")
        data = os.urandom(2_000_000)
        sender = threading.Thread(target=lambda: (raw.sendall(data), raw.shutdown(socket.SHUT_WR)))
        sender.start()
        got = reader.read()
        sender.join()
        raw.close()
        self.assertEqual(got[:len(data)], data)
        self.assertEqual(got[len(data):], b"sum:" + hashlib.sha256(data).hexdigest().encode())

    # --- refusals

    def test_what_is_refused_never_reaches_the_backend(self):
        self.gatehouse()
        host = b"Host: plain.localhost\r\n"
        rows = [
            (b"GET / HTTP/1.1\r\n\r\n", b"400"), (b"GET / HTTP/1.1\r\n" + host + host + b"\r\n", b"400"),
            (b"GET / HTTP/1.1\r\n" + host + b"A : b\r\n\r\n", b"400"),
            (b"GET / HTTP/1.1\r\n" + host + b"A: b\r\n c\r\n\r\n", b"400"),
            (b"GET / HTTP/1.1\n" + host + b"\r\n", b"400"),
            (b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
            (b"POST / HTTP/1.1\r\n" + host + b"Content-Length: +3\r\n\r\nabc", b"400"),
            (b"POST / HTTP/1.1\r\n" + host + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", b"400"),
            (b"POST / HTTP/1.1\r\n" + host + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", b"501"),
            (b"GET / HTTP/2.0\r\n" + host + b"\r\n", b"505"), (b"GET /#x HTTP/1.1\r\n" + host + b"\r\n", b"400"),
            (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", b"405"), (b"TRACE / HTTP/1.1\r\n" + host + b"\r\n", b"405"),
            (b"GET / HTTP/1.1\r\n" + host + b"Expect: foo\r\n\r\n", b"417"),
            (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + host + b"\r\n", b"414"),
            (b"GET / HTTP/1.1\r\n" + host + b"A: " + b"b" * 70000 + b"\r\n\r\n", b"431"),
            (b"GET / HTTP/1.1\r\n" + host + b"".join(b"A%d: b\r\n" % i for i in range(600)) + b"\r\n", b"431"),
        ]
        for data, status in rows:
            with self.subTest(data[:60]):
                out = raw_exchange(self.http, data)
                self.assertEqual(out.split(b" ")[1][:3], status, out[:200])
        self.assertEqual(self.backend.requests, [])

    def test_a_slow_head_is_cut_off(self):
        self.gatehouse(server="[server.timeouts]\nrequest_header = \"500ms\"\n")
        out = raw_exchange(self.http, b"GET / HTTP/1.1\r\nHost: plain")
        self.assertTrue(out == b"" or b" 408 " in out.split(b"\r\n")[0], out)

    def test_the_body_limit_is_kept(self):
        self.gatehouse(server="[server.limits]\nbody = 1000\n")
        status, _, _ = http_get(self.http, "plain.localhost", method="POST", body=b"x" * 1001)
        self.assertEqual(status, 413)
        chunk = b"POST / HTTP/1.1\r\nHost: plain.localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"1f4\r\n" + b"x" * 500 + b"\r\n") * 3 + b"0\r\n\r\n"
        self.assertIn(b" 413 ", raw_exchange(self.http, chunk).split(b"\r\n")[0])

    # --- TLS

    def s_client(self, *options):
        return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.https}", "-CAfile", self.root,
                               *options], input="", capture_output=True, text=True, timeout=60 * PATIENCE)

    def test_tls_versions_alerts_and_resumption(self):
        self.gatehouse()
        name = ("-servername", "app.localhost", "-verify_return_error", "-verify_hostname", "app.localhost")
        self.assertIn("TLSv1.3", self.s_client("-tls1_3", *name).stdout)
        self.assertIn("TLSv1.2", self.s_client("-tls1_2", *name).stdout)
        self.assertNotEqual(self.s_client("-tls1_1", "-cipher", "ALL@SECLEVEL=0", *name).returncode, 0)
        self.assertIn("unrecognized name", self.s_client("-servername", "unknown.example").stderr)
        self.assertIn("no application protocol", self.s_client("-alpn", "spdy/1", *name).stderr)
        self.assertIn("no application protocol", self.s_client("-alpn", "acme-tls/1", *name).stderr)
        ticket = self.scene.path("ticket")
        for version in ("-tls1_2",):
            self.s_client(version, "-sess_out", ticket, *name)
            self.assertIn("Reused", self.s_client(version, "-sess_in", ticket, *name).stdout)

    def test_a_client_without_sni_is_served_by_the_address_it_came_to(self):
        self.https = free_port()
        gate = Gatehouse(self.scene, f"""
[server]
http = []
https = [":{self.https}"]
data_dir = "{self.scene.path('data')}"
[[site]]
hosts = ["127.0.0.1"]
tls.mode = "internal"
respond.body = "one"
[[site]]
hosts = ["127.0.0.2"]
tls.mode = "internal"
respond.body = "two"
""")
        self.root = gate.internal_root()
        for address, expected in (("127.0.0.1", b"one"), ("127.0.0.2", b"two")):
            with self.subTest(address):
                raw = socket.create_connection((address, self.https), timeout=30 * PATIENCE)
                # An address is verified, but never sent as SNI.
                with tls_context(self.root).wrap_socket(raw, server_hostname=address) as stream:
                    names = stream.getpeercert()["subjectAltName"]
                    self.assertEqual(names, (("IP Address", address),))
                    self.assertEqual(request_over(stream, address)[2], expected)
        raw = socket.create_connection(("127.0.0.3", self.https), timeout=30 * PATIENCE)
        with self.assertRaises(ssl.SSLError):
            tls_context(verify=False).wrap_socket(raw, server_hostname="127.0.0.3")

    def test_plain_http_on_the_tls_port_gets_a_plain_answer(self):
        self.gatehouse()
        out = raw_exchange(self.https, b"GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n")
        self.assertIn(b" 400 ", out.split(b"\r\n")[0])

    # --- PROXY protocol, access log

    def test_the_proxy_header_tells_the_client(self):
        self.gatehouse(server='proxy_protocol = true\ntrusted_proxies = ["127.0.0.1"]\n')
        out = raw_exchange(self.http, b"PROXY TCP4 192.0.2.10 198.51.100.7 51234 80\r\n"
                           b"GET / HTTP/1.1\r\nHost: plain.localhost\r\nConnection: close\r\n\r\n")
        seen = json.loads(out.split(b"\r\n\r\n", 1)[1])
        self.assertIn(["X-Forwarded-For", "192.0.2.10"], seen["headers"])
        self.assertEqual(raw_exchange(self.http, b"GET / HTTP/1.1\r\nHost: plain.localhost\r\n\r\n"), b"")

    def test_each_request_makes_one_valid_line_in_the_access_log(self):
        gate = self.gatehouse()
        self.curl("-A", 'evil"\\agent', url="https://app.localhost/x?y=z")
        http_get(self.http, "plain.localhost", "/second")
        lines = wait_for(lambda: (text := self.scene.log("access.log")).count("\n") >= 2 and text.splitlines(),
                         "two lines")
        # Each worker writes its own: what came later may stand first.
        first, second = sorted(map(json.loads, lines), key=lambda line: line["ts"])
        self.assertEqual((first["path"], first["query"], first["status"], first["proto"]), ("/x", "y=z", 200, "HTTP/1.1"))
        self.assertEqual(first["tls"]["sni"], "app.localhost")
        self.assertEqual(first["backend"]["attempts"], 1)
        self.assertEqual(second["host"], "plain.localhost")
        self.assertEqual(gate.stop(), 0)


if __name__ == "__main__":
    main()
