"""Servers given by name, with a real DNS server: where a name leads changes while traffic flows."""
import collections

from harness import *


class Nameserver:
    """BIND, with one zone of which all records live for a second."""

    def __init__(self, scene):
        self.scene = scene
        self.port = free_port()
        self.serial = 0
        self.zone = scene.path("example.test.zone")
        self.records = ""
        self._write()
        config = scene.write("named.conf", f"""
options {{
  directory "{scene.dir}";
  listen-on port {self.port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file "{scene.path('named.pid')}";
  session-keyfile none;
  recursion no;
  dnssec-validation no;
  notify no;
}};
controls {{ }};
zone "example.test" {{ type primary; file "{self.zone}"; }};
""")
        self.process = scene.process(["named", "-g", "-n", "1", "-c", config], "named.log")
        wait_for(lambda: re.search(r" running$", scene.log("named.log"), re.M), "named")

    def _write(self):
        self.serial += 1
        self.scene.write("example.test.zone", f"""$TTL 1
@ SOA ns.example.test. root.example.test. {self.serial} 1 1 1 1
@ NS ns.example.test.
ns A 127.0.0.1
{self.records}
""")

    def serve(self, records):
        """From here on the zone holds these records; returns when it does."""
        self.records = records
        self._write()
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: f"loaded serial {self.serial}\n" in self.scene.log("named.log"), "the zone")


class Names(Case):
    def setUp(self):
        super().setUp()
        self.names = Nameserver(self.scene)
        self.http = free_port()

    def gate(self, servers, keys=""):
        self.gatehouse = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = []
workers = 2
resolvers = "127.0.0.1:{self.names.port}"
data_dir = "{self.scene.path('data')}"
[backend.app]
servers = [{servers}]
{keys}
[[site]]
hosts = ["app.localhost"]
backend = "app"
tls.mode = "off"
""")

    def get(self):
        return http_get(self.http, "app.localhost", "/")[0]

    def ask(self, count):
        return collections.Counter(self.get() for _ in range(count))

    def on_same_port(self, *hosts):
        """A server at each of these addresses, all on one port."""
        while True:
            port = free_port()
            with contextlib.suppress(OSError):
                return port, [Backend(self.scene, port=port, host=host) for host in hosts]

    @staticmethod
    def counts(servers):
        return [len(server.requests) for server in servers]

    def wait_until_left_alone(self, servers):
        """Each worker finds out, or is told, for itself."""
        def settled():
            before = self.counts(servers)
            self.assertEqual(self.ask(20), {200: 20})
            return self.counts(servers) == before
        wait_for(settled, "the old servers to be left alone")

    def test_a_changed_address_moves_the_traffic_when_its_time_is_up(self):
        port, (old, new) = self.on_same_port("127.0.0.2", "127.0.0.3")
        self.names.serve("app A 127.0.0.2")
        self.gate(f'"app.example.test:{port}"')
        self.assertEqual(self.ask(20), {200: 20})
        self.assertEqual(self.counts([old, new]), [20, 0])
        self.names.serve("app A 127.0.0.3")
        wait_for(lambda: self.get() == 200 and new.requests, "the traffic to move")
        self.wait_until_left_alone([old])

    def test_a_name_that_vanishes_keeps_its_last_address(self):
        port, (server,) = self.on_same_port("127.0.0.2")
        self.names.serve("app A 127.0.0.2")
        self.gate(f'"app.example.test:{port}"')
        self.assertEqual(self.ask(20), {200: 20})
        self.names.serve("")

        def noticed():
            self.assertEqual(self.get(), 200)
            return "name not resolved" in self.gatehouse.log()
        wait_for(noticed, "the name to be missed")
        self.assertEqual(self.ask(40), {200: 40})

    @unittest.skipUnless(has_ipv6(), "this machine has no ::1")
    def test_a_name_with_addresses_of_both_families_is_reached_by_whichever_answers(self):
        port, (server,) = self.on_same_port("127.0.0.2")
        self.names.serve("app A 127.0.0.2\napp AAAA ::1")
        self.gate(f'"app.example.test:{port}"')
        self.assertEqual(self.ask(20), {200: 20})  # nobody listens on ::1
        self.assertEqual(len(server.requests), 20)
        self.names.serve("app AAAA ::1")
        six = Backend(self.scene, port=port, host="::1")
        wait_for(lambda: self.get() == 200 and six.requests, "the traffic to move")

    def test_a_service_spreads_by_weight_and_falls_back_by_priority(self):
        servers = [Backend(self.scene, host="127.0.0.2") for _ in range(4)]
        ports = [server.port for server in servers]
        self.names.serve(f"""a A 127.0.0.2
