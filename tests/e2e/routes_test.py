"""What routes do to requests on their way: matching, gates, passwords, paths, header fields, error pages."""
import base64
import concurrent.futures
import glob

from harness import *


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class Routes(Case):
    def gatehouse(self, routes, site="", name="gatehouse"):
        """One site on plain HTTP whose routes a test gives; BACKEND in them is an echo server."""
        self.http = free_port()
        self.backend = Backend(self.scene)
        self.gate = Gatehouse(self.scene, self.config(routes, site), name=name)

    def config(self, routes, site=""):
        return f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = []
data_dir = "{self.scene.path('data')}"
trusted_proxies = ["127.0.0.1"]
[admin]
[log]
access = "{self.scene.path('access.log')}"
[[site]]
hosts = ["a.localhost"]
{site}
{routes}
""".replace("BACKEND", f'"127.0.0.1:{self.backend.port}"')

    def get(self, path="/", method="GET", headers=None, client=None):
        """(status, headers, body); `client` as a trusted proxy in front of us tells it."""
        extra = {"X-Forwarded-For": client} if client else {}
        return http_get(self.http, "a.localhost", path, method=method, headers=dict(extra, **(headers or {})))

    def status(self, *args, **kwargs):
        return self.get(*args, **kwargs)[0]

    def echo(self, *args, **kwargs):
        """What reached the server: (path, headers)."""
        status, _, body = self.get(*args, **kwargs)
        self.assertEqual(status, 200, body)
        seen = json.loads(body)
        return seen["path"], seen["headers"]

    def raw(self, target, fields=""):
        """Status and body of a request whose target is sent as it stands, by no client that tidies it."""
        answer = raw_exchange(self.http, f"GET {target} HTTP/1.1\r\nHost: a.localhost\r\n{fields}"
                                         "Connection: close\r\n\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), body

    # --- when

    def test_the_first_route_whose_matchers_all_fit_answers(self):
        self.gatehouse("""
[[site.route]]
path = ["/api/*", "~ ^/v[0-9]+/"]
method = ["GET", "HEAD"]
header = { "X-Beta" = "1", "Accept" = "~ json", "X-Old" = "" }
query = { page = "~ ^[0-9]+$" }
client_ip = ["10.0.0.0/8"]
respond = { body = "all" }
[[site.route]]
path = "/api/*"
respond = { body = "api" }
[[site.route]]
respond = { body = "rest" }
""")
        fits = {"X-Beta": "1", "Accept": "application/json"}

        def ask(path="/api/x?page=7", method="GET", headers=fits, client="10.1.2.3"):
            return self.get(path, method, headers, client)[2].decode()
        self.assertEqual(ask(), "all")
        self.assertEqual(ask("/v12/x?page=7"), "all")
        self.assertEqual(ask("/v/x?page=7"), "rest")
        self.assertEqual(ask("/apis?page=7"), "rest")
        self.assertEqual(ask(method="POST"), "api")
        self.assertEqual(ask("/api/x?page=seven"), "api")
        self.assertEqual(ask("/api/x"), "api")
        self.assertEqual(ask(client="192.0.2.1"), "api")
        self.assertEqual(ask(headers=dict(fits, **{"X-Old": "x"})), "api")
        self.assertEqual(ask(headers={"X-Beta": "1", "Accept": "text/html"}), "api")

    def test_a_server_gets_the_path_its_route_was_chosen_by(self):
        self.gatehouse("""
