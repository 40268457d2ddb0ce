"""Certificates of clients, and ours towards servers: who is let in, who is not, and what is said of it."""
from certificates import Authority
from harness import *


class ClientCertificates(Case):
    def setUp(self):
        super().setUp()
        self.https, self.http = free_port(), free_port()
        self.server_ca = Authority(self.scene, "servers")
        self.ca = Authority(self.scene, "clients")
        self.pair = self.server_ca.leaf("safe.example", "open.example")
        self.alice = self.ca.leaf("alice", usage="clientAuth")
        self.bob = self.ca.leaf("bob", usage="clientAuth")
        self.crl = self.ca.crl(self.scene.path("list.pem"))

    def config(self, auth):
        files = f'mode = "files"\ncert = "{self.pair[0]}"\nkey = "{self.pair[1]}"'
        return f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = ["127.0.0.1:{self.https}"]
data_dir = "{self.scene.path('data')}"
[log]
access = "{self.scene.path('access.log')}"
level = "debug"
[[site]]
hosts = "safe.example"
redirect = {{ to = "https://x.example/{{tls.client_subject}}/{{tls.client_serial}}/{{tls.client_san}}" }}
[site.tls]
{files}
client_auth = {{ {auth} }}
[[site]]
hosts = "open.example"
respond = {{ body = "open" }}
[site.tls]
{files}
"""

    def gatehouse(self, auth):
        self.gate = Gatehouse(self.scene, self.config(auth))
        return self.gate

    def required(self):
        return f'mode = "require", roots = "{self.ca.pem}", crl = "{self.crl}"'

    def context(self, pair=None, version=None):
        context = tls_context(self.server_ca.pem, ["http/1.1"])
        if version:
            context.minimum_version = context.maximum_version = version
        if pair:
            context.load_cert_chain(*pair)
        return context

    def connect(self, context, name="safe.example", session=None):
        raw = socket.create_connection(("127.0.0.1", self.https), timeout=20 * PATIENCE)
        self.scene.callback(raw.close)
        stream = context.wrap_socket(raw, server_hostname=name, session=session)
        self.scene.callback(stream.close)
        return stream

    def come(self, pair=None, version=None):
        """The answer's head to a GET, or the alert's words."""
        try:
            with self.connect(self.context(pair, version)) as stream:
                return request_over(stream, "safe.example")
        except ssl.SSLError as refused:
            return refused.reason

    def test_who_proves_itself_is_let_in_by_name(self):
        self.gatehouse(self.required())
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version.name):
                status, headers, _ = self.come(self.alice, version)
                self.assertEqual(status, 308)
                serial = self.ca.openssl("x509", "-in", self.alice[0], "-noout", "-serial")
                serial = serial.strip().split("=")[1].lower()
                self.assertEqual(headers["Location"],
                                 f"https://x.example/CN=alice,O=Example/{serial}/DNS:alice")
        line = wait_for(lambda: json.loads((self.scene.log("access.log").splitlines() or ["null"])[-1]), "a line")
        self.assertEqual(line["tls"]["client_subject"], "CN=alice,O=Example")
        self.assertEqual(line["tls"]["client_serial"], serial)
        print_of = self.ca.openssl("x509", "-in", self.alice[0], "-noout", "-fingerprint", "-sha256")
        self.assertEqual(line["tls"]["client_fingerprint"],
                         print_of.strip().split("=")[1].replace(":", "").lower())

    def test_who_has_none_hears_the_alert(self):
        self.gatehouse(self.required())
        self.assertEqual(self.come(version=ssl.TLSVersion.TLSv1_3), "TLSV13_ALERT_CERTIFICATE_REQUIRED")
        self.assertIn("HANDSHAKE_FAILURE", self.come(version=ssl.TLSVersion.TLSv1_2))
        for words, said in ((["-tls1_3"], "certificate required"), (["-tls1_2"], "handshake failure")):
            done = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{self.https}", "-servername", "safe.example",
                 "-ign_eof", *words], input="GET / HTTP/1.1\r\nHost: safe.example\r\n\r\n", text=True,
                capture_output=True, timeout=30 * PATIENCE)
            self.assertIn(f"alert {said}", done.stderr)
            # As versions of OpenSSL write it: "/O=Example/CN=clients", "CN = clients", "CN=clients".
            self.assertIn("CN=clients", done.stdout.replace(" = ", "="))
        curl = ["curl", "-sS", "--noproxy", "*", "--cacert", self.server_ca.pem, "--resolve",
                f"safe.example:{self.https}:127.0.0.1", f"https://safe.example:{self.https}/"]
        self.assertNotEqual(subprocess.run(curl, capture_output=True).returncode, 0)
        done = subprocess.run([*curl, "--cert", self.alice[0], "--key", self.alice[1], "-o", "/dev/null", "-w",
                               "%{http_code}"], capture_output=True, text=True)
        self.assertEqual(done.stdout, "308", done.stderr)

    def test_request_lets_everybody_in_but_no_false_certificate(self):
        self.gatehouse(f'mode = "request", roots = "{self.ca.pem}"')
        self.assertEqual(self.come()[1]["Location"], "https://x.example///")
        self.assertIn("CN=bob,O=Example", self.come(self.bob)[1]["Location"])
        stranger = Authority(self.scene, "strangers").leaf("eve", usage="clientAuth")
        self.assertIn("UNKNOWN_CA", self.come(stranger))

    def test_a_revocation_counts_from_the_reload_on_also_for_who_is_there(self):
        gate = self.gatehouse(self.required())
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(self.come(self.bob, version)[0], 308)
        context = self.context(self.bob)
        staying = self.connect(context)
        self.assertEqual(request_over(staying, "safe.example")[0], 308)
        session = staying.session
        again = self.connect(context, session=session)
        self.assertEqual(request_over(again, "safe.example")[0], 308)
        self.assertTrue(again.session_reused)
        self.ca.revoke(self.bob[0])
        self.ca.crl(self.crl)
        self.assertEqual(self.come(self.bob)[0], 308, "the file is read at a reload")
        status, _, errors = gate.command("reload")
        self.assertEqual(status, 0, errors)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertIn("CERTIFICATE_REVOKED", self.come(self.bob, version))
            self.assertEqual(self.come(self.alice, version)[0], 308)
        status, headers, _ = request_over(staying, "safe.example")
        self.assertEqual((status, headers.get("Connection")), (421, "close"))
        with self.assertRaisesRegex(ssl.SSLError, "CERTIFICATE_REVOKED"):
            request_over(self.connect(context, session=session), "safe.example")
        gate.wait_logged("certificate verify failed: certificate revoked")

    def test_a_list_that_has_run_out_lets_nobody_in_and_the_log_says_so(self):
        self.ca.crl(self.crl, "-crlsec", "1")
        gate = self.gatehouse(self.required())
        wait_for(lambda: self.come(self.alice) != 308 and not isinstance(self.come(self.alice), tuple),
                 "the list to run out")
        gate.wait_logged("CRL has expired")
        gate.wait_logged("list of revoked certificates is out of date")
        status, _, errors = gate.command("reload")
        self.assertEqual(status, 0, errors)
        gate.wait_logged("revocation list is out of date: no client certificate will be accepted")

    def test_files_that_are_no_certificates_refuse_a_reload(self):
        gate = self.gatehouse(self.required())
        rows = [(f'mode = "require", roots = "{self.pair[1]}"',
                 "client_auth.roots: no 'CERTIFICATE' block in the text"),
                (f'mode = "require", roots = "{self.ca.pem}", crl = "{self.ca.pem}"',
                 "client_auth.crl: no 'X509 CRL' block in the text")]
        for auth, why in rows:
            gate.rewrite(self.config(auth))
            status, out, errors = gate.command("reload")
            self.assertEqual(status, 1)
            self.assertIn(why, out + errors)
        self.assertEqual(self.come(self.alice)[0], 308, "what runs was not changed")

    def test_no_other_way_leads_to_the_site(self):
        self.gatehouse(self.required())
        with self.connect(self.context(), "open.example") as stream:
            self.assertEqual(request_over(stream, "open.example")[2], b"open")
            self.assertEqual(request_over(stream, "safe.example")[0], 421)
        with self.connect(self.context(self.alice), "open.example") as stream:
            self.assertEqual(request_over(stream, "safe.example")[0], 421)
        # Nor a session of the open site.
        context = self.context()
        stream = self.connect(context, "open.example")
        self.assertEqual(request_over(stream, "open.example")[0], 200)
        with self.assertRaises(ssl.SSLError):
            request_over(self.connect(context, "safe.example", stream.session), "safe.example")
        status, headers, _ = http_get(self.http, "safe.example")
        self.assertEqual((status, headers["Location"]), (308, f"https://safe.example:{self.https}/"))

    def test_the_example_works(self):
        backend = Backend(self.scene)
        with open(os.path.join(os.environ["GATEHOUSE_TOP"], "examples/client-certificates.toml")) as f:
            example = f.read()
        for was, now in (("localhost:3000", f"127.0.0.1:{backend.port}"), ("example.com", "localhost"),
                         ("/etc/gatehouse/staff-ca.pem", self.ca.pem), ("/etc/gatehouse/staff-crl.pem", self.crl)):
            self.assertIn(was, example)
            example = example.replace(was, now)
        gate = Gatehouse(self.scene, f"""
