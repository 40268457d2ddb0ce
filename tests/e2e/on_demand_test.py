"""Names never seen before: issued on their first handshake, or refused."""
import concurrent.futures
import ssl
import urllib.parse

from harness import *


class OnDemand(CaCase):
    def gatehouse(self, rules, pebble_options=None):
        self.ca(**(pebble_options or {}))
        return self.serve(hosts=["*"], acme=f"[acme.on_demand]\n{rules}",
                          site='tls.mode = "on_demand"')

    def get(self, host):
        return https_get(self.https, host, self.pebble.root_file())

    def refused(self, host):
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.get(host)

    def test_a_never_seen_name_is_served_on_its_first_handshake(self):
        self.gatehouse('allow = ["*.customers.example.net"]')
        status, _, _ = self.get("one.customers.example.net")
        self.assertEqual(status, 200)
        self.assertEqual(self.pebble.orders_made(), 1)
        self.get("one.customers.example.net")
        self.assertEqual(self.pebble.orders_made(), 1)

    def test_a_hundred_handshakes_for_one_new_name_make_one_order(self):
        self.gatehouse('allow = ["*.customers.example.net"]', dict(sleep=True))
        root = self.pebble.root_file()
        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            answers = list(pool.map(
                lambda _: https_get(self.https, "many.customers.example.net", root)[0], range(100)))
        self.assertEqual(answers, [200] * 100)
        self.assertEqual(self.pebble.orders_made(), 1)
        self.assertEqual(self.pebble.accounts_made(), 1)

    def test_a_name_that_is_not_allowed_gets_an_alert_and_no_order(self):
        self.gatehouse('allow = ["*.customers.example.net"]')
        self.refused("evil.example.org")
        self.refused("deep.er.customers.example.net")
        self.assertEqual(self.pebble.orders_made(), 0)
        self.assertEqual(self.get("good.customers.example.net")[0], 200)

    def test_the_ask_endpoint_decides_and_a_denial_is_remembered(self):
        asked = []

        def answer(request):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
            asked.append((query["domain"][0], query["reason"][0], query["ip"][0]))
            request.send_response(200 if query["domain"][0].startswith("yes") else 404)
            request.send_header("Content-Length", "0")
            request.end_headers()
        ask = Backend(self.scene, answer)
        self.gatehouse(f'ask = "http://127.0.0.1:{ask.port}/check"')
        self.assertEqual(self.get("yes.shop.example.org")[0], 200)
        for _ in range(5):
            self.refused("no.shop.example.org")
        self.assertEqual([a for a in asked if a[0] == "no.shop.example.org"],
                         [("no.shop.example.org", "issue", "127.0.0.1")])
        self.assertEqual(self.pebble.orders_made(), 1)

    def test_an_ask_endpoint_that_is_away_denies(self):
        self.gatehouse(f'ask = "http://127.0.0.1:{free_port()}/check"')
        self.refused("any.shop.example.org")
        self.assertEqual(self.pebble.orders_made(), 0)

    def test_a_plain_request_starts_issuance_and_is_redirected_when_it_is_there(self):
        self.gatehouse('allow = ["*.customers.example.net"]')
        status, headers, _ = http_get(self.http, "plain.customers.example.net", "/a?b=c")
        self.assertEqual(status, 308)
        self.assertEqual(headers["Location"],
                         f"https://plain.customers.example.net:{self.https}/a?b=c")
        self.assertEqual(self.pebble.orders_made(), 1)
        self.assertEqual(self.get("plain.customers.example.net")[0], 200)
        self.assertEqual(self.pebble.orders_made(), 1)

    def test_a_plain_request_for_a_name_that_is_not_allowed_makes_no_order(self):
        self.gatehouse('allow = ["*.customers.example.net"]')
        status, _, _ = http_get(self.http, "evil.example.org")
        self.assertIn(status, (403, 404, 421))
        self.assertEqual(self.pebble.orders_made(), 0)

    def test_a_name_the_ca_refuses_is_not_asked_for_again_with_each_handshake(self):
        # Each request counts here: none is sent again for a nonce that the CA did not like.
        self.gatehouse('allow = ["*.example", "blocked.example"]', dict(nonce_reject=0))
        for _ in range(5):
            self.refused("blocked.example")
        self.assertEqual(self.pebble.log().count("/order-plz"), 1)
        self.assertEqual(self.get("other.example")[0], 200)

    def test_the_rate_of_new_names_is_bounded(self):
        self.gatehouse('allow = ["*.customers.example.net"]\nrate = "2/1h"\n')
        self.assertEqual(self.get("a.customers.example.net")[0], 200)
        self.assertEqual(self.get("b.customers.example.net")[0], 200)
        self.refused("c.customers.example.net")
        self.assertEqual(self.get("a.customers.example.net")[0], 200)
        self.assertEqual(self.pebble.orders_made(), 2)

    def test_clients_without_sni_or_with_nonsense_get_an_alert(self):
        self.gatehouse('allow = ["*.customers.example.net"]')
        for name in (None, "a..b", "*.customers.example.net", "x" * 70 + ".customers.example.net"):
            raw = socket.create_connection(("127.0.0.1", self.https), timeout=20)
            with self.assertRaises((ssl.SSLError, ConnectionError, UnicodeError, ValueError)):
                tls_context(verify=False).wrap_socket(raw, server_hostname=name)
            raw.close()
        self.assertEqual(self.pebble.orders_made(), 0)


if __name__ == "__main__":
    main()
