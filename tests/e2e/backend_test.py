"""Backends of several servers: how requests are shared, healed, limited, and where names lead."""
import collections
import stat

from harness import *


class Backends(Case):
    def servers(self, count):
        self.backends = [Backend(self.scene) for _ in range(count)]
        return ", ".join(f'"127.0.0.1:{backend.port}"' for backend in self.backends)

    def gate(self, servers, keys="", environment=None):
        self.http = free_port()
        self.gatehouse = Gatehouse(self.scene, self.config(servers, keys), environment=environment)

    def config(self, servers, keys=""):
        return f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = []
workers = 2
data_dir = "{self.scene.path('data')}"
[log]
access = "{self.scene.path('access.log')}"
[backend.app]
servers = [{servers}]
{keys}
[[site]]
hosts = ["app.localhost"]
backend = "app"
tls.mode = "off"
"""

    def get(self, path="/", headers=None, method="GET", body=None):
        return http_get(self.http, "app.localhost", path, headers=headers, method=method, body=body)

    def counts(self):
        return [len(backend.requests) for backend in self.backends]

    def server_states(self):
        status, out, err = self.gatehouse.command("status", "--json")
        self.assertEqual(status, 0, err)
        backend = json.loads(out)["backends"][0]
        return [server["state"] for server in backend["servers"]]

    def logged(self, status):
        """What the access log says of the last request that ended so; None: nothing yet."""
        with open(self.scene.path("access.log")) as lines:
            ended = [line for line in map(json.loads, lines) if line["status"] == status]
        return ended[-1] if ended else None

    def test_requests_with_the_same_key_meet_the_same_server_on_every_worker_and_after_a_restart(self):
        self.gate(self.servers(4), 'policy = "header_hash"\nhash_key = "X-Tenant"')

        def homes():
            found = {}
            for tenant in range(12):
                before = self.counts()
                for _ in range(4):  # every one on a new connection, so on either worker
                    self.assertEqual(self.get(headers={"X-Tenant": f"t{tenant}"})[0], 200)
                moved = [n for n, (old, new) in enumerate(zip(before, self.counts())) if new != old]
                self.assertEqual(len(moved), 1)
                found[tenant] = moved[0]
            return found

        first = homes()
        self.assertGreater(len(set(first.values())), 1)
        self.gatehouse.stop()
        self.gatehouse.start()
        self.assertEqual(homes(), first)

    def test_a_sticky_client_stays_at_its_server_over_reloads_and_restarts(self):
        servers = self.servers(3)
        self.gate(servers)
        self.assertNotIn("Set-Cookie", self.get()[1])
        key = self.scene.path("data", "sticky.key")
        self.assertFalse(os.path.exists(key), "nothing asks for it yet")
        self.gatehouse.rewrite(self.config(servers, 'sticky = { cookie = "pin" }'))
        self.assertEqual(self.gatehouse.command("reload")[0], 0)
        self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        for server in self.backends:
            server.requests.clear()
        status, headers, _ = self.get()
        cookie = headers["Set-Cookie"].split(";")[0]
        home = self.counts().index(1)
        for _ in range(6):
            _, again, _ = self.get(headers={"Cookie": cookie})
            self.assertNotIn("Set-Cookie", again)
        self.gatehouse.rewrite(self.config(servers, 'sticky = { cookie = "pin" }\nretries = 2'))
        self.assertEqual(self.gatehouse.command("reload")[0], 0)
        self.get(headers={"Cookie": cookie})
        self.gatehouse.stop()
        self.gatehouse.start()
        self.get(headers={"Cookie": cookie})
        self.assertEqual(self.counts()[home], 9)
        others = ", ".join(f'"127.0.0.1:{backend.port}"' for n, backend in enumerate(self.backends) if n != home)
        self.gatehouse.rewrite(self.config(others, 'sticky = { cookie = "pin" }'))
        self.assertEqual(self.gatehouse.command("reload")[0], 0)
        status, headers, _ = self.get(headers={"Cookie": cookie})
        self.assertEqual(status, 200)
        self.assertTrue(headers["Set-Cookie"].startswith("pin="))

    def test_status_tells_how_servers_are_and_a_reload_forgets_nothing(self):
        down = threading.Event()

        def handler(request):
            request.send_response(503 if down.is_set() else 200)
            request.send_header("Content-Length", "0")
            request.end_headers()

        self.backends = [Backend(self.scene), Backend(self.scene, handler)]
        servers = ", ".join(f'"127.0.0.1:{backend.port}"' for backend in self.backends)
        health = 'health = { path = "/up", interval = "100ms", timeout = "1s", rise = 1, fall = 2 }'
        self.gate(servers, health)
        wait_for(lambda: self.server_states() == ["up", "up"], "both up")
        down.set()
        wait_for(lambda: self.server_states() == ["up", "down"], "the second down")
        self.gatehouse.rewrite(self.config(servers, health + "\nretries = 2"))
        self.assertEqual(self.gatehouse.command("reload")[0], 0)
        self.assertEqual(self.server_states(), ["up", "down"])
        _, out, _ = self.gatehouse.command("status")
        self.assertIn("answered 503", out)
        self.backends[0].close()
        wait_for(lambda: self.server_states() == ["down", "down"], "both down")
        status, headers, _ = self.get()
        self.assertEqual(status, 503)
        self.assertEqual(headers["Retry-After"], "1")
        refused = wait_for(lambda: self.logged(503), "its line in the log")
        self.assertEqual(refused["error"], "no server is healthy")  # at once: nobody was dialled
        self.assertEqual((refused["backend"]["server"], refused["backend"]["attempts"]), ("", 0))
        down.clear()
        wait_for(lambda: self.server_states() == ["down", "up"], "the second up again")
        self.assertEqual(self.get()[0], 200)

    def test_checks_go_the_way_that_requests_go(self):
        plain, secure, path = free_port(), free_port(), self.scene.path("back.sock")

        def back(status):
            return f"""