[[site.route]]
path = "/admin/*"
deny = ["0.0.0.0/0", "::/0"]
backend = BACKEND
[[site.route]]
path = "/public/*"
backend = BACKEND
""")
        for target, seen in [("/public/x", "/public/x"),
                             ("/public/x/../y/./z", "/public/y/z"),
                             ("/%70ublic/%7Ex", "/public/~x"),
                             ("/admin/../public/x", "/public/x"),
                             ("/public/a%20b%C3%BC", "/public/a%20b%C3%BC"),
                             ("/public/group%2Fproject?x=%2e%2e/", "/public/group%2Fproject?x=%2e%2e/"),
                             ("/public//x", "/public//x"),
                             ("/public/a;v=1/b", "/public/a;v=1/b"),
                             ("http://a.localhost/public/../public/x", "/public/x")]:
            with self.subTest(target):
                status, body = self.raw(target)
                self.assertEqual(status, 200)
                self.assertEqual(json.loads(body)["path"], seen)
        for target in ["/admin/x", "/public/../admin/x", "/public/%2e%2e/admin/x", "/%61dmin/x", "/./admin"]:
            with self.subTest(target):
                self.assertEqual(self.raw(target)[0], 403)
        served = len(self.backend.requests)
        for target in ["/public/..%2fadmin", "/public/..%5cadmin", "/public\\..\\admin", "/public/..;/admin/x",
                       "/public/%252e%252e/admin", "/public/.%2500./x", "/admin%2fx", "//admin/x", "/admin//../public/x%00",
                       "/public/%2", "/public/;/../../admin"]:
            with self.subTest(target):
                self.assertIn(self.raw(target)[0], (400, 403))
        self.assertEqual(len(self.backend.requests), served, "one of them reached the server")
        # What was asked for is what the log tells.
        logged = wait_for(lambda: "/admin/../public/x" in self.scene.log("access.log"), "the log line")
        self.assertTrue(logged)

    def test_a_site_without_rules_by_path_passes_it_on_as_it_came(self):
        self.gatehouse("", site="backend = BACKEND")
        for target in ["/a/../b", "/a//b", "/a%2Fb;c", "/%61", "/a%00", "/\\x", "/{a}|b"]:
            with self.subTest(target):
                status, body = self.raw(target)
                self.assertEqual(status, 200)
                self.assertEqual(json.loads(body)["path"], target)

    # --- gates

    def test_addresses_are_let_in_and_turned_away(self):
        self.gatehouse("", site='allow = ["10.0.0.0/8", "2001:db8::/32"]\ndeny = "10.6.0.0/16"\nrespond = { body = "in" }')
        self.assertEqual(self.status(client="10.0.0.1"), 200)
        self.assertEqual(self.status(client="2001:db8::5"), 200)
        self.assertEqual(self.status(client="10.6.0.1"), 403)
        self.assertEqual(self.status(client="192.0.2.1"), 403)

    def test_a_rate_limit_holds_for_all_workers_together_and_over_a_reload(self):
        site = 'rate_limit = { requests = 20, per = "1h" }\nrespond = { body = "in" }'
        self.gatehouse("", site=site)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: self.get(client="10.0.0.1"), range(60)))
        self.assertEqual(sum(status == 200 for status, _, _ in answers), 20)
        refused = [headers for status, headers, _ in answers if status == 429]
        self.assertEqual(len(refused), 40)
        self.assertTrue(all(0 < int(headers["Retry-After"]) <= 180 for headers in refused))
        self.assertEqual(self.status(client="10.0.0.2"), 200)
        self.gate.rewrite(self.config("", site + "\n# another file"))
        self.assertEqual(self.gate.command("reload")[0], 0)
        self.assertEqual(self.status(client="10.0.0.1"), 429)
        self.assertEqual(self.status(client="2001:db8::1"), 200)

    def test_a_route_answers_503_past_max_in_flight(self):
        self.gatehouse("", site="max_in_flight = 2\nbackend = BACKEND")
        release, entered = threading.Event(), threading.Semaphore(0)

        def slow(request):
            entered.release()
            release.wait(30 * PATIENCE)
            Backend.echo(request)
        server = Backend(self.scene, slow)
        self.gate.rewrite(self.config("", f'max_in_flight = 2\nbackend = "127.0.0.1:{server.port}"'))
        self.assertEqual(self.gate.command("reload")[0], 0)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            under_way = [pool.submit(self.status) for _ in range(2)]
            for _ in range(2):
                self.assertTrue(entered.acquire(timeout=20 * PATIENCE))
            status, headers, _ = self.get()
            self.assertEqual((status, headers["Retry-After"]), (503, "1"))
            release.set()
            self.assertEqual([one.result() for one in under_way], [200, 200])
        self.assertEqual(self.status(), 200)

    # --- passwords

    def hash(self, password, *options):
        done = subprocess.run([BINARY, "hash-password", *options], input=password + "\n", capture_output=True,
                              text=True, check=True)
        return done.stdout.strip()

    def niceness(self):
        """Of the threads of the process (proc(5), stat)."""
        out = set()
        for path in glob.glob(f"/proc/{self.gate.pid()}/task/*/stat"):
            with open(path) as stat:
                out.add(int(stat.read().rpartition(")")[2].split()[16]))
        return out

    def test_passwords_are_asked_for_and_slow_hashes_hold_nobody_up(self):
        users = f'alice = "{self.hash("open sesame")}", bob = "{self.hash("pass:word", "--algorithm", "yescrypt")}"'
        self.gatehouse(f"""
