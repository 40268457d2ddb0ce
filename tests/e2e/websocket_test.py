"""WebSockets between a library's client and a library's server (websocket.js), plain and over TLS."""
import select
import subprocess

from harness import *

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "websocket.js")
# Where Debian puts the libraries of node.
NODE = dict(os.environ, NODE_PATH="/usr/share/nodejs")


class WebSockets(Case):
    def setUp(self):
        super().setUp()
        self.serve()
        self.http, self.https = free_port(), free_port()
        self.gate = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = ["127.0.0.1:{self.https}"]
data_dir = "{self.scene.path('data')}"
graceful_timeout = "3s"
[log]
access = "{self.scene.path('access.log')}"
[[site]]
hosts = ["app.localhost"]
backend = "127.0.0.1:{self.port}"
[[site]]
hosts = ["plain.localhost"]
backend = "127.0.0.1:{self.port}"
tls.mode = "off"
""")
        self.root = self.gate.internal_root()

    def serve(self):
        self.server = self.scene.process(["node", SCRIPT, "serve"], "server.out", env=NODE)
        self.port = wait_for(lambda: next((e["port"] for e in self.events() if "port" in e), None), "the server")

    def events(self, **like):
        lines = self.scene.log("server.out").splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [e for e in events if all(e.get(k) == v for k, v in like.items())]

    def told(self, kind, path, scenario, deflate=False):
        options = {"perMessageDeflate": deflate, "headers": {"Host": f"{kind}.localhost"}}
        if kind == "app":
            url = f"wss://127.0.0.1:{self.https}{path}"
            options |= {"ca": self.root, "servername": "app.localhost"}
        else:
            url = f"ws://127.0.0.1:{self.http}{path}"
        return ["node", SCRIPT, "talk", json.dumps({"url": url, "options": options, "scenario": scenario})]

    def talk(self, kind, path, scenario, deflate=False):
        done = subprocess.run(self.told(kind, path, scenario, deflate), capture_output=True, text=True, env=NODE,
                              timeout=120 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def both(self, path, scenario, expected, deflate=False):
        for kind in ("plain", "app"):
            with self.subTest(kind):
                self.assertEqual(self.talk(kind, path, scenario, deflate), expected)

    def test_ten_thousand_messages_pass_each_way_in_order(self):
        self.both("/echo", "messages", {"protocol": "chat", "same": 10000})
        self.assertEqual(len(self.events(event="open", extensions="")), 2)

    def test_messages_in_fragments_arrive_whole_both_ways(self):
        self.both("/fragments", "fragments", {"protocol": "chat", "same": True})

    def test_pings_and_pongs_pass_both_ways(self):
        self.both("/ping", "ping", {"protocol": "chat", "ping": "from the server", "pong": "from the client"})
        wait_for(lambda: len(self.events(event="pong", data="from the server")) == 2, "the server's pongs")

    def test_a_message_of_ten_mebibytes_passes_both_ways(self):
        self.both("/echo", "big", {"protocol": "chat", "same": True})

    def test_what_the_ends_compress_stays_compressed_on_the_way(self):
        for kind in ("plain", "app"):
            with self.subTest(kind):
                told = self.talk(kind, "/echo", "deflated", deflate=True)
                self.assertTrue(told["same"])
                self.assertTrue(told["extensions"].startswith("permessage-deflate"), told)
        lines = wait_for(lambda: (text := self.scene.log("access.log")).count("\n") == 2 and text.splitlines(), "the log")
        for line in map(json.loads, lines):
            self.assertEqual(line["status"], 101)
            self.assertGreater(line["bytes_in"], 0)
            self.assertLess(line["bytes_in"], told["bytes"] // 10)
            self.assertLess(line["bytes_out"], told["bytes"] // 10)

    def test_close_codes_and_reasons_pass_both_ways(self):
        self.both("/echo", "close", {"protocol": "chat", "code": 4000, "reason": "the client is done"})
        wait_for(lambda: len(self.events(event="close", code=4000, reason="the client is done")) == 2,
                 "the client's code at the server")
        self.both("/close", "closed", {"protocol": "chat", "code": 4001, "reason": "the server is done"})

    def test_a_client_that_dies_is_gone_for_its_server_too(self):
        for number, kind in enumerate(("plain", "app"), 1):
            client = subprocess.run(self.told(kind, "/echo", "die"), capture_output=True, env=NODE,
                                    timeout=60 * PATIENCE)
            self.assertEqual(client.returncode, -signal.SIGKILL)
            wait_for(lambda: len(self.events(event="close", code=1006)) == number, "the end at the server")

    def test_a_server_that_dies_is_gone_for_its_client_too(self):
        self.assertEqual(self.talk("plain", "/die", "abandoned"), {"protocol": "chat", "code": 1006})
        self.assertEqual(self.server.wait(20 * PATIENCE), -signal.SIGKILL)
        self.assertEqual(http_get(self.http, "plain.localhost")[0], 502)


class Drain(Case):
    """A tunnel of plain octets after a WebSocket handshake: timing that a library would hide."""

    def setUp(self):
        super().setUp()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.scene.callback(self.listener.close)
        self.http = free_port()
        self.gate = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = []
data_dir = "{self.scene.path('data')}"
graceful_timeout = "4s"
[[site]]
hosts = ["*"]
backend = "127.0.0.1:{self.listener.getsockname()[1]}"
tls.mode = "off"
""")

    def open(self):
        """(client's socket, server's socket) of an open tunnel."""
        client = socket.create_connection(("127.0.0.1", self.http), timeout=30 * PATIENCE)
        self.scene.callback(client.close)
        client.sendall(b"GET /chat HTTP/1.1\r\nHost: a.localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        server, _ = self.listener.accept()
        self.scene.callback(server.close)
        server.settimeout(30 * PATIENCE)
        head = b""
        while b"\r\n\r\n" not in head:
            head += server.recv(65536)
        server.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        return client, server

    @staticmethod
    def read_to_end(end):
        out = b""
        while piece := end.recv(65536):
            out += piece
        return out

    def test_a_tunnel_goes_on_through_a_drain_until_its_deadline(self):
        client, server = self.open()
        self.gate.signal(signal.SIGTERM)
        begun = time.monotonic()
        wait_for(lambda: "stopping" in self.gate.log() and not accepts(self.http), "the drain")
        while time.monotonic() - begun < 2.5:  # well within the deadline
            client.sendall(b"up")
            self.assertEqual(server.recv(2), b"up")
            server.sendall(b"down")
            self.assertEqual(client.recv(4), b"down")
            self.assertEqual(select.select([client, server], [], [], 0.1)[0], [], "nothing comes unasked")
        self.assertEqual(client.recv(1), b"", "closed at the deadline")
        self.assertEqual(server.recv(1), b"")
        self.assertGreaterEqual(time.monotonic() - begun, 3.5)
        self.assertEqual(self.gate.process.wait(20 * PATIENCE), 0)
        self.gate.wait_logged('"connections cut at stop","count":1')

    def test_a_tunnel_that_ends_in_time_lets_the_drain_end(self):
        client, server = self.open()
        self.gate.signal(signal.SIGTERM)
        wait_for(lambda: "stopping" in self.gate.log(), "the drain")
        client.close()
        self.assertEqual(server.recv(1), b"")
        server.close()
        self.assertEqual(self.gate.process.wait(3 * PATIENCE), 0)
        self.assertNotIn("connections cut", self.gate.log())

    def test_either_side_may_end_first_and_still_hear_the_other(self):
        for first in ("client", "server"):
            with self.subTest(first):
                client, server = self.open()
                one, other = (client, server) if first == "client" else (server, client)
                one.sendall(b"last words")
                one.shutdown(socket.SHUT_WR)
                self.assertEqual(self.read_to_end(other), b"last words")
                data = os.urandom(1_000_000)
                sender = threading.Thread(target=lambda: (other.sendall(data), other.shutdown(socket.SHUT_WR)))
                sender.start()
                self.assertEqual(self.read_to_end(one), data)
                sender.join()


if __name__ == "__main__":
    main()
