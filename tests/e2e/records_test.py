"""TLS records made without OpenSSL, and what other people's TLS makes of them: OpenSSL, curl, GnuTLS, NSS, Go and
Java; large bodies both ways, new keys in the middle, resumed sessions. A program that is not installed is left out
(in Debian: openssl, curl, gnutls-bin, libnss3-tools, caddy, a JDK). Browsers have a test of their own."""
import hashlib

from dialogue import Dialogue
from harness import *

LARGE = 48 * 1024 * 1024
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


def needs(program):
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed")


def digest(request):
    """Answers with the SHA-256 of the body."""
    length = int(request.headers.get("Content-Length") or 0)
    seen = hashlib.sha256()
    while length > 0:
        piece = request.rfile.read(min(length, 1 << 20))
        if not piece:
            return
        length -= len(piece)
        seen.update(piece)
    text = seen.hexdigest().encode()
    request.send_response(200)
    request.send_header("Content-Length", str(len(text)))
    request.end_headers()
    request.wfile.write(text)


class Records(Case):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.backend = Backend(self.scene, digest)
        os.mkdir(self.scene.path("root"))
        self.gate = Gatehouse(self.scene, self.config(True))
        self.root = self.gate.internal_root()
        wait_for(self.served, "the certificate")

    def config(self, lean):
        return f"""
[server]
http = []
https = ["127.0.0.1:{self.port}"]
data_dir = "{self.scene.path('data')}"
lean_records = {str(lean).lower()}
[[site]]
hosts = ["a.localhost"]
[[site.route]]
path = "/upload"
backend = "127.0.0.1:{self.backend.port}"
[[site.route]]
path = "/hello"
respond = {{ body = "hello from here" }}
[[site.route]]
path = "/large"
files = {{ root = "{self.scene.path('root')}" }}
"""

    def served(self):
        with contextlib.suppress(OSError):
            return https_get(self.port, "a.localhost", self.root, "/hello")[0] == 200

    def large(self):
        """A file of the site's that no two records of are alike; returns its digest."""
        block = os.urandom(1 << 20)
        seen = hashlib.sha256()
        with open(self.scene.path("root", "large"), "wb") as f:
            for number in range(LARGE >> 20):
                piece = number.to_bytes(8, "big") + block[8:]
                seen.update(piece)
                f.write(piece)
        return seen.hexdigest()

    def run_program(self, argv, text="", seconds=60, **kwargs):
        done = subprocess.run(argv, input=text.encode(), capture_output=True, timeout=seconds * PATIENCE, **kwargs)
        return (done.stdout + done.stderr).decode(errors="replace")

    def request(self, path="/hello", last=True):
        return f"GET {path} HTTP/1.1\r\nHost: a.localhost\r\n" + ("Connection: close\r\n" if last else "") + "\r\n"

    def talk(self, argv, *lines):
        """Types each line into a program that speaks TLS, and waits until its output has as many of a text as told."""
        dialogue = Dialogue(self.scene, argv)
        for line, text, times in lines:
            dialogue.say(line, text, times)
        dialogue.end()
        return dialogue.out

    @needs("openssl")
    def test_openssl_talks_in_every_suite(self):
        for suite in SUITES:
            text = self.run_program(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername",
                                     "a.localhost", "-CAfile", self.root, "-verify_return_error", "-ciphersuites",
                                     suite, "-ign_eof"], self.request())
            self.assertIn(f"Cipher is {suite}", text)
            self.assertIn("hello from here", text)
            self.assertIn("closed", text)  # by our close_notify, then the end

    @needs("openssl")
    def test_openssl_agrees_on_keys_that_quantum_computers_do_not_find(self):
        group = "X25519MLKEM768"
        groups = subprocess.run(["openssl", "list", "-tls-groups"], capture_output=True, text=True).stdout
        if group not in groups:
            self.skipTest(f"this OpenSSL has no {group}")
        session = self.scene.path("session")
        argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", "a.localhost", "-CAfile",
                self.root, "-ign_eof"]
        for words in ([], ["-groups", group], ["-sess_out", session], ["-sess_in", session]):
            text = self.run_program(argv + words, self.request())
            self.assertIn(f"Negotiated TLS1.3 group: {group}", text)
            self.assertIn("hello from here", text)
        self.assertIn("Reused, TLSv1.3", text)

    @needs("openssl")
    def test_openssl_changes_keys_both_ways_in_the_middle(self):
        ours, theirs = (f"{way} TLS 1.3, Handshake [length 0005], KeyUpdate" for way in ("<<<", ">>>"))
        ask, hello = self.request(last=False), "hello from here"
        self.talk(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", "a.localhost",
                   "-CAfile", self.root, "-msg"],
                  (ask, hello, 1), ("K\n", theirs, 1), (ask, hello, 2), ("k\n", theirs, 2), (ask, hello, 3),
                  ("K\n", theirs, 3), (ask, hello, 4), ("", ours, 2))

    @needs("openssl")
    def test_openssl_resumes(self):
        session = self.scene.path("session")
        argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", "a.localhost", "-CAfile",
                self.root, "-ign_eof"]
        self.assertIn("New, TLSv1.3", self.run_program(argv + ["-sess_out", session], self.request()))
        for _ in range(3):
            text = self.run_program(argv + ["-sess_in", session, "-sess_out", session], self.request())
            self.assertIn("Reused, TLSv1.3", text)
            self.assertIn("hello from here", text)

    @needs("openssl")
    def test_sessions_outlive_the_way_back_and_forth(self):
        session = self.scene.path("session")
        argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", "a.localhost", "-CAfile",
                self.root, "-ign_eof"]
        self.run_program(argv + ["-sess_out", session], self.request())
        context = tls_context(self.root, ["http/1.1"])
        with socket.create_connection(("127.0.0.1", self.port)) as raw, \
                context.wrap_socket(raw, server_hostname="a.localhost") as old:
            old.sendall(self.request(last=False).encode())
            self.assertIn(b"200", old.recv(65536))
            for lean in (False, True):
                self.gate.rewrite(self.config(lean))
                self.gate.command("reload")
                text = self.run_program(argv + ["-sess_in", session], self.request())
                self.assertIn("Reused, TLSv1.3", text)
                self.assertIn("hello from here", text)
                # And a connection of before goes on.
                old.sendall(self.request(last=False).encode())
                self.assertIn(b"200", old.recv(65536))

    @needs("curl")
    def test_curl_moves_large_bodies_both_ways(self):
        wanted = self.large()
        base = ["curl", "-sS", "--cacert", self.root, "--resolve", f"a.localhost:{self.port}:127.0.0.1",
                "--tlsv1.3"]
        url = f"https://a.localhost:{self.port}"
        for version in ("--http1.1", "--http2"):
            got = self.scene.path("got")
            self.assertEqual(self.run_program(base + [version, "-o", got, url + "/large"]), "")
            with open(got, "rb") as f:
                self.assertEqual(hashlib.sha256(f.read()).hexdigest(), wanted)
            self.assertEqual(self.run_program(base + [version, "-H", "Expect:", "--data-binary",
                                                      "@" + self.scene.path("root", "large"), url + "/upload"]), wanted)

    @needs("gnutls-cli")
    def test_gnutls_talks_in_every_suite_and_changes_keys(self):
        for cipher in ("AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305"):
            ask, hello = self.request(last=False), "hello from here"
            text = self.talk(["gnutls-cli", "--x509cafile", self.root, "--sni-hostname", "a.localhost",
                              "--verify-hostname", "a.localhost", "--inline-commands", "--priority",
                              f"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+{cipher}", "-p", str(self.port),
                              "127.0.0.1"],
                             (ask, hello, 1), ("^rekey^\n", "Rekey was completed", 1), (ask, hello, 2))
            self.assertIn(f"({cipher})", text)

    @needs("tstclnt")
    def test_nss_talks_in_every_suite(self):
        folder = self.scene.path("nss")
        os.mkdir(folder)
        subprocess.run(["certutil", "-N", "-d", f"sql:{folder}", "--empty-password"], check=True, capture_output=True)
        subprocess.run(["certutil", "-A", "-d", f"sql:{folder}", "-n", "root", "-t", "C,,", "-a", "-i", self.root],
                       check=True, capture_output=True)
        for suite in ("1301", "1302", "1303"):
            self.talk(["tstclnt", "-h", "127.0.0.1", "-p", str(self.port), "-a", "a.localhost", "-d",
                       f"sql:{folder}", "-V", "tls1.3:tls1.3", "-c", f":{suite}"],
                      (self.request(last=False), "hello from here", 1))

    @needs("caddy")
    def test_go_talks_to_us_with_bodies_both_ways(self):
        wanted = self.large()
        port = free_port()
        # Not on the road of anybody's certificates: Go is the client here, of our TLS.
        file = self.scene.write("Caddyfile", f"""
{{
  admin off
  auto_https off
}}
http://:{port} {{
  reverse_proxy https://127.0.0.1:{self.port} {{
    header_up Host a.localhost
    transport http {{
      tls_server_name a.localhost
      tls_trusted_ca_certs {self.root}
    }}
  }}
}}
""")
        self.scene.process(["caddy", "run", "--adapter", "caddyfile", "--config", file], "caddy.log",
                           env=dict(os.environ, HOME=self.scene.path("home")))
        wait_for(lambda: accepts(port), "Caddy")
        self.assertEqual(http_get(port, "a.localhost", "/hello")[2], b"hello from here")
        self.assertEqual(hashlib.sha256(http_get(port, "a.localhost", "/large")[2]).hexdigest(), wanted)
        with open(self.scene.path("root", "large"), "rb") as f:
            body = f.read()
        self.assertEqual(http_get(port, "a.localhost", "/upload", method="POST", body=body)[2].decode(), wanted)

    @needs("javac")
    def test_java_talks_in_every_suite(self):
        self.scene.write("Visit.java", """
import java.net.*;
import java.security.KeyStore;
import java.security.cert.*;
import javax.net.ssl.*;

class Visit {
  public static void main(String[] words) throws Exception {
    var roots = KeyStore.getInstance(KeyStore.getDefaultType());
    roots.load(null, null);
    try (var in = new java.io.FileInputStream(words[1])) {
      roots.setCertificateEntry("root", CertificateFactory.getInstance("X.509").generateCertificate(in));
    }
    var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(roots);
    var context = SSLContext.getInstance("TLSv1.3");
    context.init(null, trust.getTrustManagers(), null);
    var plain = new Socket("127.0.0.1", Integer.parseInt(words[0]));
    var socket = (SSLSocket) context.getSocketFactory().createSocket(plain, "a.localhost", 443, true);
    socket.setEnabledCipherSuites(new String[] {words[2]});
    socket.startHandshake();
    System.out.println(socket.getSession().getCipherSuite());
    socket.getOutputStream().write("GET /hello HTTP/1.1\\r\\nHost: a.localhost\\r\\nConnection: close\\r\\n\\r\\n".getBytes());
    System.out.println(new String(socket.getInputStream().readAllBytes()));
  }
}
""")
        for suite in SUITES:
            text = self.run_program(["java", self.scene.path("Visit.java"), str(self.port), self.root, suite])
            self.assertIn(suite, text)
            self.assertIn("hello from here", text)


if __name__ == "__main__":
    main()
