"""Bodies on their way through: compressed, buffered, and let through by another server's word."""
import gzip
import random
import subprocess
import threading

from harness import *

TEXT = ("A line of text that comes again and again.\n" * 400).encode()


def decoded(coding, body):
    """What the tool of that coding makes of it."""
    if not coding:
        return body
    tool = {"gzip": ["gzip", "-dc"], "br": ["brotli", "-dc"], "zstd": ["zstd", "-dcq"]}[coding]
    return subprocess.run(tool, input=body, capture_output=True, check=True).stdout


class Bodies(Case):
    def gatehouse(self, route, backend_port):
        self.port = free_port()
        self.access = self.scene.path("access.log")
        self.gate = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.port}"]
https = []
data_dir = "{self.scene.path('data')}"
[log]
access = "{self.access}"
[[site]]
hosts = ["app.localhost"]
tls.mode = "off"
backend = "127.0.0.1:{backend_port}"
{route}
""")

    def get(self, path="/", **headers):
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return http_get(self.port, "app.localhost", path, headers=fields)


class Compression(Bodies):
    def compressing(self, handler):
        self.backend = Backend(self.scene, handler)
        self.gatehouse('compress = ["zstd", "br", "gzip"]', self.backend.port)

    @staticmethod
    def text(request):
        request.send_response(200)
        request.send_header("Content-Type", "text/plain")
        request.send_header("Content-Length", str(len(TEXT)))
        request.send_header("ETag", '"v1"')
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(TEXT)

    def test_the_tools_of_each_coding_read_what_is_sent(self):
        self.compressing(self.text)
        for accepted, coding in (("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("gzip, deflate, br", "br"),
                                 ("gzip;q=0.5, identity;q=0.9", None), ("identity", None), ("*;q=0", None),
                                 ("*", "zstd")):
            with self.subTest(accepted):
                status, fields, body = self.get(Accept_Encoding=accepted)
                self.assertEqual((status, fields.get("Content-Encoding")), (200, coding))
                self.assertEqual(fields["Vary"], "Accept-Encoding")
                self.assertEqual(fields["ETag"], 'W/"v1"' if coding else '"v1"')
                self.assertEqual("Content-Length" in fields, coding is None)
                self.assertEqual(decoded(coding, body), TEXT)
                if coding:
                    self.assertLess(len(body), len(TEXT) // 10)
        self.assertEqual(dict(self.backend.requests[0][2])["Accept-Encoding"], "gzip")

    def test_curl_compressed_gets_the_plain_text_also_over_http10(self):
        self.compressing(self.text)
        for version in ("--http1.1", "--http1.0"):
            done = subprocess.run(["curl", "-sS", "--compressed", version, "-H", "Host: app.localhost",
                                   f"http://127.0.0.1:{self.port}/"], capture_output=True)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            self.assertEqual(done.stdout, TEXT)

    def test_http2_clients_get_the_same_text(self):
        self.compressing(self.text)
        for coding in ("gzip", "br", "zstd"):
            done = subprocess.run(["curl", "-sS", "-i", "--http2-prior-knowledge", "-H", f"Accept-Encoding: {coding}",
                                   "-H", "Host: app.localhost", f"http://127.0.0.1:{self.port}/"], capture_output=True)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            head, _, body = done.stdout.partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/2 200"), head)
            self.assertIn(b"content-encoding: " + coding.encode(), head.lower())
            self.assertEqual(decoded(coding, body), TEXT)

    def test_a_head_request_is_told_what_a_get_would_be(self):
        self.compressing(self.text)
        status, fields, body = http_get(self.port, "app.localhost", method="HEAD",
                                        headers={"Accept-Encoding": "gzip"})
        self.assertEqual((status, body), (200, b""))
        self.assertEqual(fields["Content-Encoding"], "gzip")
        self.assertNotIn("Content-Length", fields)

    def test_events_arrive_one_by_one_while_the_stream_is_open(self):
        release = threading.Semaphore(0)

        def events(request):
            request.send_response(200)
            request.send_header("Content-Type", "text/event-stream")
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            for i in range(5):
                release.acquire()
                data = f"data: event {i}\n\n".encode()
                request.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                request.wfile.flush()
            request.wfile.write(b"0\r\n\r\n")

        self.compressing(events)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30 * PATIENCE)
        self.scene.callback(connection.close)
        connection.request("GET", "/", headers={"Host": "app.localhost", "Accept-Encoding": "gzip"})
        answer = connection.getresponse()  # the head alone: no event was sent yet
        self.assertEqual(answer.getheader("Content-Encoding"), "gzip")
        import zlib
        reader = zlib.decompressobj(31)
        for i in range(5):
            release.release()
            got = b""
            while not got.endswith(b"\n\n"):
                piece = answer.read1(65536)
                self.assertTrue(piece, "the stream ended early")
                got += reader.decompress(piece)
            self.assertEqual(got, f"data: event {i}\n\n".encode())
        self.assertEqual(reader.decompress(answer.read()), b"")
        self.assertTrue(reader.eof)

    def test_a_big_answer_streams_through_in_bounded_memory(self):
        line = b"0123456789 the same line over and over, with a number now and then\n"
        chunk = line * 1000
        times = 2000

        def big(request):
            request.send_response(200)
            request.send_header("Content-Type", "text/plain")
            request.send_header("Content-Length", str(len(chunk) * times))
            request.end_headers()
            for _ in range(times):
                request.wfile.write(chunk)

        self.compressing(big)
        before = self.gate.rss_bytes()
        for coding in ("gzip", "br", "zstd"):
            with socket.create_connection(("127.0.0.1", self.port), timeout=60 * PATIENCE) as s:
                s.sendall(f"GET / HTTP/1.1\r\nHost: app.localhost\r\nAccept-Encoding: {coding}\r\n"
                          "Connection: close\r\n\r\n".encode())
                received = b""
                while piece := s.recv(1 << 20):
                    received += piece
            self.assertIn(b"Content-Encoding: " + coding.encode(), received)
            self.assertTrue(received.endswith(b"0\r\n\r\n"))
            self.assertLess(len(received), len(chunk) * times // 20)
        self.assertLess(self.gate.rss_bytes() - before, 64 << 20)

    def test_a_backend_that_dies_in_the_middle_leaves_no_whole_answer(self):
        def dying(request):
            request.send_response(200)
            request.send_header("Content-Type", "text/plain")
            request.send_header("Content-Length", str(len(TEXT) * 2))
            request.end_headers()
            request.wfile.write(TEXT)
            request.wfile.flush()
            request.connection.shutdown(socket.SHUT_RDWR)

        self.compressing(dying)
        out = raw_exchange(self.port, b"GET / HTTP/1.1\r\nHost: app.localhost\r\nAccept-Encoding: gzip\r\n\r\n")
        self.assertFalse(out.endswith(b"0\r\n\r\n"))


class ForwardAuth(Bodies):
    def guarded(self, verdict, extra=""):
        self.authority = Backend(self.scene, verdict)
        self.backend = Backend(self.scene)
        self.gatehouse(f'forward_auth = {{ url = "http://127.0.0.1:{self.authority.port}/verify", '
                       f'copy = ["Remote-User", "X-Forwarded-Email"], timeout = "2s" }}\n{extra}',
                       self.backend.port)

    @staticmethod
    def by_cookie(request):
        if request.headers.get("Cookie") == "session=alice":
            request.send_response(200)
            request.send_header("Remote-User", "alice")
            request.send_header("X-Forwarded-Email", "alice@example.com")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        body = b"sign in first"
        request.send_response(302)
        request.send_header("Location", "https://login.example/?rd=" + request.headers["X-Forwarded-Uri"])
        request.send_header("Set-Cookie", "csrf=1")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def test_who_is_known_gets_through_with_the_authoritys_fields(self):
        self.guarded(self.by_cookie)
        status, _, body = http_get(self.port, "app.localhost", "/private?x=1", method="POST", body=b"payload", headers={
            "Cookie": "session=alice", "Remote-User": "root", "X-Forwarded-Email": "root@example.com",
            "Remote_User": "root", "Connection": "Remote-User, X-Forwarded-Email"})
        self.assertEqual(status, 200)
        seen = json.loads(body)
        fields = {}
        for name, value in seen["headers"]:
            fields.setdefault(name.lower(), []).append(value)
        self.assertEqual(seen["body"], "payload")
        self.assertEqual(fields["remote-user"], ["alice"])
        self.assertEqual(fields["x-forwarded-email"], ["alice@example.com"])
        self.assertNotIn("remote_user", fields)
        method, path, asked = self.authority.requests[0]
        self.assertEqual((method, path), ("GET", "/verify"))
        self.assertEqual(asked["X-Forwarded-Method"], "POST")
        self.assertEqual(asked["X-Forwarded-Uri"], "/private?x=1")
        self.assertEqual(asked["X-Forwarded-For"], "127.0.0.1")
        self.assertEqual(asked["X-Forwarded-Proto"], "http")
        self.assertNotIn("Content-Length", asked)
        self.assertNotIn("Remote-User", asked)

    def test_who_is_not_known_gets_the_authoritys_answer(self):
        self.guarded(self.by_cookie)
        status, fields, body = self.get("/private", Remote_User="root")
        self.assertEqual((status, body), (302, b"sign in first"))
        self.assertEqual(fields["Location"], "https://login.example/?rd=/private")
        self.assertEqual(fields["Set-Cookie"], "csrf=1")
        self.assertEqual(fields["Cache-Control"], "no-store")
        self.assertEqual(self.backend.requests, [])

    def test_an_authority_that_is_away_or_silent_lets_nobody_through(self):
        release = threading.Event()
        self.scene.callback(release.set)
        self.guarded(lambda request: release.wait(30 * PATIENCE))
        self.assertEqual(self.get("/private")[0], 503)
        self.authority.close()
        release.set()
        self.assertEqual(self.get("/private")[0], 503)
        self.assertEqual(self.backend.requests, [])
        wait_for(lambda: self.scene.log("access.log").count("forward_auth") >= 2, "the log to say why")

    def test_connections_to_the_authority_are_kept(self):
        clients = set()

        def count(request):
            clients.add(request.client_address)
            self.by_cookie(request)

        self.guarded(count, 'method = ["GET"]')
        for _ in range(20):
            self.assertEqual(self.get(Cookie="session=alice")[0], 200)
        self.assertLessEqual(len(clients), os.cpu_count())


class Buffering(Bodies):
    def test_a_slow_body_reaches_the_backend_at_once_and_with_its_length(self):
        self.backend = Backend(self.scene)
        self.gatehouse('buffer_request = "64KiB"', self.backend.port)
        with socket.create_connection(("127.0.0.1", self.port), timeout=30 * PATIENCE) as s:
            s.sendall(b"POST / HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n"
                      b"Connection: close\r\n\r\n")
            for piece in (b"hel", b"lo ", b"you"):
                s.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.assertEqual(self.backend.requests, [])
            s.sendall(b"0\r\n\r\n")
            out = b""
            while piece := s.recv(65536):
                out += piece
        self.assertIn(b'"hello you"', out)
        self.assertEqual(self.backend.requests[0][2]["Content-Length"], "9")
        self.assertNotIn("Transfer-Encoding", self.backend.requests[0][2])

    def test_a_body_longer_than_the_buffer_arrives_whole(self):
        self.backend = Backend(self.scene)
        self.gatehouse('buffer_request = "64KiB"', self.backend.port)
        body = random.Random(3).randbytes(1_000_000).replace(b'"', b"'")
        status, _, answer = http_get(self.port, "app.localhost", method="POST", body=body)
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(answer)["body"].encode("latin-1"), body)


if __name__ == "__main__":
    main()
