"""gRPC through Gatehouse: a client and a server of grpcio, every kind of call, and what we say when there is no server."""
import subprocess

from h2_test import python_with
from harness import *

PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "grpc_peer.py")


PYTHON = python_with("grpc")


@unittest.skipUnless(PYTHON, "grpcio is not installed: scripts/test gets python3-grpcio")
class Grpc(Case):
    def gatehouse(self, port):
        self.https = free_port()
        self.gate = Gatehouse(self.scene, f"""
[server]
http = []
https = ["127.0.0.1:{self.https}"]
data_dir = "{self.scene.path('data')}"
[log]
access = "{self.scene.path('access.log')}"
[[site]]
hosts = ["grpc.localhost"]
backend = "h2c://127.0.0.1:{port}"
[[site.route]]
path = "/test.Echo/Denied"
respond = {{ status = 403 }}
[[site.route]]
""")
        self.root = self.gate.internal_root()

    def events(self, **like):
        events = [json.loads(line) for line in self.scene.log("server.out").splitlines() if line.startswith("{")]
        return [e for e in events if all(e.get(k) == v for k, v in like.items())]

    def run_python(self, text):
        done = subprocess.run([PYTHON, "-c", text], capture_output=True, text=True, timeout=120 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def test_every_kind_of_call_passes(self):
        self.scene.process([PYTHON, PEER, "serve"], "server.out")
        port = wait_for(lambda: next((e["port"] for e in self.events() if "port" in e), None), "the server")
        self.gatehouse(port)
        done = subprocess.run([PYTHON, PEER, "call", f"127.0.0.1:{self.https}", self.root], capture_output=True,
                              text=True, timeout=180 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        out = json.loads(done.stdout.splitlines()[-1])
        trailers = out["unary"].pop()
        self.assertEqual(out, {
            "unary": ["olleh", "by the client", "OK"],
            "large": True,
            "many": 300,
            "server_stream": ["part 0", "part 1", "part 2"],
            "long_stream": 5000,
            "client_stream": "100011",
            "bidi": True,
            "fail": ["RESOURCE_EXHAUSTED", "not today: 100 % ü"],
            "fail_stream": ["RESOURCE_EXHAUSTED", "not today: 100 % ü"],
            "no_method": ["UNIMPLEMENTED", "Method not found!"],
            "deadline": "DEADLINE_EXCEEDED",
            "deadline_in_time": True,
            "first": "first",
            "cancelled": "CANCELLED",
        })
        self.assertEqual((trailers["x-sum"], trailers["x-bytes-bin"]), ("5", "00ff"))
        # The deadline reached the server, and both calls that hung were called off there.
        self.assertLessEqual(wait_for(lambda: self.events(event="begun"), "the call")[0]["remaining"], 1.01)
        wait_for(lambda: len(self.events(event="gone")) == 2, "the end at the server")
        lines = [json.loads(line) for line in self.scene.log("access.log").splitlines()]
        self.assertEqual({line["proto"] for line in lines}, {"HTTP/2"})

    def test_our_own_failures_are_told_in_grpcs_words(self):
        self.gatehouse(free_port())
        out = self.run_python(f"""
import grpc, json
channel = grpc.secure_channel("127.0.0.1:{self.https}", grpc.ssl_channel_credentials(open("{self.root}", "rb").read()),
    options=[("grpc.ssl_target_name_override", "grpc.localhost"), ("grpc.default_authority", "grpc.localhost"),
             ("grpc.enable_retries", 0)])
codes = []
for method in ("Unary", "Denied"):
    try:
        channel.unary_unary("/test.Echo/" + method)(b"", timeout=30)
    except grpc.RpcError as error:
        codes.append([error.code().name, error.details()])
print(json.dumps(codes))
""")
        self.assertEqual(out[0], ["UNAVAILABLE", "Bad Gateway"])
        self.assertEqual(out[1][0], "PERMISSION_DENIED")


if __name__ == "__main__":
    main()
