"""What the documentation shows is true: every example is a valid configuration."""
import glob
import re

from certificates import Authority
from harness import *

TOP = os.environ["GATEHOUSE_TOP"]


class Docs(Case):
    def setUp(self):
        super().setUp()
        self.crl = Authority(self.scene, "clients").crl(self.scene.path("list.pem"))

    def validate(self, path, environment=None):
        done = subprocess.run([BINARY, "validate", "-c", path], capture_output=True, text=True,
                              env=dict(os.environ, **(environment or {})), timeout=30 * PATIENCE)
        return done.returncode, done.stdout + done.stderr

    def key_pair(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-keyout", self.scene.path("key.pem"), "-out",
                        self.scene.path("cert.pem"), "-subj", "/CN=x", "-days", "1", "-addext",
                        "subjectAltName=DNS:app.example.com,DNS:*.example.com"],
                       check=True, capture_output=True)

    def with_files_in_place(self, text):
        """Points certificate and secret files of an example at ones that exist."""
        self.key_pair()
        text = re.sub(r'cert\s*= "/[^"]+"', f'cert = "{self.scene.path("cert.pem")}"', text)
        text = re.sub(r'key\s*= "/[^"]+"', f'key = "{self.scene.path("key.pem")}"', text)
        page = self.scene.write("error.html", "<h1>Sorry</h1>")
        text = re.sub(r'("[45](?:\d\d|xx)" = )"/[^"]+"', rf'\1"{page}"', text)
        secret = self.scene.write("secret", "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTMyYiE=\n")
        text = re.sub(r"\$\{file:/[^}]+\}", f"${{file:{secret}}}", text)
        text = re.sub(r'roots(\s*)= "/[^"]+"', rf'roots\1= "{self.scene.path("cert.pem")}"', text)
        return re.sub(r'crl(\s*)= "/[^"]+"', rf'crl\1= "{self.crl}"', text)

    def test_every_toml_example_in_the_documentation_is_valid(self):
        count = 0
        for document in sorted(glob.glob(f"{TOP}/docs/*.md") + [f"{TOP}/README.md"]):
            with open(document) as f:
                blocks = re.findall(r"^( *)```toml\n(.*?)^\1```", f.read(), re.M | re.S)
            for number, (indent, block) in enumerate(blocks):
                with self.subTest(document=os.path.basename(document), block=number):
                    text = "".join(line[len(indent):] if line.startswith(indent) else line
                                   for line in block.splitlines(keepends=True))
                    path = self.scene.write("example.toml", self.with_files_in_place(text))
                    status, out = self.validate(path, {"EAB_HMAC": "c2VjcmV0", "EAB_KEY": "c2VjcmV0"})
                    self.assertEqual(status, 0, f"{text}\n{out}")
                    count += 1
        self.assertGreaterEqual(count, 5)

    def test_every_example_file_is_valid(self):
        examples = sorted(glob.glob(f"{TOP}/examples/*.toml"))
        self.assertGreaterEqual(len(examples), 5)
        for example in examples:
            with self.subTest(os.path.basename(example)):
                with open(example) as f:
                    path = self.scene.write(os.path.basename(example), self.with_files_in_place(f.read()))
                self.key_pair()
                status, out = self.validate(path, {"PEBBLE_ROOTS": self.scene.path("cert.pem"),
                                                   "GATEHOUSE_CERT": self.scene.path("cert.pem"),
                                                   "GATEHOUSE_KEY": self.scene.path("key.pem"),
                                                   "PEBBLE_DIRECTORY": "https://127.0.0.1:14000/dir"})
                self.assertEqual(status, 0, out)

    def test_the_compose_example_fits_the_image_and_its_configuration_is_valid(self):
        with open(f"{TOP}/examples/compose.yaml") as f:
            compose = f.read()
        with open(f"{TOP}/Dockerfile") as f:
            dockerfile = f.read()
        build = re.search(r"^ +build: (\S+)$", compose, re.M).group(1)
        self.assertTrue(os.path.samefile(f"{TOP}/examples/{build}/Dockerfile", f"{TOP}/Dockerfile"))
        ports = re.findall(r'^ +- "\d+:(\d+)"$', compose, re.M)
        self.assertEqual(ports, re.search(r"^EXPOSE (.+)$", dockerfile, re.M).group(1).split())
        mounts = re.findall(r"^ +- (?:\./)?[\w.-]+:(/[^:\s]+)(?::ro)?$", compose, re.M)
        volume = re.search(r"^VOLUME (\S+)$", dockerfile, re.M).group(1)
        config = re.search(r'"--config", "([^"]+)"', dockerfile).group(1)
        self.assertEqual(sorted(mounts), sorted([config, volume]))
        # What the head of the file tells to write beside it.
        text = "".join(line[4:] + "\n" for line in compose.splitlines() if line.startswith("#   "))
        path = self.scene.write("gatehouse.toml", text)
        status, out = self.validate(path)
        self.assertEqual(status, 0, f"{text}\n{out}")
        effective = subprocess.run([BINARY, "config", "-c", path], capture_output=True, text=True).stdout
        patience = int(re.search(r'^graceful_timeout = "(\d+)s"', effective, re.M).group(1))
        self.assertGreater(int(re.search(r"stop_grace_period: (\d+)s", compose).group(1)), patience)

    def test_the_documents_link_to_files_that_exist(self):
        for document in sorted(glob.glob(f"{TOP}/docs/*.md") + [f"{TOP}/README.md"]):
            with open(document) as f:
                for target in re.findall(r"\]\(([^)#:]+)\)", f.read()):
                    path = os.path.join(os.path.dirname(document), target)
                    self.assertTrue(os.path.exists(path), f"{document}: {target}")


if __name__ == "__main__":
    main()
