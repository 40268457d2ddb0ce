"""Certificates from a real CA for configured names."""
import re
import ssl
import subprocess

from harness import *


class Issuance(CaCase):
    def gatehouse(self, pebble_options=None, **tables):
        self.ca(**(pebble_options or {}))
        return self.serve(**tables)

    def served(self, host="app.example.net", root=0):
        def attempt():
            try:
                return https_get(self.https, host, self.pebble.root_file(root))
            except (ssl.SSLError, OSError):
                return None
        return wait_for(attempt, f"a certificate of the CA for {host}", 60)

    def check_served(self, host="app.example.net"):
        status, _, body = self.served(host)
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(body)["path"], "/")

    def test_a_configured_name_is_served_with_the_cas_certificate(self):
        self.gatehouse()
        self.check_served()
        self.assertEqual(self.pebble.accounts_made(), 1)

    def test_http_01_alone_is_enough(self):
        self.gatehouse(acme='challenges = ["http-01"]', pebble_options=dict(authz_reuse=0))
        self.check_served()
        self.assertIn("Attempting to validate w/ HTTP", self.pebble.log())

    def test_tls_alpn_01_alone_is_enough(self):
        self.gatehouse(acme='challenges = ["tls-alpn-01"]', pebble_options=dict(authz_reuse=0))
        self.check_served()
        self.assertIn("Starting 3 validations", self.pebble.log())
        self.assertNotIn("Attempting to validate w/ HTTP", self.pebble.log())

    def test_a_ca_that_rejects_half_of_the_nonces_and_sleeps_is_coped_with(self):
        self.gatehouse(pebble_options=dict(nonce_reject=50, sleep=True))
        self.check_served()

    def test_many_names_get_a_certificate_each_and_reused_authorizations_do_no_harm(self):
        hosts = [f"n{i}.example.net" for i in range(6)]
        self.gatehouse(hosts=hosts, pebble_options=dict(authz_reuse=100))
        for host in hosts:
            self.check_served(host)

    def test_external_account_binding(self):
        self.gatehouse(pebble_options=dict(eab={"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}),
                       issuer='eab = { key_id = "kid-1", hmac_key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W" }')
        self.check_served()

    def test_a_wrong_binding_key_is_told_and_not_hammered(self):
        gate = self.gatehouse(
            pebble_options=dict(eab={"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}),
            issuer='eab = { key_id = "kid-2", hmac_key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W" }')
        wait_for(lambda: re.search(r"\"level\":\"(warn|error)\".*(unauthorized|kid-2|external account)", gate.log(), re.I),
                 "a line that tells of the refused binding", 30)
        self.assertNotIn("zWNDZM6e", gate.log())
        self.assertLess(self.pebble.log().count("/sign-me-up"), 10)

    def test_the_preferred_chain_is_chosen_among_alternates(self):
        self.ca(alternates=2, chain=2)
        wanted = subprocess.run(["openssl", "x509", "-noout", "-subject", "-nameopt", "multiline"],
                                input=self.pebble.root_pem(2), capture_output=True, text=True,
                                check=True).stdout
        wanted = re.search(r"commonName\s*=\s*(.*)", wanted).group(1).strip()
        self.serve(acme=f'preferred_chain = "{wanted}"')
        # Root 2 alone is trusted: only the alternate chain leads there.
        self.served(root=2)
        shown = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.https}",
                                "-servername", "app.example.net", "-showcerts"],
                               input="", capture_output=True, text=True).stdout
        self.assertIn(wanted, re.findall(r"i:(.*)", shown)[-1])

    def test_ecdsa_and_rsa_certificates_side_by_side(self):
        self.gatehouse(acme='key_type = ["p256", "rsa2048"]')
        self.check_served()

        def shown(*options):
            out = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.https}",
                                  "-servername", "app.example.net", *options],
                                 input="", capture_output=True, text=True).stdout
            return out
        # "RSA-PSS" or, from OpenSSL 3.5 on, "rsa_pss_rsae_sha256".
        wait_for(lambda: re.search("Peer signature type: rsa", shown("-sigalgs", "rsa_pss_rsae_sha256"), re.I),
                 "the RSA certificate", 40)
        self.assertRegex(shown(), "(?i)Peer signature type: ecdsa")

    def test_what_storage_holds_is_served_without_the_ca(self):
        gate = self.gatehouse()
        self.check_served()
        before = serial_of(self.https, "app.example.net")
        root = self.pebble.root_file()
        self.assertEqual(gate.stop(), 0)
        self.pebble.kill()
        gate.start()
        status, _, _ = https_get(self.https, "app.example.net", root)
        self.assertEqual(status, 200)
        self.assertEqual(serial_of(self.https, "app.example.net"), before)

    def test_a_certificate_for_an_ip_address(self):
        self.gatehouse(hosts=("127.0.0.1",), site='tls.mode = "acme"')

        def attempt():
            try:
                context = tls_context(self.pebble.root_file())
                raw = socket.create_connection(("127.0.0.1", self.https), timeout=10)
                with context.wrap_socket(raw, server_hostname="127.0.0.1") as stream:
                    return stream.getpeercert()
            except (ssl.SSLError, OSError):
                return None
        certificate = wait_for(attempt, "a certificate for the address", 60)
        self.assertIn(("IP Address", "127.0.0.1"), certificate["subjectAltName"])


if __name__ == "__main__":
    main()
