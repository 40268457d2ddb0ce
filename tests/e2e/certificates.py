"""Certificates and revocation lists of openssl's making, for servers and clients of the tests."""
import os
import subprocess


class Authority:
    """A CA of its own; `pem` is its root."""

    def __init__(self, scene, name):
        self.scene = scene
        self.name = name
        self.dir = scene.path(f"ca-{name}")
        os.makedirs(self.dir)
        self.pem = os.path.join(self.dir, "root.pem")
        self.key = os.path.join(self.dir, "root.key")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", self.key, "-out", self.pem, "-subj", f"/O=Example/CN={name}", "-days", "2",
                     "-addext", "basicConstraints=critical,CA:TRUE",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        for file, text in (("index.txt", ""), ("serial", "1000\n"), ("crlnumber", "01\n")):
            with open(os.path.join(self.dir, file), "w") as f:
                f.write(text)
        with open(os.path.join(self.dir, "ca.conf"), "w") as f:
            f.write(f"[ca]\ndefault_ca = here\n[here]\ndir = {self.dir}\ndatabase = $dir/index.txt\n"
                    "serial = $dir/serial\ncrlnumber = $dir/crlnumber\nnew_certs_dir = $dir\n"
                    "default_md = sha256\npolicy = any\nunique_subject = no\n"
                    "[any]\norganizationName = optional\ncommonName = supplied\n")

    def openssl(self, *words):
        done = subprocess.run(["openssl", *words], capture_output=True, text=True, cwd=self.scene.dir)
        if done.returncode != 0:
            raise AssertionError(f"openssl {' '.join(words)}: {done.stderr}")
        return done.stdout

    def leaf(self, name, *more, usage="serverAuth", san=True):
        """(certificate, key) for `name` and the names in `more`."""
        stem = os.path.join(self.dir, f"{name.replace('*', '_')}-{len(os.listdir(self.dir))}")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                     stem + ".key", "-out", stem + ".csr", "-subj", f"/O=Example/CN={name}")
        with open(stem + ".ext", "w") as f:
            f.write(f"extendedKeyUsage={usage}\n")
            if san:
                f.write("subjectAltName=" + ",".join(f"DNS:{each}" for each in (name, *more)) + "\n")
        self.openssl("ca", "-batch", "-config", os.path.join(self.dir, "ca.conf"), "-cert", self.pem,
                     "-keyfile", self.key, "-in", stem + ".csr", "-out", stem + ".pem", "-days", "2",
                     "-extfile", stem + ".ext", "-notext")
        return stem + ".pem", stem + ".key"

    def revoke(self, certificate):
        self.openssl("ca", "-config", os.path.join(self.dir, "ca.conf"), "-cert", self.pem, "-keyfile",
                     self.key, "-revoke", certificate)

    def crl(self, path, *life):
        """Writes the list as it stands now; `life` are openssl's words for how long it is good."""
        self.openssl("ca", "-config", os.path.join(self.dir, "ca.conf"), "-cert", self.pem, "-keyfile",
                     self.key, "-gencrl", "-out", path, *(life or ("-crldays", "1")))
        return path
