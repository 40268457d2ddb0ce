"""The command line and the admin API as an operator and a web page meet them."""
import shutil

from certificates import Authority
from harness import *

COMMANDS = ["run", "proxy", "validate", "config", "reload", "stop", "status", "certs", "certs show", "trust",
            "untrust", "hash-password", "version"]
LATER = ["plan", "upgrade", "explain a.example", "account", "account rollover", "import certbot /etc",
         "dns-records a.example", "certs renew a.example", "certs revoke a.example", "certs rollback a.example",
         "certs export a.example /tmp", "certs remove a.example"]


def run(*words):
    done = subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=30 * PATIENCE)
    return done.returncode, done.stdout, done.stderr


class Command(Case):
    def start(self, admin="", environment=None):
        self.http = free_port()
        return Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = []
data_dir = "{self.scene.path('data')}"
{admin}
[[site]]
hosts = ["a.localhost"]
respond = {{}}
""", environment=environment)

    def test_every_command_helps_on_stdout(self):
        for command in COMMANDS:
            with self.subTest(command):
                status, out, err = run(*command.split(), "--help")
                self.assertEqual((status, err), (0, ""))
                self.assertIn("Usage: ", out)

    def test_commands_of_later_versions_are_told_from_unknown_ones(self):
        for command in LATER:
            with self.subTest(command):
                status, out, err = run(*command.split())
                self.assertEqual((status, out), (2, ""))
                self.assertIn("is not available in this version", err)
        status, out, err = run("serve")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("there is no command 'serve'", err)

    def test_tables_are_json_on_demand_and_nothing_is_coloured(self):
        gate = self.start(environment={"TERM": "xterm-256color", "CLICOLOR_FORCE": "1"})
        for command in ("validate", "status", "certs"):
            with self.subTest(command):
                status, out, err = gate.command(command, "--json")
                self.assertEqual((status, err), (0, ""))
                json.loads(out)
                status, out, err = gate.command(command)
                self.assertEqual((status, err), (0, ""))
                self.assertNotIn("\x1b", out)
        status, out, _ = run("version", "--json")
        self.assertEqual(status, 0)
        self.assertIn("version", json.loads(out))
        status, out, err = gate.command("config")
        self.assertEqual((status, err), (0, ""))
        self.assertNotIn("\x1b", out + gate.log())

    def test_control_c_stops_gracefully(self):
        gate = self.start()
        gate.signal(signal.SIGINT)
        self.assertEqual(gate.process.wait(30 * PATIENCE), 0)
        self.assertFalse(accepts(self.http))

    def test_validate_finds_what_a_start_would_stumble_over(self):
        def pair(name):
            cert, key = self.scene.path(f"{name}.pem"), self.scene.path(f"{name}.key")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", key, "-out", cert, "-subj", f"/CN={name}", "-days", "1"],
                           check=True, capture_output=True)
            return cert, key
        (cert, key), (_, other) = pair("one"), pair("two")
        junk = self.scene.write("junk.pem", "junk\n")
        ciphers = "ECDHE-RSA-AES128-GCM-SHA256"

        def validate(cert=cert, key=key, ciphers=ciphers, root=self.scene.dir, user="", more=""):
            path = self.scene.write("gatehouse.toml", f"""
