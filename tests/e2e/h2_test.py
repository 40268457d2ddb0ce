"""HTTP/2 with real clients and servers: curl, nghttp, h2load, python3-h2, Node at both ends, by TLS and in the clear."""
import hashlib
import random as dice
import re
import subprocess

from harness import *

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "h2.js")
TOP = os.environ.get("GATEHOUSE_TOP", os.path.dirname(os.path.dirname(os.path.dirname(SCRIPT))))
# Where Debian puts the libraries of node, and where scripts/test puts what Debian lacks.
NODE = dict(os.environ, NODE_PATH=f"/usr/share/nodejs:{TOP}/build/node/node_modules")


def python_with(module):
    """Debian's libraries are those of its own interpreter, which need not be the one that runs us."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0:
            return python
    return None


class Service(Case):
    """Gatehouse before a service that is reached in HTTP/1.1 (old.*) and in HTTP/2 (new.*)."""

    def setUp(self):
        super().setUp()
        self.service = self.scene.process(["node", SCRIPT, "serve"], "service.out", env=NODE)
        ports = wait_for(lambda: next((e for e in self.events() if "h1" in e), None), "the service")
        self.http, self.https = free_port(), free_port()
        sites = "".join(f"""
[[site]]
hosts = ["{name}.localhost"]
backend = "{backend}"
[[site]]
hosts = ["plain-{name}.localhost"]
backend = "{backend}"
tls.mode = "off"
""" for name, backend in (("old", f"127.0.0.1:{ports['h1']}"), ("new", f"h2c://127.0.0.1:{ports['h2c']}")))
        self.gate = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = ["127.0.0.1:{self.https}"]
data_dir = "{self.scene.path('data')}"
graceful_timeout = "5s"
{self.server}
[log]
access = "{self.scene.path('access.log')}"
{sites}
[[site]]
hosts = ["127.0.0.1"]
backend = "127.0.0.1:{ports['h1']}"
tls.mode = "internal"
""")
        self.root = self.gate.internal_root()

    server = ""

    def events(self):
        lines = self.scene.log("service.out").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def run_tool(self, *argv, fails=False, timeout=120):
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", env=NODE, timeout=timeout * PATIENCE)
        if not fails:
            self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr[-4000:])
        return done.stdout

    def curl(self, *options, host="old.localhost", path="/", secure=True):
        port = self.https if secure else self.http
        return self.run_tool("curl", "-sS", "--cacert", self.root, "--resolve", f"{host}:{port}:127.0.0.1",
                             "--max-time", str(60 * PATIENCE), *options,
                             f"{'https' if secure else 'http'}://{host}:{port}{path}")

    def status(self):
        status, out, err = self.gate.command("status", "--json")
        self.assertEqual(status, 0, err)
        return json.loads(out)

    def logged(self, count):
        wait_for(lambda: self.scene.log("access.log").count("\n") >= count, "the log")
        # Each worker writes its own: sorted, they stand as the requests began.
        return sorted(map(json.loads, self.scene.log("access.log").splitlines()), key=lambda line: line["ts"])


