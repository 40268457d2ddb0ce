"""Servers behind TLS, with certificates of openssl's making and Python's ssl at their end."""
import ssl
import subprocess

from harness import *


class HttpsBackend(Case):
    def openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.scene.dir)

    def root(self, name):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2",
                     "-addext", "basicConstraints=critical,CA:TRUE")
        return self.scene.path(f"{name}.pem")

    def leaf(self, root, name, *days):
        """(certificate, key) for `name`, signed by `root`."""
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                     f"{name}-leaf.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        self.scene.write(f"{name}.ext", f"subjectAltName=DNS:{name}\n")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{root}.pem", "-CAkey", f"{root}.key",
                     "-extfile", f"{name}.ext", "-out", f"{name}-leaf.pem", *(days or ("-days", "2")))
        return self.scene.path(f"{name}-leaf.pem"), self.scene.path(f"{name}-leaf.key")

    def server(self, pair, maximum=ssl.TLSVersion.TLSv1_3):
        """A Backend that speaks TLS; its `names` are the SNI of each handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = maximum
        context.load_cert_chain(*pair)
        names = []
        context.sni_callback = lambda _, name, __: names.append(name)
        backend = Backend(self.scene)
        backend.server.socket = context.wrap_socket(backend.server.socket, server_side=True,
                                                    do_handshake_on_connect=False)
        backend.names = names
        return backend

    def gatehouse(self, url, tls, environment=None):
        self.http = free_port()
        number = getattr(self, "number", 0)
        self.number = number + 1
        self.gate = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = []
data_dir = "{self.scene.path(f'data{number}')}"
workers = 1
[backend.app]
servers = ["{url}"]
tls = {tls}
[[site]]
hosts = ["*"]
backend = "app"
tls.mode = "off"
""", name=f"gatehouse{number}", environment=environment)
        return self.gate

    def ask(self, path="/"):
        return http_get(self.http, "shop.example", path)

    def test_one_verified_connection_carries_many_requests(self):
        root = self.root("corp")
        pair = self.leaf("corp", "localhost")
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            with self.subTest(version.name):
                backend = self.server(pair, version)
                self.gatehouse(f"https://localhost:{backend.port}", f'{{ roots = "{root}" }}')
                for i in range(20):
                    status, _, body = self.ask(f"/n{i}")
                    self.assertEqual(status, 200)
                    self.assertEqual(json.loads(body)["path"], f"/n{i}")
                self.assertEqual(backend.names, ["localhost"], "one handshake, by name")
                self.assertEqual(len(backend.requests), 20)
                seen = dict((k.lower(), v) for k, v in json.loads(body)["headers"])
                self.assertEqual(seen["host"], "shop.example")
                self.gate.kill()

    def test_the_systems_roots_are_the_default(self):
        root = self.root("corp")
        backend = self.server(self.leaf("corp", "localhost"))
        self.gatehouse(f"https://localhost:{backend.port}", "{}", environment={"SSL_CERT_FILE": root})
        self.assertEqual(self.ask()[0], 200)
        self.gate.kill()
        self.gatehouse(f"https://localhost:{backend.port}", "{}")
        self.assertEqual(self.ask()[0], 502)

    def test_what_cannot_prove_its_name_is_a_502_and_the_log_says_why(self):
        root, other = self.root("corp"), self.root("other")
        mismatch = self.leaf("corp", "elsewhere.example")
        right = self.leaf("corp", "localhost")
        expired_root = self.root("again")
        # openssl's x509 takes no past end: a certificate made for minus one day is over already.
        expired = self.leaf("again", "old.example", "-days", "-1")
        rows = [
            ("another name", mismatch, f'{{ roots = "{root}" }}', "hostname mismatch"),
            ("unknown root", right, f'{{ roots = "{other}" }}', "unable to get local issuer certificate"),
            ("expired", expired, f'{{ roots = "{expired_root}", server_name = "old.example" }}',
             "certificate has expired"),
        ]
        for name, pair, tls, why in rows:
            with self.subTest(name):
                backend = self.server(pair)
                self.gatehouse(f"https://localhost:{backend.port}", tls)
                status, _, body = self.ask()
                self.assertEqual(status, 502)
                self.assertNotIn(b"certificate", body, "the client is not told about the inside")
                log = self.gate.log()
                self.assertIn("certificate verify failed: " + why, log)
                self.assertIn(f"https://localhost:{backend.port}", log)
                self.assertEqual(backend.requests, [])
                self.gate.kill()

    def test_server_name_and_verify_say_whom_to_trust(self):
        root = self.root("corp")
        backend = self.server(self.leaf("corp", "inner.example"))
        self.gatehouse(f"https://127.0.0.1:{backend.port}",
                       f'{{ roots = "{root}", server_name = "inner.example" }}')
        self.assertEqual(self.ask()[0], 200)
        self.assertEqual(backend.names, ["inner.example"])
        self.gate.kill()
        self.gatehouse(f"https://localhost:{backend.port}", "{ verify = false }")
        self.assertEqual(self.ask()[0], 200)
        self.assertEqual(backend.names, ["inner.example", "localhost"])

    def test_a_big_body_passes_each_way(self):
        root = self.root("corp")
        backend = self.server(self.leaf("corp", "localhost"))
        self.gatehouse(f"https://localhost:{backend.port}", f'{{ roots = "{root}" }}')
        data = os.urandom(8 << 20)
        status, _, body = http_get(self.http, "shop.example", "/", method="POST", body=data)
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(body)["body"].encode("latin-1"), data)


if __name__ == "__main__":
    main()
