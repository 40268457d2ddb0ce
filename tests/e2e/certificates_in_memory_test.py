"""More names than certificates may be in memory: whoever asks gets the right one, from wherever it is kept."""
from concurrent.futures import ThreadPoolExecutor

from certificates import Authority
from harness import *


class InMemory(Case):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.authority = Authority(self.scene, "site-owners")
        self.pairs = {f"h{i}.example.net": self.authority.leaf(f"h{i}.example.net") for i in range(8)}

    def config(self, most):
        sites = "".join(f'[[site]]\nhosts = ["{host}"]\nrespond = {{ body = "{host}" }}\n'
                        f'tls = {{ mode = "files", cert = "{cert}", key = "{key}" }}\n'
                        for host, (cert, key) in self.pairs.items())
        return f"""
[server]
http = []
https = ["127.0.0.1:{self.port}"]
data_dir = "{self.scene.path('data')}"
workers = 2
certificates_in_memory = {most}
[[site]]
hosts = ["*.localhost"]
respond = {{ body = "made by the internal CA" }}
{sites}"""

    def answer(self, host):
        """The certificate is checked against the authority and the name."""
        status, _, body = https_get(self.port, host, self.authority.pem)
        return body.decode() if status == 200 else status

    def all_answer(self, rounds=3):
        hosts = list(self.pairs) * rounds
        with ThreadPoolExecutor(8) as pool:
            self.assertEqual(list(pool.map(self.answer, hosts)), hosts)

    def test_each_name_gets_its_certificate_whatever_may_be_in_memory(self):
        gate = Gatehouse(self.scene, self.config(2))
        self.all_answer()
        for most in (1, 100, 3):
            gate.rewrite(self.config(most))
            status, out, err = gate.command("reload")
            self.assertEqual(status, 0, out + err)
            self.all_answer()
        status, out, err = gate.command("certs", "--json")
        self.assertEqual(status, 0, err)
        states = {one["host"]: one["state"] for one in json.loads(out)["certificates"]}
        self.assertEqual({host: states.get(host) for host in self.pairs}, dict.fromkeys(self.pairs, "live"))

    def test_names_of_the_internal_ca_are_certified_again_when_they_are_asked_for(self):
        Gatehouse(self.scene, self.config(1))
        root = self.scene.path("data", "internal-ca", "root.pem")
        serial_of(self.port, "a.localhost")  # the root is made with its first certificate
        for host in ["a.localhost", "b.localhost"] * 3:
            self.assertEqual(https_get(self.port, host, root)[2], b"made by the internal CA")

    def test_files_that_changed_while_they_were_not_in_memory_are_served_as_they_are(self):
        gate = Gatehouse(self.scene, self.config(1))
        [first, second, *_] = self.pairs
        self.all_answer(1)
        self.answer(second)
        before = serial_of(self.port, first)
        self.answer(second)
        self.pairs[first] = self.authority.leaf(first)
        gate.rewrite(self.config(1))
        self.assertEqual(gate.command("reload")[0], 0)
        self.assertNotEqual(serial_of(self.port, first), before)
        self.all_answer(1)


main()