[server]
http = ["127.0.0.1:{plain}", "unix:{path}"]
https = ["127.0.0.1:{secure}"]
data_dir = "{self.scene.path('back')}"
log.access = "{self.scene.path('back-access.log')}"
[[site]]
hosts = ["*"]
tls.mode = "off"
respond = {{ status = {status}, body = "up" }}
[[site]]
hosts = ["back.localhost"]
redirect_http = false
respond = {{ status = {status}, body = "up" }}
"""
        server = Gatehouse(self.scene, back(200).replace("log.access", "[log]\naccess"), name="back")
        root = self.scene.path("back", "internal-ca", "root.pem")
        wait_for(lambda: os.path.exists(root), "the internal CA's root")
        servers = f'"h2c://127.0.0.1:{plain}", "https://127.0.0.1:{secure}", "unix:{path}"'
        self.gate(servers, f"""
health = {{ path = "/up", interval = "100ms", timeout = "2s", rise = 1, fall = 1 }}
tls = {{ roots = "{root}", server_name = "back.localhost" }}""")
        wait_for(lambda: self.server_states() == ["up"] * 3, "all up")
        def seen():
            lines = self.scene.log("back-access.log").splitlines()
            return {(line["proto"], line["host"]) for line in map(json.loads, lines) if line["path"] == "/up"}
        wait_for(lambda: seen() == {("HTTP/2", "127.0.0.1"), ("HTTP/2", "back.localhost"), ("HTTP/1.1", "localhost")},
                 "every kind of check")
        server.rewrite(back(503).replace("log.access", "[log]\naccess"))
        self.assertEqual(server.command("reload")[0], 0)
        wait_for(lambda: self.server_states() == ["down"] * 3, "all down")
        server.rewrite(back(200).replace("log.access", "[log]\naccess"))
        self.assertEqual(server.command("reload")[0], 0)
        wait_for(lambda: self.server_states() == ["up"] * 3, "all up again")
        # One whose certificate is not trusted is down, and the rest serve.
        self.gatehouse.rewrite(self.config(servers, 'health = { path = "/up", interval = "100ms" }'))
        self.assertEqual(self.gatehouse.command("reload")[0], 0)
        wait_for(lambda: self.server_states() == ["up", "down", "up"], "TLS down")

    def test_max_requests_holds_across_workers_and_the_rest_wait(self):
        now, most, lock = 0, 0, threading.Lock()

        def handler(request):
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.05)
            with lock:
                now -= 1
            Backend.echo(request)

        self.backends = [Backend(self.scene, handler)]
        self.gate(f'{{ address = "127.0.0.1:{self.backends[0].port}", max_requests = 3 }}',
                  'connect_timeout = "30s"')
        answers = collections.Counter()

        def ask():
            for _ in range(3):
                status = self.get()[0]
                with lock:
                    answers[status] += 1

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, {200: 60})
        self.assertEqual(most, 3)


if __name__ == "__main__":
    main()