[[site.route]]
path = "/free"
respond = {{ body = "free" }}
[[site.route]]
basic_auth = {{ users = {{ {users} }}, realm = "vault" }}
backend = BACKEND
""")
        status, headers, _ = self.get("/")
        self.assertEqual((status, headers["WWW-Authenticate"]), (401, 'Basic realm="vault", charset="UTF-8"'))
        self.assertEqual(self.status("/", headers=basic("alice", "open sesame")), 200)
        self.assertEqual(self.status("/", headers=basic("bob", "pass:word")), 200)
        for user, password in [("alice", "pass:word"), ("alice", ""), ("eve", "open sesame"), ("", "")]:
            self.assertEqual(self.status("/", headers=basic(user, password)), 401)
        # Who makes hashes lets workers go first, but not as far as who makes certificates.
        self.assertIn(min(os.nice(0) + 5, 19), self.niceness())
        # A crowd with wrong passwords keeps the helpers busy for seconds. Others go on as ever, and so does who is
        # known already.
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            crowd = [pool.submit(self.status, "/", headers=basic("alice", f"wrong {i}")) for i in range(24)]
            slowest = 0
            while not all(one.done() for one in crowd):
                began = time.monotonic()
                self.assertEqual(self.status("/free"), 200)
                slowest = max(slowest, time.monotonic() - began)
            self.assertLess(slowest, 2 * PATIENCE)
            self.assertEqual({one.result() for one in crowd}, {401})

    def test_a_password_that_is_taken_away_lets_nobody_in_any_more(self):
        def site(password):
            return f'basic_auth = {{ users = {{ alice = "{self.hash(password)}" }} }}\nrespond = {{ body = "in" }}'
        self.gatehouse("", site=site("old"))
        self.assertEqual(self.status("/", headers=basic("alice", "old")), 200)
        self.gate.rewrite(self.config("", site("new")))
        self.assertEqual(self.gate.command("reload")[0], 0)
        self.assertEqual(self.status("/", headers=basic("alice", "old")), 401)
        self.assertEqual(self.status("/", headers=basic("alice", "new")), 200)

    # --- on the way to a server and back

    def test_paths_are_changed_on_their_way_to_a_server(self):
        self.gatehouse("""
[[site.route]]
path = "/api/*"
strip_prefix = "/api"
add_prefix = "/v1"
backend = BACKEND
[[site.route]]
path = "/old/*"
rewrite = { match = "^/old/([a-z]+)/(.*)$", to = "/new/$2?kind=$1" }
backend = BACKEND
""")
        for asked, seen in [("/api/x?q=1", "/v1/x?q=1"), ("/api", "/v1/"), ("/api/../api/y", "/v1/y"),
                            ("/old/book/7", "/new/7?kind=book"), ("/old/book/7?a=b", "/new/7?kind=book&a=b"),
                            ("/old/BOOK/7", "/old/BOOK/7")]:
            with self.subTest(asked):
                self.assertEqual(self.echo(asked)[0], seen)
        wait_for(lambda: '"/old/book/7"' in self.scene.log("access.log"), "the path as it was asked for, in the log")

    def test_header_fields_are_edited_both_ways(self):
        def answer(request):
            request.send_response(200)
            for name, value in [("Content-Length", "0"), ("Server", "secret/1.0"), ("X-Frame-Options", "ALLOW")]:
                request.send_header(name, value)
            request.end_headers()
        self.gatehouse("", site="""
