"""A folder served from outside: curl and raw sockets against files, ranges, links and pipes."""
import hashlib
import random
import re
import subprocess
import threading

from harness import *

TOP = os.environ["GATEHOUSE_TOP"]


class Files(Case):
    def gatehouse(self, files="", site=""):
        self.port = free_port()
        self.root = self.scene.path("www")
        os.makedirs(self.root, exist_ok=True)
        self.gate = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.port}"]
https = []
data_dir = "{self.scene.path('data')}"
[[site]]
hosts = ["www.localhost"]
tls.mode = "off"
files = {{ root = "{self.root}"{files} }}
{site}
""")

    def put(self, name, content=b"content"):
        return self.scene.write(os.path.join("www", name), content)

    def get(self, path, **headers):
        """The path goes out as it is written here."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        out = raw_exchange(self.port, f"GET {path} HTTP/1.1\r\nHost: www.localhost\r\n"
                                      f"Connection: close\r\n{lines}\r\n".encode())
        head, _, body = out.partition(b"\r\n\r\n")
        fields = dict(line.decode().lower().split(": ", 1) for line in head.split(b"\r\n")[1:])
        return int(head.split()[1]), fields, body

    def curl(self, *options, path="/"):
        done = subprocess.run(["curl", "-sS", "--max-time", str(60 * PATIENCE), "--path-as-is", *options,
                               f"http://127.0.0.1:{self.port}{path}", "-H", "Host: www.localhost"],
                              capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout

    def test_curl_fetches_files_folders_and_resumes_a_download(self):
        self.gatehouse()
        big = random.Random(1).randbytes(5_000_000)
        self.put("big.bin", big)
        self.put("docs/index.html", b"<h1>docs</h1>")
        self.assertEqual(self.curl(path="/big.bin"), big)
        self.assertEqual(self.curl("-L", path="/docs"), b"<h1>docs</h1>")
        target = self.scene.write("part", big[:1_234_567])
        self.curl("-C", "-", "-o", target, path="/big.bin")
        with open(target, "rb") as f:
            self.assertEqual(hashlib.sha256(f.read()).digest(), hashlib.sha256(big).digest())
        self.assertEqual(self.curl("-r", "10-19", path="/big.bin"), big[10:20])
        etags = self.scene.path("etags")
        self.curl("--etag-save", etags, path="/big.bin")
        self.assertEqual(self.curl("--etag-compare", etags, "-w", "%{http_code}", path="/big.bin"), b"304")
        stamp = self.scene.path("stamp")
        self.curl("-R", "-o", stamp, path="/big.bin")
        self.assertEqual(self.curl("-z", stamp, "-w", "%{http_code}", path="/big.bin"), b"304")

    def test_http2_clients_get_files_parts_and_conditions(self):
        self.gatehouse()
        big = random.Random(2).randbytes(3_000_000)
        self.put("big.bin", big)
        self.put("empty", b"")
        h2 = "--http2-prior-knowledge"
        self.assertEqual(self.curl(h2, path="/big.bin"), big)
        self.assertEqual(self.curl(h2, "-r", "100000-2500000", path="/big.bin"), big[100000:2500001])
        self.assertEqual(self.curl(h2, "-w", "%{http_version} %{http_code}", path="/empty"), b"2 200")
        self.assertEqual(self.curl(h2, "-I", "-o", "/dev/null", "-w", "%{http_code}", path="/big.bin"), b"200")
        etags = self.scene.path("etags")
        self.curl(h2, "--etag-save", etags, path="/big.bin")
        self.assertEqual(self.curl(h2, "--etag-compare", etags, "-w", "%{http_code}", path="/big.bin"), b"304")
        self.assertEqual(self.curl(h2, "-X", "PUT", "-o", "/dev/null", "-w", "%{http_code}", path="/empty"), b"405")

    def test_several_ranges_come_as_parts_that_a_mail_parser_reads(self):
        import email
        self.gatehouse()
        content = bytes(range(256)) * 40
        self.put("x.bin", content)
        status, fields, body = self.get("/x.bin", Range="bytes=0-9,500-599,-7")
        self.assertEqual(status, 206)
        self.assertEqual(int(fields["content-length"]), len(body))
        message = email.message_from_bytes(b"Content-Type: " + fields["content-type"].encode() + b"\r\n\r\n" + body)
        parts = message.get_payload()
        self.assertEqual([p["Content-Range"] for p in parts],
                         [f"bytes 0-9/{len(content)}", f"bytes 500-599/{len(content)}",
                          f"bytes {len(content) - 7}-{len(content) - 1}/{len(content)}"])
        self.assertIn(content[500:600], body)
        self.assertEqual(self.get("/x.bin", Range="bytes=99999-")[0], 416)

    def test_no_way_of_writing_a_path_leaves_the_root(self):
        self.gatehouse()
        self.scene.write("secret.txt", "the secret")
        self.put("index.html", b"front")
        self.put("a/b.txt", b"b")
        self.put(".env", b"hidden")
        self.put("a/.git/config", b"hidden")
        for dots in ("..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "%c0%ae%c0%ae", "..%00", "..;", "%%32e%%32e"):
            for slash in ("/", "%2f", "%5c", "\\", "//", "/./", "%252f"):
                for times in (1, 2, 6):
                    path = "/a" + slash + (dots + slash) * times + "secret.txt"
                    status, _, body = self.get(path)
                    self.assertNotIn(b"secret", body.replace(b"secret.txt", b""), path)
                    self.assertIn(status, (400, 404), path)
        for path in ("/.env", "/a/.git/config", "/%2eenv", "/a/../.env", "//.env"):
            self.assertEqual(self.get(path)[0], 404, path)

    def test_links_are_followed_below_the_root_only_also_while_they_change(self):
        self.gatehouse()
        self.scene.write("outside/secret.txt", "the secret")
        self.put("inside/secret.txt", b"public")
        os.symlink("inside", os.path.join(self.root, "good"))
        os.symlink("../outside", os.path.join(self.root, "bad"))
        os.symlink(self.scene.path("outside", "secret.txt"), os.path.join(self.root, "absolute"))
        self.assertEqual(self.get("/good/secret.txt")[2], b"public")
        self.assertEqual(self.get("/bad/secret.txt")[0], 404)
        self.assertEqual(self.get("/absolute")[0], 404)
        # A link that somebody turns round and round between the two.
        flip = os.path.join(self.root, "flip")
        stop = threading.Event()

        def turn():
            spare = flip + ".new"
            targets = ["inside", "../outside"]
            while not stop.is_set():
                for target in targets:
                    os.symlink(target, spare)
                    os.rename(spare, flip)

        os.symlink("inside", flip)
        turner = threading.Thread(target=turn)
        turner.start()
        try:
            seen = set()
            with socket.create_connection(("127.0.0.1", self.port)) as s:
                reader = s.makefile("rb")
                for _ in range(400):
                    s.sendall(b"GET /flip/secret.txt HTTP/1.1\r\nHost: www.localhost\r\n\r\n")
                    status = int(reader.readline().split()[1])
                    length = 0
                    while (line := reader.readline()) != b"\r\n":
                        if line.lower().startswith(b"content-length:"):
                            length = int(line.split(b":")[1])
                    body = reader.read(length)
                    seen.add(status)
                    self.assertEqual(body == b"public", status == 200)
                    self.assertNotIn(b"the secret", body)
        finally:
            stop.set()
            turner.join()
        self.assertLessEqual(seen, {200, 404})

    def test_pipes_and_devices_are_not_served_and_hold_nobody_up(self):
        self.gatehouse()
        os.mkfifo(os.path.join(self.root, "pipe"))
        os.mkfifo(os.path.join(self.root, "index.html"))
        self.put("file", b"fine")
        for path in ("/pipe", "/"):
            self.assertEqual(self.get(path)[0], 404)
        self.assertEqual(self.get("/file")[2], b"fine")

    def test_a_file_cut_short_while_it_is_sent_is_never_a_whole_answer(self):
        self.gatehouse()
        size = 64 << 20
        path = self.put("big", b"x" * size)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            s.connect(("127.0.0.1", self.port))
            s.sendall(b"GET /big HTTP/1.1\r\nHost: www.localhost\r\n\r\n")
            got = s.recv(16384)
            self.assertIn(f"Content-Length: {size}".encode(), got)
            os.truncate(path, 1 << 20)
            received = len(got)
            try:
                while piece := s.recv(1 << 20):
                    received += len(piece)
            except ConnectionResetError:
                pass
            self.assertLess(received, size)
        self.assertEqual(len(self.get("/big")[2]), 1 << 20)

    def test_siblings_and_their_codings_as_curl_decodes_them(self):
        self.gatehouse()
        text = b"body { color: red }\n" * 500
        plain = self.put("site.css", text)
        subprocess.run(["zstd", "-q", "-k", plain, "-o", plain + ".zst"], check=True)
        subprocess.run(["brotli", "-k", plain, "-o", plain + ".br"], check=True)
        subprocess.run(["gzip", "-k", plain], check=True)
        tags = set()
        for accepted, coding in (("gzip, br, zstd", "zstd"), ("gzip, br", "br"), ("gzip", "gzip"), ("", None)):
            head = self.curl("-I", "-H", f"Accept-Encoding: {accepted}", path="/site.css").decode().lower()
            found = re.search(r"^content-encoding: (\S+)", head, re.M)
            self.assertEqual(found and found.group(1), coding)
            self.assertIn("vary: accept-encoding", head)
            self.assertIn("content-type: text/css", head)
            tags.add(re.search(r"^etag: (\S+)", head, re.M).group(1))
            self.assertEqual(self.curl("--compressed", "-H", f"Accept-Encoding: {accepted}", path="/site.css"), text)
        self.assertEqual(len(tags), 4)

    def test_a_deployment_that_swaps_the_root_counts_at_once(self):
        self.port = free_port()
        for release in ("one", "two"):
            self.scene.write(f"{release}/index.html", release)
        current = self.scene.path("current")
        os.symlink("one", current)
        self.root = current
        self.gatehouse_at(current)
        self.assertEqual(self.get("/")[2], b"one")
        os.symlink("two", current + ".new")
        os.rename(current + ".new", current)
        self.assertEqual(self.get("/")[2], b"two")
        os.unlink(current)
        self.assertEqual(self.get("/")[0], 404)

    def gatehouse_at(self, root):
        self.gate = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.port}"]
https = []
data_dir = "{self.scene.path('data')}"
[[site]]
hosts = ["www.localhost"]
tls.mode = "off"
files = {{ root = "{root}" }}
""")

    def test_cold_files_and_many_clients_at_once_arrive_whole_over_tls(self):
        self.port, https = free_port(), free_port()
        contents = {}
        for i in range(8):
            contents[i] = random.Random(i).randbytes(1_500_000 + i)
            path = self.scene.write(f"www/{i}.bin", contents[i])
            with open(path, "rb") as f:
                os.fsync(f.fileno())
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self.gate = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.port}"]
https = ["127.0.0.1:{https}"]
workers = 1
data_dir = "{self.scene.path('data')}"
[[site]]
hosts = ["www.localhost"]
files = {{ root = "{self.scene.path('www')}" }}
""")
        root = self.gate.internal_root()
        wrong = []

        def fetch(i):
            status, _, body = https_get(https, "www.localhost", root, f"/{i}.bin")
            if status != 200 or body != contents[i]:
                wrong.append((i, status, len(body)))

        clients = [threading.Thread(target=fetch, args=(i,)) for i in contents for _ in range(3)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual(wrong, [])

    def test_the_example_of_a_static_site_works(self):
        port = free_port()
        self.scene.write("site/index.html", "<div id=app>" + " " * 2000 + "</div>")
        self.scene.write("site/assets/app.123.js", "let x = 1;\n" * 200)
        with open(f"{TOP}/examples/static-site.toml") as f:
            text = f.read()
        text = text.replace("[server]\n", f"[server]\ndata_dir = \"{self.scene.path('data')}\"\n", 1)
        self.gate = Gatehouse(self.scene, text, environment={"SITE_LISTEN": f"127.0.0.1:{port}",
                                                             "SITE_ROOT": self.scene.path("site")})
        status, fields, body = http_get(port, "any.example", "/deep/link", headers={"Accept-Encoding": "gzip"})
        self.assertEqual((status, fields["Content-Encoding"]), (200, "gzip"))
        import gzip
        self.assertIn(b"id=app", gzip.decompress(body))
        status, fields, _ = http_get(port, "any.example", "/assets/app.123.js")
        self.assertEqual((status, fields["Content-Type"]), (200, "text/javascript; charset=utf-8"))
        self.assertEqual(http_get(port, "any.example", "/assets/none.js")[0], 404)


if __name__ == "__main__":
    main()
