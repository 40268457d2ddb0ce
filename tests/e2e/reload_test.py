"""Reload and stop: nothing in flight is lost, a bad file changes nothing."""
import random

from harness import *


class Reload(Case):
    def config(self, sites, http=None):
        listeners = ", ".join(f'"127.0.0.1:{p}"' for p in (http or [self.http]))
        return f"""
[server]
http = [{listeners}]
https = []
data_dir = "{self.scene.path('data')}"
graceful_timeout = "20s"
{sites}
"""

    @staticmethod
    def site(host, port):
        return f'[[site]]\nhosts = ["{host}"]\nbackend = "127.0.0.1:{port}"\ntls.mode = "off"\n'

    def start(self, sites):
        self.http = free_port()
        return Gatehouse(self.scene, self.config(sites))

    def test_a_new_site_is_served_after_reload_and_a_removed_one_is_not(self):
        backend = Backend(self.scene)
        gate = self.start(self.site("one.localhost", backend.port))
        gate.rewrite(self.config(self.site("two.localhost", backend.port)))
        status, out, err = gate.command("reload")
        self.assertEqual(status, 0, out + err)
        self.assertEqual(http_get(self.http, "two.localhost")[0], 200)
        self.assertEqual(http_get(self.http, "one.localhost")[0], 404)

    def test_what_a_reload_changed_stands_in_the_audit_log(self):
        backend = Backend(self.scene)
        gate = self.start(self.site("one.localhost", backend.port))
        gate.rewrite(self.config(self.site("two.localhost", backend.port)))
        status, out, err = gate.command("reload")
        self.assertEqual(status, 0, out + err)
        told = [line.strip() for line in out.splitlines() if line.startswith("  ")]
        self.assertTrue([line for line in told if "two.localhost" in line], out)

        def noted():
            return [(line["config"], line["change"]) for line in gate.audit() if line["event"] == "config changed"]
        wait_for(lambda: len(noted()) >= len(told), "the lines in the audit log")
        self.assertEqual(noted(), [(gate.config_path, line) for line in told])

    def test_sighup_reloads(self):
        backend = Backend(self.scene)
        gate = self.start(self.site("one.localhost", backend.port))
        gate.rewrite(self.config(self.site("two.localhost", backend.port)))
        gate.signal(signal.SIGHUP)
        wait_for(lambda: http_get(self.http, "two.localhost")[0] == 200, "the new site")

    def test_a_bad_file_changes_nothing_and_says_why(self):
        backend = Backend(self.scene)
        gate = self.start(self.site("one.localhost", backend.port))
        gate.rewrite(self.config('[[site]]\nhots = ["two.localhost"]\nbackend = "x"\n'))
        status, out, err = gate.command("reload")
        self.assertNotEqual(status, 0)
        self.assertIn("did you mean 'hosts'", out + err)
        self.assertRegex(out + err, r"gatehouse\.toml:\d+:\d+: ")
        self.assertEqual(http_get(self.http, "one.localhost")[0], 200)

    def test_a_request_in_flight_ends_on_what_it_began_with(self):
        go = threading.Event()

        def slow(request):
            request.send_response(200)
            request.send_header("Content-Length", "8")
            request.end_headers()
            request.wfile.write(b"half")
            request.wfile.flush()
            go.wait(30)
            request.wfile.write(b"done")
        backend = Backend(self.scene, slow)
        gate = self.start(self.site("one.localhost", backend.port))
        with socket.create_connection(("127.0.0.1", self.http), timeout=30) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: one.localhost\r\n\r\n")
            got = b""
            while b"half" not in got:
                got += s.recv(4096)
            gate.rewrite(self.config(self.site("two.localhost", backend.port)))
            self.assertEqual(gate.command("reload")[0], 0)
            self.assertEqual(http_get(self.http, "one.localhost")[0], 404)
            go.set()
            while b"done" not in got:
                piece = s.recv(4096)
                self.assertTrue(piece, got)
                got += piece

    def test_listeners_are_added_and_removed(self):
        backend = Backend(self.scene)
        gate = self.start(self.site("one.localhost", backend.port))
        old, new = self.http, free_port()
        gate.rewrite(self.config(self.site("one.localhost", backend.port), http=[old, new]))
        self.assertEqual(gate.command("reload")[0], 0)
        self.assertEqual(http_get(new, "one.localhost")[0], 200)
        self.assertEqual(http_get(old, "one.localhost")[0], 200)
        gate.rewrite(self.config(self.site("one.localhost", backend.port), http=[new]))
        self.assertEqual(gate.command("reload")[0], 0)
        self.assertEqual(http_get(new, "one.localhost")[0], 200)
        self.assertFalse(accepts(old))

    def test_a_listener_narrows_and_widens_on_its_port(self):
        backend = Backend(self.scene)
        gate = self.start(self.site("one.localhost", backend.port))
        narrow = self.config(self.site("one.localhost", backend.port))
        for address in (f":{self.http}", f"0.0.0.0:{self.http}", f"127.0.0.1:{self.http}", f":{self.http}"):
            gate.rewrite(narrow.replace(f"127.0.0.1:{self.http}", address, 1))
            status, out, err = gate.command("reload")
            self.assertEqual(status, 0, out + err)
            for _ in range(4):
                self.assertEqual(http_get(self.http, "one.localhost")[0], 200, address)

    def test_no_request_fails_while_reloads_go_on(self):
        backend = Backend(self.scene)
        gate = self.start(self.site("one.localhost", backend.port))
        failures, count, stop = [], [0], threading.Event()

        def load():
            while not stop.is_set():
                try:
                    if http_get(self.http, "one.localhost")[0] != 200:
                        failures.append("status")
                    count[0] += 1
                except OSError as e:
                    failures.append(repr(e))
        threads = [threading.Thread(target=load) for _ in range(3)]
        for t in threads:
            t.start()
        for i in range(10):
            gate.rewrite(self.config(self.site("one.localhost", backend.port) + self.site(f"s{i}.localhost", backend.port)))
            self.assertEqual(gate.command("reload")[0], 0)
            before = count[0]
            wait_for(lambda: count[0] > before + len(threads) or failures, "requests begun since")
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])

    def test_sigterm_lets_requests_in_flight_end(self):
        go = threading.Event()

        def slow(request):
            go.wait(30)
            request.send_response(200)
            request.send_header("Content-Length", "2")
            request.end_headers()
            request.wfile.write(b"ok")
        backend = Backend(self.scene, slow)
        gate = self.start(self.site("one.localhost", backend.port))
        answer = []
        thread = threading.Thread(target=lambda: answer.append(http_get(self.http, "one.localhost")))
        thread.start()
        wait_for(lambda: backend.requests, "the request at the backend")
        gate.process.terminate()
        wait_for(lambda: not accepts(self.http), "the listener to close")
        self.assertIsNone(gate.process.poll())
        go.set()
        thread.join()
        self.assertEqual(answer[0][0], 200)
        self.assertEqual(gate.process.wait(20 * PATIENCE), 0)

    def test_a_second_sigterm_stops_at_once(self):
        go = threading.Event()
        self.addCleanup(go.set)
        backend = Backend(self.scene, lambda request: go.wait(60))
        gate = self.start(self.site("one.localhost", backend.port))
        with socket.create_connection(("127.0.0.1", self.http), timeout=30) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: one.localhost\r\n\r\n")
            wait_for(lambda: backend.requests, "the request at the backend")
            gate.process.terminate()
            wait_for(lambda: not accepts(self.http), "the listener to close")
            gate.process.terminate()
            gate.process.wait(10 * PATIENCE)

    def test_a_stop_at_any_moment_of_the_start_ends_well(self):
        # Certificates are on their way to the workers while everything is taken apart.
        chance = random.Random(7)
        for _ in range(25):
            with Scene(self) as scene:
                gate = Gatehouse(scene, f"""
[server]
http = ["127.0.0.1:{free_port()}"]
https = ["127.0.0.1:{free_port()}"]
data_dir = "{scene.path('data')}"
[[site]]
hosts = ["a.localhost", "b.localhost", "c.localhost"]
tls.mode = "internal"
respond = {{ body = "here" }}
""")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    gate.process.wait(chance.random() * 0.03)
                gate.signal(signal.SIGTERM)
                self.assertEqual(gate.stop(), 0, gate.log())

    def test_a_second_instance_on_the_same_data_is_refused_clearly(self):
        backend = Backend(self.scene)
        gate = self.start(self.site("one.localhost", backend.port))
        done = subprocess.run([BINARY, "run", "-c", gate.config_path], capture_output=True, text=True,
                              timeout=30 * PATIENCE)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"in use|already")
        self.assertEqual(http_get(self.http, "one.localhost")[0], 200)

    def test_sigusr1_opens_the_logs_again(self):
        backend = Backend(self.scene)
        self.http = free_port()
        access = self.scene.path("access.log")
        gate = Gatehouse(self.scene, self.config(f'[log]\naccess = "{access}"\n' + self.site("one.localhost", backend.port)))
        http_get(self.http, "one.localhost", "/before")
        wait_for(lambda: "/before" in self.scene.log("access.log"), "the first line")
        os.rename(access, access + ".1")
        gate.signal(signal.SIGUSR1)
        wait_for(lambda: os.path.exists(access), "the new file")
        http_get(self.http, "one.localhost", "/after")
        wait_for(lambda: "/after" in self.scene.log("access.log"), "the line in the new file")


if __name__ == "__main__":
    main()