[server]
http = []
https = ["127.0.0.1:{self.https}"]
data_dir = "{self.scene.path('data')}"
""" + example)
        root = os.path.join(gate.data_dir, "internal-ca", "root.pem")
        wait_for(lambda: os.path.exists(root), "the internal CA")
        context = tls_context(root, ["http/1.1"])
        with self.assertRaises(ssl.SSLError):
            request_over(self.connect(context, "intern.localhost"), "intern.localhost")
        context.load_cert_chain(*self.alice)
        self.assertEqual(request_over(self.connect(context, "intern.localhost"), "intern.localhost")[0], 200)


class TowardsServers(Case):
    def setUp(self):
        super().setUp()
        self.http = free_port()
        self.ca = Authority(self.scene, "corp")
        self.seen = []

    def server(self, pair, version=ssl.TLSVersion.TLSv1_3, demand=True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = version
        context.load_cert_chain(*pair)
        if demand:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca.pem)

        def show(request):
            subject = request.connection.getpeercert()["subject"] if demand else ()
            self.seen.append(dict(pair for part in subject for pair in part).get("commonName"))
            Backend.echo(request)

        backend = Backend(self.scene, show)
        backend.server.socket = context.wrap_socket(backend.server.socket, server_side=True,
                                                    do_handshake_on_connect=False)
        return backend

    def gatehouse(self, port, tls):
        self.gate = Gatehouse(self.scene, self.config(port, tls))
        return self.gate

    def config(self, port, tls):
        return f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = []
data_dir = "{self.scene.path('data')}"
workers = 1
[log]
access = "{self.scene.path('access.log')}"
[backend.app]
servers = ["https://localhost:{port}"]
tls = {{ roots = "{self.ca.pem}", {tls} }}
[[site]]
hosts = ["*"]
backend = "app"
tls.mode = "off"
"""

    def ask(self):
        return http_get(self.http, "shop.example")[0]

    def place(self, pair):
        """Puts a pair where the config names it."""
        for source, name in zip(pair, ("our.pem", "our.key")):
            with open(source) as f:
                self.scene.write(name, f.read())
        return f'cert = "{self.scene.path("our.pem")}", key = "{self.scene.path("our.key")}"'

    def test_a_server_that_asks_is_shown_our_certificate_and_the_new_one_after_a_reload(self):
        pair = self.ca.leaf("localhost")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version.name):
                self.seen.clear()
                backend = self.server(pair, version)
                tls = self.place(self.ca.leaf("gate-one", usage="clientAuth"))
                gate = self.gatehouse(backend.port, tls)
                self.assertEqual([self.ask(), self.ask()], [200, 200])
                self.place(self.ca.leaf("gate-two", usage="clientAuth"))
                status, _, errors = gate.command("reload")
                self.assertEqual(status, 0, errors)
                self.assertEqual(self.ask(), 200)
                self.assertEqual(self.seen, ["gate-one", "gate-one", "gate-two"])
                gate.stop()

    def test_without_a_certificate_such_a_server_is_a_502_and_the_log_says_why(self):
        # In TLS 1.3 the server refuses after our handshake: its reset may overtake its alert.
        for version, why in ((ssl.TLSVersion.TLSv1_3, "alert certificate required|reset by peer|Broken pipe|closed"),
                             (ssl.TLSVersion.TLSv1_2, "alert handshake failure")):
            with self.subTest(version.name):
                backend = self.server(self.ca.leaf("localhost"), version)
                gate = self.gatehouse(backend.port, "verify = true")
                self.assertEqual(self.ask(), 502)
                line = wait_for(lambda: json.loads((self.scene.log("access.log").splitlines() or ["null"])[-1]), "a line")
                self.assertRegex(line["error"], why)
                os.unlink(self.scene.path("access.log"))
                gate.stop()

    def test_a_key_of_another_certificate_is_told_at_start(self):
        one, two = self.ca.leaf("one", usage="clientAuth"), self.ca.leaf("two", usage="clientAuth")
        gate = Gatehouse(self.scene, self.config(1, f'cert = "{one[0]}", key = "{two[1]}"'), wait=False)
        self.assertEqual(gate.process.wait(20 * PATIENCE), 1)
        gate.wait_logged("backend app: https://localhost:1: tls.cert ")
        gate.wait_logged("the private key belongs to another certificate")

    def test_a_name_in_the_subject_alone_proves_nothing(self):
        backend = self.server(self.ca.leaf("localhost", san=False), demand=False)
        gate = self.gatehouse(backend.port, "verify = true")
        self.assertEqual(self.ask(), 502)
        gate.wait_logged("certificate verify failed: hostname mismatch")


if __name__ == "__main__":
    main()