class Tools(Service):
    def test_curl_speaks_it_by_alpn_and_by_prior_knowledge(self):
        for host in ("old.localhost", "new.localhost"):
            with self.subTest(host):
                out = self.curl("--http2", "-w", "%{http_version}", "-d", "some body", host=host)
                self.assertTrue(out.endswith("2"), out)
                seen = json.loads(out.splitlines()[0])
                self.assertEqual(seen["body"], hashlib.sha256(b"some body").hexdigest())
                self.assertEqual(seen["x-forwarded-for"] if "x-forwarded-for" in seen else "127.0.0.1", "127.0.0.1")
                out = self.curl("--http2-prior-knowledge", "-w", "%{http_version}", host="plain-" + host, secure=False)
                self.assertTrue(out.endswith("2"), out)
                out = self.curl("--http1.1", "-w", "%{http_version}", host=host)
                self.assertTrue(out.endswith("1.1"), out)
        # The upgrade from HTTP/1.1 in the clear is not taken, and its words reach no server.
        out = self.curl("--http2", "-w", "%{http_version}", host="plain-old.localhost", secure=False)
        self.assertTrue(out.endswith("1.1"), out)
        lines = self.logged(7)
        self.assertEqual([line["proto"] for line in lines],
                         ["HTTP/2", "HTTP/2", "HTTP/1.1"] * 2 + ["HTTP/1.1"])
        self.assertEqual(lines[0]["tls"]["alpn"], "h2")

    def test_plain_requests_of_sites_with_tls_are_redirected_over_http2_too(self):
        out = self.curl("--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}",
                        path="/a?b", secure=False)
        self.assertEqual(out, f"308 https://old.localhost:{self.https}/a?b")

    def test_nghttp_is_content_with_every_frame(self):
        urls = [f"https://127.0.0.1:{self.https}/?size={size}" for size in (0, 1, 70000, 300000)]
        out = self.run_tool("nghttp", "-nvy", *urls)
        self.assertEqual(len(re.findall(r":status: 200", out)), 4)
        self.assertNotIn("RST_STREAM", out)
        for frame in re.findall(r"recv.* GOAWAY frame.*\n.*error_code=(\w+)", out):
            self.assertEqual(frame, "NO_ERROR")

    def test_h2load_sees_no_failure(self):
        count = int(2000 / PATIENCE)
        for url in (f"https://old.localhost:{self.https}/?size=1000", f"https://new.localhost:{self.https}/?size=1000",
                    f"http://plain-new.localhost:{self.http}/?size=1000"):
            with self.subTest(url):
                out = self.run_tool("h2load", "-n", str(count), "-c", "10", "-m", "40", "--connect-to",
                                    f"127.0.0.1:{self.https if url.startswith('https') else self.http}", url)
                self.assertIn(f"requests: {count} total, {count} started, {count} done, {count} succeeded, "
                              "0 failed, 0 errored, 0 timeout", out)
                self.assertIn(f"status codes: {count} 2xx", out)

    def test_a_large_body_passes_each_way(self):
        data = self.scene.write("data.bin", os.urandom(20 << 20))
        with open(data, "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        for host in ("old.localhost", "new.localhost"):
            with self.subTest(host):
                seen = json.loads(self.curl("--http2", "--data-binary", "@" + data, host=host).splitlines()[0])
                self.assertEqual((seen["body"], seen["length"]), (digest, 20 << 20))
                out = self.curl("--http2", "-o", "/dev/null", "-w", "%{size_download}", path="/?size=20000000", host=host)
                self.assertGreater(int(out), 20000000)

    def test_events_reach_the_client_at_once(self):
        for host, h2 in (("old.localhost", True), ("new.localhost", True), ("new.localhost", False)):
            with self.subTest(host=host, h2=h2):
                gone = sum(e.get("event") == "gone" for e in self.events())
                curl = self.scene.process(
                    ["curl", "-sSN", "--cacert", self.root, "--http2" if h2 else "--http1.1", "--resolve",
                     f"{host}:{self.https}:127.0.0.1", f"https://{host}:{self.https}/events"], f"events-{host}-{h2}.out")
                wait_for(lambda: "data: first" in self.scene.log(f"events-{host}-{h2}.out"), "the first event")
                self.curl("--http2", path="/next", host=host)
                wait_for(lambda: "data: next" in self.scene.log(f"events-{host}-{h2}.out"), "the next event")
                curl.kill()
                # Over HTTP/1.1 a client that ends may only have ended its own side: the next event tells.
                wait_for(lambda: (h2 or self.curl("--http2", path="/next", host=host)) and
                         sum(e.get("event") == "gone" for e in self.events()) == gone + 1,
                         "the client's end at the service")

    def flood(self, octets):
        """The error code of the GOAWAY that ends a connection after these frames."""
        with socket.create_connection(("127.0.0.1", self.http), timeout=30 * PATIENCE) as stream:
            with contextlib.suppress(ConnectionError):  # it may be over before all is said
                stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + octets)
            heard = b""
            with contextlib.suppress(ConnectionError):
                while piece := stream.recv(65536):
                    heard += piece
        while len(heard) >= 9:
            length, kind = int.from_bytes(heard[:3], "big"), heard[3]
            payload, heard = heard[9:9 + length], heard[9 + length:]
            if kind == 7:
                code = int.from_bytes(payload[4:8], "big")
                if code != 0:
                    return code
        return None

    def test_floods_are_told_to_calm_down_and_counted_by_kind(self):
        # :method GET, :scheme http, :path / by index, :authority literal
        block = b"\x82\x86\x84\x41\x13" + b"plain-old.localhost"
        self.assertEqual(len(block), 5 + 19)

        def frame(kind, flags, stream, payload=b""):
            return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
        rows = [
            ("h2_ping_flood", b"".join(frame(6, 0, 0, b"12345678") for _ in range(2000))),
            ("h2_settings_flood", b"".join(frame(4, 0, 0) for _ in range(2000))),
            ("h2_rapid_reset", b"".join(frame(1, 5, 2 * i + 1, block) + frame(3, 0, 2 * i + 1, b"\0\0\0\x08")
                                        for i in range(3000))),
            ("h2_continuation_flood", frame(1, 0, 1, block) + frame(9, 0, 1) * 2000),
            ("h2_empty_frames", frame(1, 4, 1, b"\x83" + block[1:]) + frame(0, 0, 1) * 2000),
            ("h2_unknown_frames", frame(77, 0, 0, b"?") * 2000),
        ]
        for kind, octets in rows:
            with self.subTest(kind):
                self.assertEqual(self.flood(octets), 11)
                wait_for(lambda: self.status()["counters"]["rejected_by"].get(kind) == 1, "its place in the counters")
        self.assertEqual(self.curl("--http2", "-o", "/dev/null", "-w", "%{http_code}"), "200")

    def test_a_stop_lets_streams_end_and_says_goodbye(self):
        slow = self.scene.process(
            ["curl", "-sSN", "--cacert", self.root, "--http2", "--resolve", f"old.localhost:{self.https}:127.0.0.1",
             "-w", "%{http_code} %{size_download}", "--limit-rate", "300k",
             f"https://old.localhost:{self.https}/?size=600000"], "slow.out")
        wait_for(lambda: os.path.getsize(self.scene.path("slow.out")) > 50000, "the download's begin")
        self.assertEqual(self.gate.stop(), 0)
        self.assertEqual(slow.wait(20 * PATIENCE), 0)
        self.assertRegex(self.scene.log("slow.out")[-20:], r"200 60\d{4}$")

    def test_a_reload_keeps_connections_and_what_they_carry(self):
        slow = self.scene.process(
            ["curl", "-sSN", "--cacert", self.root, "--http2", "--resolve", f"new.localhost:{self.https}:127.0.0.1",
             "-w", "%{http_code} %{size_download}", "--limit-rate", "300k",
             f"https://new.localhost:{self.https}/?size=600000"], "slow.out")
        wait_for(lambda: os.path.getsize(self.scene.path("slow.out")) > 50000, "the download's begin")
        with open(self.gate.config_path) as f:
            self.gate.rewrite(f.read().replace("graceful_timeout = \"5s\"", "graceful_timeout = \"6s\""))
        self.assertEqual(self.gate.command("reload")[0], 0)
        self.assertEqual(slow.wait(20 * PATIENCE), 0)
        self.assertRegex(self.scene.log("slow.out")[-20:], r"200 60\d{4}$")


