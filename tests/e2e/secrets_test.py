"""Keys of a connection are in the memory of the process for as long as they are needed, and no longer. The process is
searched from outside for what its client knows by the same secrets."""
import hashlib
import hmac

from dialogue import Dialogue
from harness import *

# (name of the suite, its hash, octets of its key)
SUITES = (("TLS_AES_128_GCM_SHA256", hashlib.sha256, 16), ("TLS_AES_256_GCM_SHA384", hashlib.sha384, 32),
          ("TLS_CHACHA20_POLY1305_SHA256", hashlib.sha256, 32))
# Sanitizers reserve more than anybody could read; what is ours is small.
MOST_IN_ONE_MAPPING = 1 << 30
ASK = "GET /hello HTTP/1.1\r\nHost: a.localhost\r\n\r\n"


def expand_label(digest, secret, label, size):
    """RFC 8446 section 7.1, one block, no context."""
    name = b"tls13 " + label.encode()
    info = size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return hmac.new(secret, info + b"\x01", digest).digest()[:size]


class Keys:
    """One traffic secret and what records are sealed with by it."""

    def __init__(self, digest, size, secret):
        self.digest, self.size, self.secret = digest, size, secret
        self.key = expand_label(digest, secret, "key", size)

    def next(self):
        return Keys(self.digest, self.size, expand_label(self.digest, self.secret, "traffic upd", len(self.secret)))


class Secrets(Case):
    def serve(self, lean=True):
        self.port = free_port()
        self.gate = Gatehouse(self.scene, f"""
[server]
http = []
https = ["127.0.0.1:{self.port}"]
data_dir = "{self.scene.path('data')}"
lean_records = {str(lean).lower()}
[[site]]
hosts = ["a.localhost"]
[[site.route]]
path = "/hello"
respond = {{ body = "hello from here" }}
""")
        self.root = self.gate.internal_root()

    def memory(self):
        """All that the process can write to, in pieces."""
        with open(f"/proc/{self.gate.pid()}/maps") as maps, \
                open(f"/proc/{self.gate.pid()}/mem", "rb", buffering=0) as memory:
            for line in maps:
                places, rights = line.split()[:2]
                start, end = (int(place, 16) for place in places.split("-"))
                if not rights.startswith("rw") or end - start > MOST_IN_ONE_MAPPING:
                    continue
                with contextlib.suppress(OSError):  # gone since, or of a kind that nobody reads
                    memory.seek(start)
                    yield memory.read(end - start)

    def found(self, needles):
        """The names of those that are anywhere in the memory of the process."""
        return {name for octets in self.memory() for name, needle in needles.items() if needle in octets}

    def client(self, *words):
        """An open connection that has been answered once, and the secrets of it by name."""
        log = self.scene.path("keys")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(log)
        peer = Dialogue(self.scene, ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername",
                                     "a.localhost", "-CAfile", self.root, "-keylogfile", log, "-msg", *words])
        peer.say(ASK, "hello from here")
        with open(log) as lines:
            secrets = {words[0]: bytes.fromhex(words[2]) for words in map(str.split, lines) if len(words) == 3}
        tickets = re.findall(r"(Resumption PSK): ([0-9A-F]+)", peer.out)
        secrets.update((f"{name} {number}", bytes.fromhex(value)) for number, (name, value) in enumerate(tickets))
        return peer, secrets

    def test_secrets_go_when_they_are_done_with(self):
        self.serve()
        for suite, digest, size in SUITES:
            with self.subTest(suite):
                peer, secrets = self.client("-ciphersuites", suite)
                traffic = {way: Keys(digest, size, secrets.pop(f"{way}_TRAFFIC_SECRET_0"))
                           for way in ("CLIENT", "SERVER")}
                self.assertEqual(set(secrets), {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                                                "EXPORTER_SECRET", "Resumption PSK 0", "Resumption PSK 1"})
                current = {f"{way} {kind}": getattr(keys, kind) for way, keys in traffic.items()
                           for kind in ("secret", "key")}
                # What the connection lives on is there, or the search is worth nothing; the handshake's has gone.
                self.assertEqual(self.found(current | secrets), set(current))

                # New keys both ways: of the old ones nothing is left (RFC 8446 section 7.2).
                peer.say("K\n", ">>> TLS 1.3, Handshake [length 0005], KeyUpdate")
                peer.say(ASK, "hello from here", 2)
                later = {f"next {way} {kind}": getattr(keys.next(), kind) for way, keys in traffic.items()
                         for kind in ("secret", "key")}
                self.assertEqual(self.found(current | secrets | later), set(later))

                peer.end()
                everything = current | secrets | later
                wait_for(lambda: not self.found(everything), "the end of all secrets of a connection that ended")

    def test_a_connection_that_rests_has_its_keys_once(self):
        self.serve()
        for suite, digest, size in SUITES:
            with self.subTest(suite):
                peer, secrets = self.client("-ciphersuites", suite)
                keys = [Keys(digest, size, secrets[f"{way}_TRAFFIC_SECRET_0"]).key for way in ("CLIENT", "SERVER")]

                def copies():
                    counts = [0, 0]
                    for octets in self.memory():
                        counts = [count + octets.count(key) for count, key in zip(counts, keys)]
                    return counts
                # What OpenSSL made of them for busy times has gone.
                wait_for(lambda: copies() == [1, 1], "the rest of a connection")
                peer.say(ASK, "hello from here", 2)
                peer.end()

    def test_a_session_is_resumed_without_leaving_its_secret(self):
        self.serve()
        session = self.scene.path("session")
        peer, first = self.client("-sess_out", session)
        peer.end()
        peer, second = self.client("-sess_in", session)
        self.assertIn("Reused, TLSv1.3", peer.out)
        lasting = {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"}
        self.assertEqual(self.found(second), lasting)
        old = {f"first {name}": secret for name, secret in first.items()}
        wait_for(lambda: not self.found(old), "the end of what the first connection had")
        peer.end()
        wait_for(lambda: not self.found(old | second), "the end of all secrets of connections that ended")

    def test_connections_of_openssl_leave_none_behind_either(self):
        self.serve(lean=False)
        for version, lasting in (("-tls1_2", {"CLIENT_RANDOM"}),
                                 ("-tls1_3", {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"})):
            with self.subTest(version):
                peer, secrets = self.client(version)
                self.assertLessEqual(lasting, self.found(secrets))
                peer.end()
                wait_for(lambda: not self.found(secrets), "the end of all secrets of a connection that ended")


if __name__ == "__main__":
    main()