_web._tcp SRV 10 60 {ports[0]} a
_web._tcp SRV 10 20 {ports[1]} a
_web._tcp SRV 20 0 {ports[2]} a""")
        # What a closed server still has of connections must not hide that it is gone.
        self.gate('"srv+http://_web._tcp.example.test"', 'policy = "random"\nretries = 3\nidle_connections = 0')
        self.assertEqual(self.ask(400), {200: 400})
        heavy, light, spare, _ = self.counts(servers)
        self.assertEqual(heavy + light, 400)
        self.assertEqual(spare, 0)
        self.assertGreater(light, 60)  # a quarter, five deviations around it
        self.assertLess(light, 145)
        servers[0].close()
        servers[1].close()
        self.assertEqual(self.ask(50), {200: 50})
        self.assertEqual(len(servers[2].requests), 50)

        status, out, _ = self.gatehouse.command("status", "--json")
        told = json.loads(out)
        self.assertEqual(told["services"], [
            {"service": "_web._tcp.example.test", "servers": 3, "problem": ""}])
        self.assertEqual([server["server"] for server in told["backends"][0]["servers"]],
                         [f"a.example.test:{port}" for port in
                          sorted(ports[:2]) + [ports[2]]])

        self.names.serve(f"a A 127.0.0.2\n_web._tcp SRV 0 0 {ports[3]} a")
        wait_for(lambda: self.get() == 200 and servers[3].requests, "the service to move")
        self.wait_until_left_alone(servers[:3])
        before = self.counts(servers[:3])
        self.assertEqual(self.ask(50), {200: 50})
        self.assertEqual(self.counts(servers[:3]), before)

        self.names.serve("a A 127.0.0.2")
        wait_for(lambda: "service not found" in self.gatehouse.log(), "the service to be missed")
        self.assertEqual(self.ask(50), {200: 50})
        _, out, _ = self.gatehouse.command("status")
        self.assertIn("_web._tcp.example.test  1", out)

    def test_a_reload_finds_a_service_before_its_first_request(self):
        server = Backend(self.scene, host="127.0.0.2")
        self.names.serve(f"a A 127.0.0.2\n_web._tcp SRV 0 0 {server.port} a")
        self.gate('"127.0.0.1:9"')
        with open(self.gatehouse.config_path) as f:
            text = f.read()
        self.gatehouse.rewrite(text.replace('"127.0.0.1:9"', '"srv+http://_web._tcp.example.test"'))
        self.assertEqual(self.gatehouse.command("reload")[0], 0)
        self.assertEqual(self.ask(20), {200: 20})
        # Who is asked is changed by a reload, too; what was found stays while nobody answers.
        self.gatehouse.rewrite(text.replace('"127.0.0.1:9"', '"srv+http://_web._tcp.example.test"')
                               .replace(f":{self.names.port}", f":{free_port()}"))
        self.assertEqual(self.gatehouse.command("reload")[0], 0)
        wait_for(lambda: "service not found" in self.gatehouse.log(), "the service to be missed")
        self.assertEqual(self.ask(20), {200: 20})


if __name__ == "__main__":
    main()
