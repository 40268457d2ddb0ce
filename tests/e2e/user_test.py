"""Started as root with [server] user: ports below 1024 are bound, then root is given up for good."""
import pwd
import random

from harness import *

ACCOUNT = "nobody"


def low_ports_need_root():
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as f:
        return int(f.read()) > 80


def free_low_port():
    while True:
        port = random.randrange(200, 1000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


class User(Case):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("needs root, to give it up")
        self.account = pwd.getpwnam(ACCOUNT)
        os.chmod(self.scene.dir, 0o755)  # the account must reach its folders in here
        self.low = free_low_port()
        self.tls = free_port()

    def config(self, http, extra=""):
        listeners = ", ".join(f'"127.0.0.1:{port}"' for port in http)
        return f"""
[server]
http = [{listeners}]
https = ["127.0.0.1:{self.tls}"]
user = "{ACCOUNT}"
data_dir = "{self.scene.path('data')}"
[log]
output = "{self.scene.path('logs', 'gatehouse.log')}"
access = "{self.scene.path('logs', 'access.log')}"
{extra}
[[site]]
hosts = ["a.localhost"]
respond = {{ body = "here" }}
redirect_http = false
"""

    def start(self, extra=""):
        os.mkdir(self.scene.path("logs"))
        os.chown(self.scene.path("logs"), self.account.pw_uid, self.account.pw_gid)
        self.gate = Gatehouse(self.scene, self.config([self.low], extra))
        return self.gate

    def files(self):
        for top in ("data", "logs"):
            for folder, _, names in os.walk(self.scene.path(top)):
                yield folder
                yield from (os.path.join(folder, name) for name in names)

    def assert_all_owned(self):
        for path in self.files():
            facts = os.lstat(path)
            self.assertEqual((facts.st_uid, facts.st_gid), (self.account.pw_uid, self.account.pw_gid), path)

    def test_every_thread_is_the_account_and_has_no_capability_left(self):
        gate = self.start()
        self.assertEqual(http_get(self.low, "a.localhost")[2], b"here")
        tasks = os.listdir(f"/proc/{gate.pid()}/task")
        self.assertGreater(len(tasks), 1)
        for task in tasks:
            with open(f"/proc/{gate.pid()}/task/{task}/status") as f:
                facts = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
            self.assertEqual(facts["Uid"].split(), [str(self.account.pw_uid)] * 4)
            self.assertEqual(facts["Gid"].split(), [str(self.account.pw_gid)] * 4)
            self.assertEqual(set(facts["Groups"].split()), set(map(str, os.getgrouplist(ACCOUNT, self.account.pw_gid))))
            for capabilities in ("CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(int(facts[capabilities], 16), 0, capabilities)

    def test_all_that_is_kept_belongs_to_the_account_also_what_root_made_before(self):
        os.mkdir(self.scene.path("data"), 0o700)
        self.scene.write("data/certificates/left-by-root", "x")
        gate = self.start()
        wait_for(lambda: os.path.exists(self.scene.path("data", "internal-ca", "root.pem")), "the internal CA")
        self.assert_all_owned()
        self.assertEqual(gate.command("status")[0], 0)
        # The account opens its log files again by itself, and takes its socket away at the end.
        os.rename(self.scene.path("logs", "gatehouse.log"), self.scene.path("logs", "gatehouse.log.1"))
        gate.signal(signal.SIGUSR1)
        wait_for(lambda: os.path.exists(self.scene.path("logs", "gatehouse.log")), "the new log")
        self.assertEqual(gate.stop(), 0)
        self.assertFalse(os.path.exists(self.scene.path("data", "admin.sock")))
        self.assert_all_owned()

    def test_an_admin_socket_elsewhere_is_the_accounts_too(self):
        path = self.scene.path("admin.sock")
        self.start(f'[admin]\nlisten = "unix:{path}"\n')
        self.assertEqual(os.stat(path).st_uid, self.account.pw_uid)

    def test_a_file_with_a_second_name_elsewhere_is_not_handed_over(self):
        os.mkdir(self.scene.path("data"), 0o700)
        theirs = self.scene.write("not-theirs", "x")
        os.link(theirs, self.scene.path("data", "linked"))
        os.mkdir(self.scene.path("logs"))
        gate = Gatehouse(self.scene, self.config([self.low]), wait=False)
        self.assertEqual(gate.process.wait(30 * PATIENCE), 1)
        gate.wait_logged(f"{self.scene.path('data', 'linked')}: has a second name elsewhere")
        self.assertEqual(os.stat(theirs).st_uid, 0)

    def test_a_reload_opens_high_ports_and_says_that_low_ones_need_a_restart(self):
        gate = self.start()
        high = free_port()
        gate.rewrite(self.config([self.low, high]))
        status, out, err = gate.command("reload")
        self.assertEqual(status, 0, out + err)
        self.assertEqual(http_get(high, "a.localhost")[2], b"here")
        if not low_ports_need_root():
            self.skipTest("low ports need no root here")
        another = free_low_port()
        gate.rewrite(self.config([self.low, high, another]))
        status, out, err = gate.command("reload")
        self.assertEqual(status, 1)
        self.assertIn(f"listen on 127.0.0.1:{another}: Permission denied", err)
        self.assertIn(f"this process gave root up for server.user '{ACCOUNT}', so only a restart opens it", err)
        self.assertEqual(http_get(self.low, "a.localhost")[2], b"here")
        self.assertEqual(gate.stop(), 0)
        gate.start()
        self.assertEqual(http_get(another, "a.localhost")[2], b"here")

    def test_somebody_who_is_not_root_cannot_become_another(self):
        binary = self.scene.path("gatehouse-for-nobody")
        shutil.copy(BINARY, binary)
        config = self.scene.write("config.toml", f"""
[server]
http = ["127.0.0.1:{free_port()}"]
https = []
user = "daemon"
data_dir = "{self.scene.path('own')}"
[[site]]
hosts = ["a.localhost"]
respond = {{}}
""")
        os.mkdir(self.scene.path("own"))
        os.chown(self.scene.path("own"), self.account.pw_uid, self.account.pw_gid)
        done = subprocess.run([binary, "run", "-c", config], capture_output=True, text=True,
                              user=self.account.pw_uid, group=self.account.pw_gid, extra_groups=[],
                              cwd=self.scene.dir, timeout=30 * PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn("server.user 'daemon': only root can become another user", done.stderr)


if __name__ == "__main__":
    main()