[server]
user = "{user}"
[[site]]
hosts = ["a.example"]
files.root = "{root}"
tls.mode = "files"
tls.cert = "{cert}"
tls.key = "{key}"
tls.ciphers = "{ciphers}"
{more}
""")
            return run("validate", "-c", path)

        def trust(roots, crl):
            return f'tls.client_auth = {{ mode = "require", roots = "{roots}", crl = "{crl}" }}'
        backend = '[backend.b]\nservers = "https://b"\ntls.roots = "%s"'
        issuer = '[acme.issuer.own]\ndirectory = "https://ca.example/"\nroots = "%s"'
        ca = Authority(self.scene, "clients")
        crl = ca.crl(self.scene.path("list.pem"))
        torn = self.scene.write("torn.pem", ca.openssl("x509", "-in", cert) + "-----BEGIN CERTIFICATE-----\nMIIB\n")
        self.assertEqual(validate(), (0, self.scene.path("gatehouse.toml") + ": valid, 1 site, 1 route, 1 certificate\n",
                                      ""))
        for change, place, told in [
                ({"key": other}, ":9:5: 'key': ", "belongs to another certificate"),
                ({"key": junk}, ":9:5: 'key': ", junk),
                ({"cert": junk}, ":8:5: 'cert': ", junk),
                ({"ciphers": "FOO"}, ":10:5: 'ciphers' ", "'FOO'"),
                ({"ciphers": ciphers + ":ECDHE-RSA-AES128-GCM-SHA257"}, ":10:5: 'ciphers' ", "-SHA257'"),
                ({"ciphers": "TLS_AES_128_GCM_SHA256"}, ":10:5: 'ciphers' ", "TLS 1.3"),
                ({"user": "no-such-account-here"}, ":3:1: 'user' ", "there is no such user"),
                ({"more": trust(junk, crl)}, ":11:39: 'roots': ", f"{junk}: no 'CERTIFICATE' block"),
                ({"more": trust(torn, crl)}, ":11:39: 'roots': ", f"{torn}: block 2 is damaged"),
                ({"more": trust(cert, cert)}, ": 'crl': ", f"{cert}: no 'X509 CRL' block"),
                ({"more": backend % junk}, ":13:5: 'roots': ", f"{junk}: no 'CERTIFICATE' block"),
                ({"more": issuer % junk}, ":13:1: 'roots': ", f"{junk}: no 'CERTIFICATE' block")]:
            with self.subTest(**change):
                status, out, err = validate(**change)
                self.assertEqual((status, out), (2, ""))
                self.assertIn(place, err)
                self.assertIn(told, err)
        for more in (trust(cert, crl), backend % cert, issuer % cert):
            with self.subTest(more=more):
                self.assertEqual(validate(more=more)[::2], (0, ""))
        self.assertEqual(validate(ciphers="ECDHE+AESGCM:HIGH:!aNULL:!FOO:@STRENGTH")[0], 0)
        status, _, err = validate(root=self.scene.path("nowhere"))
        self.assertEqual(status, 0)
        self.assertIn(":6:7: warning: 'root': ", err)

    def test_a_socket_of_another_user_is_told_from_nobody_there(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to become somebody else")
        gate = self.start()
        os.chmod(self.scene.dir, 0o755)
        os.chmod(gate.config_path, 0o644)
        os.chmod(self.scene.path("data"), 0o700)
        there = self.scene.path("gatehouse")
        shutil.copy(BINARY, there)
        done = subprocess.run([there, "status", "-c", gate.config_path], user="nobody", capture_output=True, text=True,
                              timeout=30 * PATIENCE)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("another user, so try sudo", done.stderr)
        status, _, err = gate.command("status", "--admin", "unix:" + self.scene.path("nobody.sock"))
        self.assertEqual(status, 1)
        self.assertNotIn("sudo", err)

    def test_the_signal_of_upgrades_is_logged_and_serving_goes_on(self):
        gate = self.start()
        gate.signal(signal.SIGUSR2)
        wait_for(lambda: "upgrade is not available in this version" in gate.log(), "the line in the log")
        self.assertEqual(http_get(self.http, "a.localhost")[0], 200)
        self.assertIsNone(gate.process.poll())

    def ask(self, method, path, headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=30 * PATIENCE)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type"), answer.read()
        finally:
            connection.close()

    def test_the_admin_api_on_tcp_keeps_web_pages_away(self):
        self.admin = free_port()
        gate = self.start(f'[admin]\nlisten = "127.0.0.1:{self.admin}"\n')
        ours = {"Host": f"localhost:{self.admin}"}
        self.assertEqual(self.ask("GET", "/v1/status", ours)[0], 200)
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.ask("GET", path, ours)[0], 200, path)

        refusals = [("GET", {"Host": "rebound.example"}, 403),
                    ("GET", dict(ours, Origin="http://evil.example"), 403),
                    ("GET", dict(ours, **{"Sec-Fetch-Site": "cross-site"}), 403),
                    ("POST", ours, 401),
                    ("POST", dict(ours, Authorization="Bearer wrong-token-wrong-token"), 401)]
        for method, headers, expected in refusals:
            with self.subTest(method=method, headers=headers):
                path = "/v1/status" if method == "GET" else "/v1/stop"
                status, kind, body = self.ask(method, path, headers)
                self.assertEqual((status, kind), (expected, "application/problem+json"))
                self.assertEqual(json.loads(body)["status"], expected)
        status, kind, _ = self.ask("GET", "/v1/nothing", ours)
        self.assertEqual((status, kind), (404, "application/problem+json"))
        self.assertIsNone(gate.process.poll())

        token = self.scene.path("data", "admin.token")
        self.assertEqual(os.stat(token).st_mode & 0o7777, 0o600)
        with open(token) as f:
            bearer = dict(ours, Authorization=f"Bearer {f.read().strip()}")
        self.assertEqual(self.ask("POST", "/v1/reload", bearer)[0], 200)
        # The command finds the token by its config.
        status, out, err = gate.command("reload", "--admin", f"127.0.0.1:{self.admin}")
        self.assertEqual(status, 0, out + err)
        self.assertEqual(self.ask("POST", "/v1/stop", bearer)[0], 202)
        self.assertEqual(gate.process.wait(30 * PATIENCE), 0)

    def test_readyz_turns_when_a_drain_begins_and_healthz_does_not(self):
        self.admin = free_port()
        go = threading.Event()
        self.addCleanup(go.set)
        backend = Backend(self.scene, lambda request: go.wait(60))
        self.http = free_port()
        gate = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = []
data_dir = "{self.scene.path('data')}"
[admin]
listen = "127.0.0.1:{self.admin}"
[[site]]
hosts = ["a.localhost"]
backend = "127.0.0.1:{backend.port}"
""")
        ours = {"Host": f"localhost:{self.admin}"}
        with socket.create_connection(("127.0.0.1", self.http), timeout=30 * PATIENCE) as held:
            held.sendall(b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
            wait_for(lambda: backend.requests, "the request at the backend")
            gate.process.terminate()
            wait_for(lambda: self.ask("GET", "/readyz", ours)[0] == 503, "readyz to turn")
            self.assertEqual(self.ask("GET", "/healthz", ours)[0], 200)
            gate.process.terminate()
            gate.process.wait(30 * PATIENCE)


if __name__ == "__main__":
    main()