class Library(Case):
    """The library h2 of Python at both ends: interim answers, trailers both ways, cookies in crumbs."""

    def test_every_part_of_an_exchange_passes(self):
        python = python_with("h2")
        if not python:
            self.skipTest("the library h2 is not installed: scripts/test gets python3-h2")
        script = os.path.join(os.path.dirname(SCRIPT), "h2_library.py")
        self.scene.process([python, script, "serve"], "server.out")
        port = json.loads(wait_for(lambda: self.scene.log("server.out"), "the server"))["port"]
        http = free_port()
        Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{http}"]
https = []
data_dir = "{self.scene.path('data')}"
[server.limits]
h2_streams = 77
[[site]]
hosts = ["app.localhost"]
backend = "h2c://127.0.0.1:{port}"
tls.mode = "off"
""")
        done = subprocess.run([python, script, "ask", str(http), "app.localhost"], capture_output=True, text=True,
                              timeout=60 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        out = json.loads(done.stdout)
        self.assertEqual(out["settings"], 77)
        self.assertEqual(out["interim"], [{":status": "103", "link": "</style.css>; rel=preload"}])
        self.assertEqual(out["fields"][":status"], "200")
        self.assertEqual(out["trailers"], {"x-sum": "42"})
        seen = out["body"]
        self.assertEqual(seen["body"], "half and half")
        self.assertEqual(seen["trailers"], {"x-check": "7"})
        expected = {":method": "POST", ":scheme": "http", ":authority": "app.localhost", ":path": "/path?query",
                    "cookie": "a=1; b=2", "te": "trailers", "x-forwarded-for": "127.0.0.1", "via": "2.0 gatehouse"}
        fields = {name.lower(): value for name, value in seen["fields"].items()}
        self.assertEqual({name: fields.get(name) for name in expected}, expected)
        self.assertEqual(set(seen["fields"]), {name.lower() for name in seen["fields"]}, "names are in lower case")


class Chain(Service):
    """A Gatehouse before another one, over TLS: HTTP/2 between them where both like it."""

    def test_what_a_servers_tls_chooses_is_spoken(self):
        http = free_port()
        front = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{http}"]
https = []
data_dir = "{self.scene.path('front')}"
[backend.back]
servers = ["https://127.0.0.1:{self.https}"]
tls = {{ roots = "{self.root}", server_name = "new.localhost" }}
[[site]]
hosts = ["new.localhost"]
backend = "back"
tls.mode = "off"
""", name="front")
        for number in range(20):
            status, _, body = http_get(http, "new.localhost", f"/?size={number}", method="POST", body=b"x" * number)
            self.assertEqual(status, 200)
        chat = {"protocol": "h1", "origin": "http://new.localhost", "messages": 50, "connect": http}
        self.assertEqual(json.loads(self.run_tool("node", SCRIPT, "chat", json.dumps(chat)).splitlines()[-1]),
                         {"heard": 50, "code": 4000})
        chat["protocol"] = "h2"
        self.assertEqual(json.loads(self.run_tool("node", SCRIPT, "chat", json.dumps(chat)).splitlines()[-1]),
                         {"heard": 50, "code": 4000})
        lines = self.logged(22)
        self.assertEqual({line["proto"] for line in lines if line["status"] == 200}, {"HTTP/2"})
        # Few connections carried them all: one for each worker.
        self.assertLessEqual(self.status()["counters"]["handshakes"], 2 + 2)
        self.assertEqual(front.stop(), 0)

    def test_a_server_that_restarts_costs_no_request(self):
        http = free_port()
        Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{http}"]
