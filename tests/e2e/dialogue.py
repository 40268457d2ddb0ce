"""A program that is spoken to line by line, as a person would: such programs look for commands where what they read
begins."""
import os
import select
import subprocess
import time

from harness import PATIENCE


class Dialogue:
    """Ends with the scene, or earlier with end()."""

    def __init__(self, scene, argv):
        self.name = argv[0]
        self.out = ""
        self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        scene.callback(self.end)
        os.set_blocking(self.child.stdout.fileno(), False)

    def say(self, line, text, times=1):
        """Types `line` and waits until the output, from the beginning, has `text` that often."""
        self.child.stdin.write(line.encode())
        self.child.stdin.flush()
        deadline = time.monotonic() + 30 * PATIENCE
        while self.out.count(text) < times:
            if time.monotonic() > deadline or self.child.poll() is not None:
                raise AssertionError(f"{self.name} did not say '{text}' {times} times:\n{self.out}")
            select.select([self.child.stdout], [], [], 0.2)
            self.out += (self.child.stdout.read() or b"").decode(errors="replace")

    def end(self):
        if self.child.stdin.closed:
            return
        self.child.stdin.close()
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()
