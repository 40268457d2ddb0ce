"""Servers behind TLS, with certificates of openssl's making and Python's ssl at their end."""
import base64
import hashlib
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

    @staticmethod
    def over():
        """What makes `openssl x509` date a certificate into the past: minus one day where it has no dates."""
        words = subprocess.run(["openssl", "x509", "-help"], capture_output=True, text=True).stderr
        if "-not_after" in words:
            return "-not_before", "20200101000000Z", "-not_after", "20200102000000Z"
        return "-days", "-1"

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
        expired = self.leaf("again", "old.example", *self.over())
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

    def test_a_websocket_passes_both_ways_and_closes_half_by_half(self):
        root = self.root("corp")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.leaf("corp", "localhost"))
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            with self.subTest(version.name):
                context.maximum_version = version
                server = socket.create_server(("127.0.0.1", 0))
                self.scene.callback(server.close)
                thread = threading.Thread(target=self.echo, args=(context, server), daemon=True)
                thread.start()
                self.gatehouse(f"https://localhost:{server.getsockname()[1]}", f'{{ roots = "{root}" }}')
                self.talk()
                thread.join(20 * PATIENCE)
                self.assertFalse(thread.is_alive(), "the server saw the end")
                self.gate.kill()

    def talk(self):
        """A WebSocket's client: early octets, two megabytes there and back, then its end."""
        raw = socket.create_connection(("127.0.0.1", self.http), timeout=30 * PATIENCE)
        raw.sendall(b"GET /chat HTTP/1.1\r\nHost: shop.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x05hello")
        reader = raw.makefile("rb")
        self.assertIn(b"101", reader.readline())
        fields = b""
        while (line := reader.readline()) != b"\r\n":
            self.assertTrue(line, fields)
            fields += line
        self.assertIn(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", fields)
        self.assertEqual(reader.read(14), b"\x81\x05early\x81\x05hello")
        data = os.urandom(2_000_000)
        sender = threading.Thread(target=lambda: (raw.sendall(data), raw.shutdown(socket.SHUT_WR)))
        sender.start()
        self.assertEqual(reader.read(len(data)), data)
        sender.join()
        self.assertEqual(reader.read(), b"", "the server's end comes through")
        raw.close()

    @staticmethod
    def echo(context, server):
        """One WebSocket over TLS whose server says something early and returns all it hears."""
        accepted, _ = server.accept()
        with context.wrap_socket(accepted, server_side=True) as connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536)
            head, early = data.split(b"\r\n\r\n", 1)
            key = re.search(rb"Sec-WebSocket-Key: *(\S+)", head, re.I).group(1)
            accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + b"\x81\x05early" + early)
            while piece := connection.recv(65536):
                connection.sendall(piece)
            connection.unwrap()


if __name__ == "__main__":
    main()