https = []
data_dir = "{self.scene.path('front')}"
[backend.back]
servers = ["https://127.0.0.1:{self.https}"]
tls = {{ roots = "{self.root}", server_name = "new.localhost" }}
[[site]]
hosts = ["new.localhost"]
backend = "back"
tls.mode = "off"
""", name="front")
        for _ in range(3):
            for _ in range(10):
                self.assertEqual(http_get(http, "new.localhost", "/", method="POST", body=b"x")[0], 200)
            self.assertEqual(self.gate.stop(), 0)
            self.gate.start()


class Equality(Service):
    """The same requests over every pair of protocols have the same outcome."""

    METHODS = ("GET", "GET", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")

    def requests(self, count):
        rng = dice.Random(9113)
        made = []
        for number in range(count):
            method = rng.choice(self.METHODS)
            query = [f"n={number}", f"size={rng.choice((0, 0, 1, 100, 5000, 70000))}"]
            query += rng.choice(([], [], ["streamed"], ["status=404"], ["status=500"], ["status=204"], ["status=201"]))
            fields = {"x-test-number": str(number), "x-test-text": rng.choice(("a", "with spaces", "a;b=\"c, d\""))}
            if rng.random() < 0.3:
                fields["cookie"] = "; ".join(f"c{i}=v{rng.randrange(100)}" for i in range(rng.randrange(1, 8)))
            if rng.random() < 0.2:
                fields["te"] = "trailers"
                if "status=204" not in query:
                    query.append("trailers")
            request = {"method": method, "path": f"/p{rng.randrange(10)}/%2F{number}?{'&'.join(query)}", "fields": fields}
            if method in ("POST", "PUT", "PATCH"):
                request["body"] = "body " * rng.choice((0, 1, 20, 3000, 20000))
                fields["content-type"] = "text/plain"
                if rng.random() < 0.3:
                    fields["x-test-streamed"] = "yes"
            made.append(request)
        return made

    def ask(self, protocol, host, requests, mode="ask"):
        task = self.scene.write(f"{mode}-{protocol}-{host}.json", json.dumps(
            {"protocol": protocol, "origin": f"https://{host}", "connect": self.https, "ca": self.root,
             "requests": requests}))
        return json.loads(self.run_tool("node", SCRIPT, mode, task).splitlines()[-1])

    def outcomes(self, requests):
        return {(protocol, host): self.ask(protocol, host, requests)
                for protocol in ("h1", "h2") for host in ("old.localhost", "new.localhost")}

    def test_two_hundred_requests_have_the_same_bytes_and_status(self):
        requests = self.requests(200)
        outcomes = self.outcomes(requests)
        expected = outcomes["h1", "old.localhost"]
        self.assertEqual(len(expected), 200)
        self.assertGreater(sum(answer["status"] == 200 for answer in expected), 50)
        for pair, answers in outcomes.items():
            for number, (answer, same) in enumerate(zip(answers, expected)):
                with self.subTest(pair=pair, number=number):
                    self.assertEqual(answer, same, requests[number])
        body = expected[next(i for i, r in enumerate(requests) if r["method"] == "POST" and r["body"])]["body"]
        self.assertIn('"x-forwarded-proto":"https"', body)
        self.assertEqual(self.status()["counters"]["rejected"], 0)

    def test_undici_gets_what_others_get(self):
        if subprocess.run(["node", "-e", "require('undici')"], env=NODE, capture_output=True).returncode != 0:
            self.skipTest("undici is not installed: scripts/test gets it from the registry of npm")
        requests = [r for r in self.requests(200) if "te" not in r["fields"] and r["method"] in ("GET", "POST")]
        for request in requests:
            request["fields"].pop("x-test-streamed", None)
            request["fields"]["x-test-text"] = "a"
        answers = self.ask("h2", "new.localhost", requests, "undici")
        expected = self.ask("h2", "new.localhost", requests)
        self.assertEqual(answers, expected)
        self.assertIn("HTTP/2", {line["proto"] for line in self.logged(1)})


class WebSockets(Service):
    def chat(self, protocol, host, messages):
        secure = not host.startswith("plain-")
        task = {"protocol": protocol, "origin": f"{'https' if secure else 'http'}://{host}", "messages": messages,
                "connect": self.https if secure else self.http}
        if secure:
            task["ca"] = self.root
        return json.loads(self.run_tool("node", SCRIPT, "chat", json.dumps(task)).splitlines()[-1])

    def test_messages_pass_in_every_pair_of_protocols(self):
        for number, (protocol, host) in enumerate(
                [(p, h) for p in ("h1", "h2") for h in ("old.localhost", "new.localhost", "plain-new.localhost")], 1):
            with self.subTest(protocol=protocol, host=host):
                self.assertEqual(self.chat(protocol, host, 2000), {"heard": 2000, "code": 4000})
                wait_for(lambda: sum(e.get("code") == 4000 for e in self.events()) == number, "the service's goodbye")
        lines = self.logged(6)
        self.assertEqual({line["status"] for line in lines}, {101})
        self.assertGreater(lines[-1]["bytes_in"], 2000)
        wait_for(lambda: self.status()["connections"]["tunnels"] == 0, "the tunnels' end")


if __name__ == "__main__":
    main()
