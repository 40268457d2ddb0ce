"""The internal CA's root goes into the system's trust store and out of it again.

Debian's own tool runs on a copy of the store: in a mount namespace of our own, for which one must be root.
"""
import pwd

from harness import *

STORE = "/usr/local/share/ca-certificates"
FILE = f"{STORE}/gatehouse-internal-ca.crt"
# Nothing of this is left when the namespace ends with its last process.
OWN_STORE = f"mount -t tmpfs none {STORE} && cp -a /etc/ssl/certs /tmp/$$.certs && " \
            f"mount -t tmpfs none /etc/ssl/certs && cp -a /tmp/$$.certs/. /etc/ssl/certs/ && rm -r /tmp/$$.certs && "


def own_store_works():
    if os.geteuid() != 0 or not shutil.which("update-ca-certificates"):
        return False
    done = subprocess.run(["unshare", "-m", "sh", "-c", OWN_STORE + "true"], capture_output=True)
    return done.returncode == 0


class Trust(Case):
    def setUp(self):
        super().setUp()
        self.config = self.make("one")

    def make(self, name):
        """A config whose data directory holds an internal CA; the CA is made by running it once."""
        data = self.scene.path(name)
        config = f"""
[server]
http = []
https = ["127.0.0.1:{free_port()}"]
data_dir = "{data}"
[[site]]
hosts = ["a.localhost"]
respond = {{}}
"""
        gate = Gatehouse(self.scene, config, name=f"gate-{name}")
        wait_for(lambda: os.path.exists(f"{data}/internal-ca/root.pem"), "the internal CA's root")
        self.assertEqual(gate.stop(), 0)
        return gate.config_path

    def in_own_store(self, script):
        if not own_store_works():
            self.skipTest("needs root, mount namespaces and Debian's ca-certificates")
        done = subprocess.run(["unshare", "-m", "sh", "-c", OWN_STORE + "set -e\n" + script],
                              capture_output=True, text=True, timeout=120 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_trusted_twice_and_untrusted_twice(self):
        root = self.scene.path("one", "internal-ca", "root.pem")
        out = self.in_own_store(f"""
{BINARY} trust -c {self.config} | grep trusted
cmp {FILE} {root}
test $(stat -c %a {FILE}) = 644
openssl verify -CApath /etc/ssl/certs {root}
grep -qF "$(sed -n 2p {root})" /etc/ssl/certs/ca-certificates.crt
{BINARY} trust -c {self.config} | grep trusted
{BINARY} untrust -c {self.config} | grep trusted
test ! -e {FILE}
if openssl verify -CApath /etc/ssl/certs {root}; then exit 1; fi
if grep -qF "$(sed -n 2p {root})" /etc/ssl/certs/ca-certificates.crt; then exit 1; fi
{BINARY} untrust
""")
        told = [line for line in out.splitlines() if "trusted" in line]
        self.assertEqual(told, [f"trusted: {FILE}", f"trusted already: {FILE}",
                                f"no longer trusted: {FILE}", f"was not trusted: {FILE}"])

    def test_the_root_of_another_data_directory_takes_the_place_of_the_first(self):
        other = self.make("two")
        out = self.in_own_store(f"""
{BINARY} trust -c {self.config} | grep trusted
{BINARY} trust -c {other} | grep trusted
cmp {FILE} {self.scene.path("two", "internal-ca", "root.pem")}
openssl verify -CApath /etc/ssl/certs {self.scene.path("two", "internal-ca", "root.pem")}
if openssl verify -CApath /etc/ssl/certs {self.scene.path("one", "internal-ca", "root.pem")}; then exit 1; fi
{BINARY} untrust | grep trusted
""")
        told = [line for line in out.splitlines() if "trusted" in line]
        self.assertEqual(told, [f"trusted: {FILE}",
                                f"trusted: {FILE}, in place of another Gatehouse root",
                                f"no longer trusted: {FILE}"])

    def test_print_shows_the_root_and_changes_nothing(self):
        done = subprocess.run([BINARY, "trust", "--print", "-c", self.config], capture_output=True,
                              text=True, timeout=30 * PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.scene.path("one", "internal-ca", "root.pem")) as f:
            self.assertEqual(done.stdout, f.read())

    def test_without_a_ca_it_says_when_there_will_be_one(self):
        config = self.scene.write("fresh.toml", f'[server]\ndata_dir = "{self.scene.path("fresh")}"\n')
        done = subprocess.run([BINARY, "trust", "-c", config], capture_output=True, text=True,
                              timeout=30 * PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr,
                         f"gatehouse: {self.scene.path('fresh')}/internal-ca/root.pem: there is no internal CA yet; "
                         "it is made when 'gatehouse run' first needs it\n")

    def test_without_root_it_says_the_way_out(self):
        if os.geteuid() != 0 or not os.path.isdir(STORE):
            self.skipTest("needs root, to become somebody else, and Debian's ca-certificates")
        nobody = pwd.getpwnam("nobody")
        os.chmod(self.scene.dir, 0o755)
        for folder, _, files in os.walk(self.scene.path("one")):
            for path in [folder] + [os.path.join(folder, name) for name in files]:
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        binary = self.scene.path("gatehouse-for-nobody")
        shutil.copy(BINARY, binary)
        done = subprocess.run([binary, "trust", "-c", self.config], capture_output=True, text=True,
                              user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
                              cwd=self.scene.dir, timeout=30 * PATIENCE)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(done.stderr, f"gatehouse: {FILE}: Permission denied; this needs root (try sudo)\n")

    def test_by_way_of_sudo_the_own_root_of_who_asks_is_found(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, as sudo gives it")
        user = pwd.getpwuid(0)
        binary = self.scene.path("gatehouse-elsewhere")  # the build may lie below that home
        shutil.copy(BINARY, binary)
        script = f"""
mount -t tmpfs none /var/lib
mount -t tmpfs none {user.pw_dir}
mkdir -p {user.pw_dir}/.local/share/gatehouse/internal-ca
cp {self.scene.path("one", "internal-ca", "root.pem")} {user.pw_dir}/.local/share/gatehouse/internal-ca/
cd /
SUDO_USER={user.pw_name} {binary} trust --print
"""
        out = self.in_own_store(script)
        with open(self.scene.path("one", "internal-ca", "root.pem")) as f:
            self.assertEqual(out, f.read())


if __name__ == "__main__":
    main()