request_headers = { set = { "X-Real-Path" = "{path}", "X-Id" = "{request_id}", Host = "inner.example" }, add = { "X-Tag" = "b" }, remove = ["Cookie"] }
response_headers = { set = { "X-Frame-Options" = "DENY", "X-Where" = "{scheme}://{host}{path}" }, remove = ["Server"] }
backend = BACKEND
""")
        path, headers = self.echo("/x", headers={"Cookie": "a=b", "X-Tag": "a", "Connection": "X-Id, X-Real-Path"})
        seen = {}
        for name, value in headers:
            seen.setdefault(name.lower(), []).append(value)
        self.assertEqual(seen["x-real-path"], ["/x"])
        self.assertRegex(seen["x-id"][0], r"^[0-9a-f]{32}$")
        self.assertEqual(seen["host"], ["inner.example"])
        self.assertEqual(seen["x-forwarded-host"], ["a.localhost"])
        self.assertEqual(seen["x-tag"], ["a", "b"])
        self.assertNotIn("cookie", seen)
        server = Backend(self.scene, answer)
        self.gate.rewrite(self.gate_config_for(server.port))
        self.assertEqual(self.gate.command("reload")[0], 0)
        status, headers, _ = self.get("/y")
        self.assertEqual(status, 200)
        self.assertEqual(headers["X-Frame-Options"], "DENY")
        self.assertEqual(headers["X-Where"], "http://a.localhost/y")
        self.assertNotIn("Server", headers)

    def gate_config_for(self, port):
        with open(self.gate.config_path) as f:
            return f.read().replace(f'"127.0.0.1:{self.backend.port}"', f'"127.0.0.1:{port}"')

    def test_own_answers_come_with_the_routes_error_pages_and_a_servers_do_not(self):
        page = self.scene.write("502.html", "<h1>Back soon</h1>")

        def failing(request):
            request.send_response(502)
            request.send_header("Content-Length", "4")
            request.end_headers()
            request.wfile.write(b"mine")
        self.gatehouse("", site="backend = BACKEND")
        server = Backend(self.scene, failing)
        nobody = free_port()
        self.gate.rewrite(self.config(f"""
[[site.route]]
path = "/down"
backend = "127.0.0.1:{nobody}"
[[site.route]]
backend = "127.0.0.1:{server.port}"
""", f'errors = {{ "5xx" = "{page}" }}'))
        self.assertEqual(self.gate.command("reload")[0], 0)
        status, headers, body = self.get("/down")
        self.assertEqual((status, body), (502, b"<h1>Back soon</h1>"))
        self.assertEqual(headers["Content-Type"], "text/html; charset=utf-8")
        self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertEqual(self.get("/other")[0::2], (502, b"mine"))
        self.assertEqual(self.get("/down", method="HEAD")[0::2], (502, b""))
        os.unlink(page)  # a running config has read it
        self.assertEqual(self.get("/down")[2], b"<h1>Back soon</h1>")
        status, _, err = self.gate.command("validate")
        self.assertEqual(status, 2)
        self.assertIn("cannot read", err)

    def test_hsts_is_told_over_tls_only(self):
        http, https = free_port(), free_port()
        gate = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{http}"]
https = ["127.0.0.1:{https}"]
data_dir = "{self.scene.path('data')}"
[[site]]
hosts = ["a.localhost"]
tls.hsts = "1y; includeSubDomains"
respond = {{ body = "in" }}
""")
        root = gate.internal_root()
        _, headers, _ = https_get(https, "a.localhost", root)
        self.assertEqual(headers["Strict-Transport-Security"], "max-age=31536000; includeSubDomains")
        status, headers, _ = http_get(http, "a.localhost")
        self.assertEqual(status, 308)
        self.assertNotIn("Strict-Transport-Security", headers)


if __name__ == "__main__":
    main()
