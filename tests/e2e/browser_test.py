"""A browser: Chromium loads a page with a hundred resources, talks over a WebSocket and hears events, all over HTTP/2."""
import base64
import hashlib
import shutil
import subprocess

from h2_test import Service
from harness import *

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@unittest.skipUnless(CHROMIUM, "chromium is not installed: scripts/test gets it")
class Browser(Service):
    def key_hash(self, name):
        """What Chromium calls a certificate by that it shall trust."""
        with handshake(self.https, name, self.root) as stream:
            certificate = stream.getpeercert(binary_form=True)
        made = subprocess.run(["openssl", "x509", "-inform", "der", "-pubkey", "-noout"], input=certificate,
                              capture_output=True, check=True).stdout
        key = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=made, capture_output=True,
                             check=True).stdout
        return base64.b64encode(hashlib.sha256(key).digest()).decode()

    def test_a_page_with_a_hundred_resources_a_websocket_and_events(self):
        for number, host in enumerate(("old.localhost", "new.localhost"), 1):
            with self.subTest(host):
                browser = self.scene.process(
                    [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--no-first-run", "--disable-background-networking", f"--user-data-dir={self.scene.path(host)}",
                     f"--ignore-certificate-errors-spki-list={self.key_hash(host)}",
                     "--host-resolver-rules=MAP *.localhost 127.0.0.1", "--remote-debugging-port=0",
                     f"https://{host}:{self.https}/page"], f"chromium-{host}.log")
                reports = wait_for(lambda: (r := [e["report"] for e in self.events() if "report" in e]) and
                                   len(r) == number and r, "the browser's report", 90)
                browser.terminate()
                self.assertEqual(reports[-1]["loaded"], 100)
                self.assertEqual(reports[-1]["protocols"], {"h2": 100})
                self.assertEqual(reports[-1]["chat"], {"heard": 100, "code": 4000})
                self.assertEqual(reports[-1]["events"], ["first", "next"])
        # A tunnel has its line at its end, which is the browser's.
        chats = wait_for(lambda: (lines := [line for line in self.logged(1) if line["path"] == "/chat"]) and
                         len(lines) == 2 and lines, "the lines of the tunnels")
        self.assertEqual([(line["proto"], line["status"]) for line in chats], [("HTTP/2", 101)] * 2)


if __name__ == "__main__":
    main()
