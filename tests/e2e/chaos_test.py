"""Servers that die, stall, break off and talk nonsense under constant load: no client sees it while one of them
lives, and nothing that is not idempotent is ever sent twice."""
from harness import *

COUNT = 3


class Server:
    def __init__(self, scene, number):
        self.scene, self.number, self.port = scene, number, free_port()
        self.mode_file = scene.write(f"mode-{number}", "ok")
        self.seen_file = scene.path(f"seen-{number}")
        self.start()

    def start(self):
        here = os.path.dirname(os.path.abspath(__file__))
        self.process = self.scene.process(
            [sys.executable, os.path.join(here, "chaos_server.py"), str(self.port), self.mode_file,
             self.seen_file, str(self.number)], f"server-{self.number}.log")
        wait_for(lambda: accepts(self.port), "the server")

    def mode(self, mode):
        with open(self.mode_file + ".next", "w") as f:
            f.write(mode)
        os.replace(self.mode_file + ".next", self.mode_file)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def seen(self):
        with contextlib.suppress(FileNotFoundError), open(self.seen_file) as f:
            return f.read().splitlines()
        return []


class Load:
    """Clients that keep asking, each on a connection of its own that it keeps as long as it can."""

    def __init__(self, port, getters=6, posters=2):
        self.port = port
        self.cuts_expected = False  # a connection that breaks inside an answer is counted, no error
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.good, self.posted, self.errors, self.cut = 0, 0, [], 0
        self.threads = [threading.Thread(target=self.run, args=(n, "GET" if n < getters else "POST"), daemon=True)
                        for n in range(getters + posters)]
        for thread in self.threads:
            thread.start()

    def run(self, number, method):
        connection, turn = None, 0
        while not self.stopping.is_set():
            turn += 1
            target = f"/{method.lower()}/{number}/{turn}"
            connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30 * PATIENCE)
            keep = False
            try:
                connection.request(method, target, body=b"x" * 100 if method == "POST" else None,
                                   headers={"Host": "app.localhost"})
                answer = connection.getresponse()
                body = answer.read()
                keep = not answer.will_close
                self.note(method, target, answer.status, body.startswith(f"{target} by ".encode()))
            except (http.client.IncompleteRead, ConnectionResetError) as problem:
                if self.cuts_expected:
                    self.cut += 1
                else:
                    self.note(method, target, repr(problem), False)
            except (OSError, http.client.HTTPException) as problem:
                self.note(method, target, repr(problem), False)
            if not keep:
                connection.close()
                connection = None
        if connection:
            connection.close()

    def note(self, method, target, status, whole):
        with self.lock:
            if method == "POST":
                self.posted += 1
            elif status == 200 and whole:
                self.good += 1
            else:
                self.errors.append((target, status))

    def served(self, more):
        """Waits until so many more GETs were answered well, and fails with the first that was not."""
        until = self.good + more
        wait_for(lambda: self.good >= until or self.errors, f"{more} more answers", 60)
        if self.errors:
            raise AssertionError(f"{len(self.errors)} errors: {self.errors[:5]}")

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60 * PATIENCE)


class Chaos(Case):
    def gate(self, more=""):
        self.servers = [Server(self.scene, n) for n in range(COUNT)]
        self.http = free_port()
        addresses = ", ".join(f'"127.0.0.1:{server.port}"' for server in self.servers)
        self.gatehouse = Gatehouse(self.scene, f"""
[server]
http = ["127.0.0.1:{self.http}"]
https = []
workers = 2
data_dir = "{self.scene.path('data')}"
[backend.app]
servers = [{addresses}]
retries = 3
retry_on = ["connect", "timeout", "502", "503", "504"]
retry_budget = "100%"
response_timeout = "1s"
connect_timeout = "1s"
eject = {{ failures = 5, within = "5s", for = "1s" }}
{more}
[[site]]
hosts = ["app.localhost"]
backend = "app"
tls.mode = "off"
""")

    def under_load(self):
        load = Load(self.http)
        self.scene.callback(load.stop)
        load.served(50)
        return load

    def no_post_came_twice(self):
        posts = [line.split()[1] for server in self.servers for line in server.seen() if line.startswith("POST ")]
        self.assertGreater(len(posts), 10)
        twice = {target for target in posts if posts.count(target) > 1} if len(posts) != len(set(posts)) else set()
        self.assertEqual(twice, set(), "sent to servers more than once")

    def test_servers_that_are_killed_and_come_back(self):
        self.gate()
        load = self.under_load()
        for victims in ([0], [1], [0, 2], [1, 2]):
            for number in victims:
                self.servers[number].kill()
            load.served(150)
            for number in victims:
                self.servers[number].start()
            load.served(50)
        load.stop()
        self.assertEqual(load.errors, [])
        self.no_post_came_twice()

    def test_servers_that_stop_moving(self):
        self.gate()
        load = self.under_load()
        for number in (0, 1):
            self.servers[number].process.send_signal(signal.SIGSTOP)
            load.served(150)
            self.servers[number].process.send_signal(signal.SIGCONT)
            load.served(50)
        self.servers[2].mode("silent")
        load.served(100)
        load.stop()
        self.assertEqual(load.errors, [])
        self.no_post_came_twice()

    def test_servers_that_break_off_talk_nonsense_or_are_busy(self):
        self.gate()
        load = self.under_load()
        for round_, mode in enumerate(("reset", "garbage", "503", "502", "reset")):
            bad = [self.servers[round_ % COUNT], self.servers[(round_ + 1) % COUNT]]
            for server in bad:
                server.mode(mode)
            load.served(150)
            for server in bad:
                server.mode("ok")
            load.served(50)
        load.stop()
        self.assertEqual(load.errors, [])
        self.no_post_came_twice()

    def test_idle_connections_that_a_server_closes_cost_nobody_an_error(self):
        self.gate()
        for server in self.servers:
            server.mode("close")
        load = self.under_load()
        load.served(500)
        load.stop()
        self.assertEqual(load.errors, [])
        self.no_post_came_twice()

    def test_an_answer_cut_short_is_seen_as_cut_and_its_server_is_left_alone(self):
        self.gate()
        load = self.under_load()
        load.cuts_expected = True
        self.servers[1].mode("cut")
        load.served(400)
        self.servers[1].mode("ok")
        load.served(50)
        load.stop()
        self.assertEqual(load.errors, [])
        self.assertGreater(load.cut, 0)
        # It is put aside after five, and again after each probe: requests that met it meanwhile go with them.
        self.assertLess(load.cut, 150)
        self.no_post_came_twice()

    def test_checks_find_what_is_broken_before_clients_do(self):
        self.gate('health = { path = "/up", interval = "100ms", timeout = "500ms", rise = 1, fall = 1 }')
        load = self.under_load()
        self.servers[0].mode("503")
        wait_for(lambda: "server down" in self.gatehouse.log(), "the check")
        before = sum(line.startswith("GET /get") for line in self.servers[0].seen())
        load.served(200)
        after = sum(line.startswith("GET /get") for line in self.servers[0].seen())
        self.assertLess(after - before, 20, "requests under way when it went down, and no more")
        self.servers[0].mode("ok")
        wait_for(lambda: "server up" in self.gatehouse.log(), "the check")
        wait_for(lambda: sum(line.startswith("GET /get") for line in self.servers[0].seen()) > after,
                 "requests to come back")
        load.stop()
        self.assertEqual(load.errors, [])


if __name__ == "__main__":
    main()
