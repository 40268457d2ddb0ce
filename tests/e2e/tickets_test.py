"""Session tickets: resumption across restarts, rotation of their keys, and what a spoilt file of keys does."""
import datetime

from harness import *


class Tickets(Case):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.gate = Gatehouse(self.scene, f"""
[server]
http = []
https = ["127.0.0.1:{self.port}"]
data_dir = "{self.scene.path('data')}"
[[site]]
hosts = ["a.localhost"]
respond = {{ body = "here" }}
""")
        self.root = self.gate.internal_root()
        self.context = tls_context(self.root, ["http/1.1"])
        wait_for(self.served, "the certificate")
        self.file = self.scene.path("data", "tickets.json")
        self.written(lambda keys: len(keys) == 2, "ticket keys in the file")

    def served(self):
        with contextlib.suppress(OSError):
            self.visit()
            return True
        return False

    def visit(self, session=None):
        """(session resumed, session to come back with)"""
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=30 * PATIENCE)
        with self.context.wrap_socket(raw, server_hostname="a.localhost", session=session) as stream:
            # The tickets of TLS 1.3 come behind the handshake: read on.
            self.assertEqual(request_over(stream, "a.localhost")[2], b"here")
            return stream.session_reused, stream.session

    def restart(self, between=lambda: None):
        self.assertEqual(self.gate.stop(), 0)
        between()
        self.gate.start()

    def keys(self):
        with open(self.file) as f:
            return json.load(f)["keys"]

    def written(self, judge, what):
        """The keys of the file, once they are as they should be: nothing waits for them at a start."""
        def good():
            with contextlib.suppress(OSError, ValueError):
                keys = self.keys()
                return judge(keys) and keys
        return wait_for(good, what)

    def pass_time(self, hours):
        """The keys become so much older while nobody runs."""
        def older(key):
            date, secret = key.split(" ")
            when = datetime.datetime.fromisoformat(date.replace("Z", "+00:00"))
            when -= datetime.timedelta(hours=hours)
            return when.strftime("%Y-%m-%dT%H:%M:%SZ") + " " + secret
        with open(self.file) as f:
            stored = json.load(f)
        stored["keys"] = [older(key) for key in stored["keys"]]
        with open(self.file, "w") as f:
            json.dump(stored, f)

    def test_a_session_is_resumed_also_after_a_restart(self):
        _, session = self.visit()
        self.assertTrue(self.visit(session)[0])
        _, session = self.visit()
        before = self.keys()
        self.restart()
        self.assertEqual(self.keys(), before)
        self.assertTrue(self.visit(session)[0])
        self.assertEqual(os.stat(self.file).st_mode & 0o7777, 0o600)

    def test_an_old_key_opens_tickets_while_a_new_one_seals_them(self):
        _, session = self.visit()
        first = self.keys()
        self.restart(lambda: self.pass_time(13))
        second = self.written(lambda keys: len(keys) == 3, "a third key in the file")
        # The one made ahead is current, another is made ahead, the first is kept.
        self.assertEqual([key.split(" ")[1] for key in second[:2]], [key.split(" ")[1] for key in first])
        resumed, renewed = self.visit(session)
        self.assertTrue(resumed)
        # 37 hours after it became current the first key is gone, and the second opens still.
        self.restart(lambda: self.pass_time(24))
        self.written(lambda keys: first[0].split(" ")[1] not in [key.split(" ")[1] for key in keys], "the first key's end")
        self.assertTrue(self.visit(renewed)[0])
        self.assertFalse(self.visit(session)[0])

    def spoilt(self, spoil, why):
        _, session = self.visit()
        before = self.keys()
        self.restart(spoil)
        self.gate.wait_logged("ticket keys made anew")
        self.gate.wait_logged(why)
        self.assertFalse(self.visit(session)[0])
        old = {key.split(" ")[1] for key in before}
        self.written(lambda keys: not old & {key.split(" ")[1] for key in keys}, "new keys in the file")
        self.assertEqual(os.stat(self.file).st_mode & 0o7777, 0o600)
        _, session = self.visit()
        self.restart()
        self.assertTrue(self.visit(session)[0])

    def test_a_damaged_file_is_told_and_replaced(self):
        def damage():
            with open(self.file, "w") as f:
                f.write('{"keys": [')
        self.spoilt(damage, "tickets.json is damaged")

    def test_a_damaged_key_is_told_and_all_are_replaced(self):
        def damage():
            keys = self.keys()
            with open(self.file, "w") as f:
                json.dump({"keys": [keys[0][:-8], *keys[1:]]}, f)
        self.spoilt(damage, "a secret has not 32 octets")

    def test_keys_that_others_could_read_are_not_used_on(self):
        self.spoilt(lambda: os.chmod(self.file, 0o644), "0644")

    def test_a_missing_file_is_made_without_a_word(self):
        self.restart(lambda: os.unlink(self.file))
        self.assertNotIn("ticket keys", self.gate.log())
        self.written(lambda keys: len(keys) == 2, "keys in the file")


if __name__ == "__main__":
    main()
