"""kill -9 at random points of issuance, a hundred times."""
import glob
import random
import ssl
import subprocess

from harness import *

ROUNDS = int(os.environ.get("GATEHOUSE_KILL_ROUNDS", "100"))


class Kill(Case):
    def test_a_hundred_kills_never_make_a_second_account_and_never_lose_a_key(self):
        seed = int(os.environ.get("GATEHOUSE_TEST_SEED", random.randrange(1 << 30)))
        print(f"seed {seed}", file=sys.stderr)
        chance = random.Random(seed)
        http_port, https_port = free_port(), free_port()
        backend = Backend(self.scene)
        pebble = Pebble(self.scene, http_port, https_port, nonce_reject=10)

        def config(names):
            hosts = ", ".join(f'"{n}"' for n in names)
            return f"""
[server]
http = ["127.0.0.1:{http_port}"]
https = ["127.0.0.1:{https_port}"]
data_dir = "{self.scene.path('data')}"
graceful_timeout = "1s"
[acme]
ca = ["pebble"]
{pebble.issuer()}
[[site]]
hosts = [{hosts}]
backend = "127.0.0.1:{backend.port}"
"""
        names = ["n0.example.net"]
        gate = Gatehouse(self.scene, config(names))
        for round_ in range(ROUNDS):
            # Somewhere between the start and a little after the end of an issuance.
            self.wait_a_moment(chance.uniform(0.0, 0.35) * PATIENCE, gate)
            gate.kill()
            if round_ % 4 == 3:
                names.append(f"n{len(names)}.example.net")
                gate.rewrite(config(names))
            gate.start()
        root = pebble.root_file()
        for name in names:
            def served():
                try:
                    return https_get(https_port, name, root)[0] == 200
                except (ssl.SSLError, OSError):
                    return False
            wait_for(served, f"{name} to recover", 150)
        self.assertEqual(pebble.accounts_made(), 1, "accounts")
        # Each certificate that the CA issued and storage holds goes with its key.
        pairs = glob.glob(self.scene.path("data/certificates/*/*/*/cert.pem"))
        self.assertGreaterEqual(len(pairs), len(names))
        for certificate in pairs:
            key = os.path.join(os.path.dirname(certificate), "key.pem")
            public = [subprocess.run(["openssl", *words], capture_output=True, check=True).stdout
                      for words in (["x509", "-in", certificate, "-noout", "-pubkey"],
                                    ["pkey", "-in", key, "-pubout"])]
            self.assertEqual(public[0], public[1], certificate)
        # A kill may cost an order that was under way, never one that storage knew as done.
        self.assertLessEqual(pebble.certificates_issued(), len(names) + ROUNDS // 4)
        self.assertEqual(gate.stop(), 0)

    @staticmethod
    def wait_a_moment(seconds, gate):
        """Lets the process live for a random while: the point in time is the test's input."""
        try:
            gate.process.wait(seconds)
            raise AssertionError("gatehouse ended by itself:\n" + gate.log())
        except subprocess.TimeoutExpired:
            pass


if __name__ == "__main__":
    main()
