"""Ports for the listeners of tests that run side by side."""
import contextlib
import random
import socket
import threading

# Not from the kernel's own range: an outgoing connection of any process could take such a port
# before the one who asked binds it.
FIRST, BEHIND, BLOCK = 10000, 32000, 50


def _claim(name):
    """Ours until this process ends, however it ends; None: another process has it. An abstract name
    belongs to the network namespace, as ports do."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind("\0" + name)
        return claim
    except OSError:
        claim.close()
        return None


def _can_be_bound(port):
    with socket.socket() as s, contextlib.suppress(OSError):
        s.bind(("127.0.0.1", port))
        return True
    return False


def _ports():
    blocks = list(range(FIRST, BEHIND, BLOCK))
    random.shuffle(blocks)
    claims = []
    for first in blocks:
        if claim := _claim(f"gatehouse-test-ports-{first}"):
            claims.append(claim)
            yield from filter(_can_be_bound, range(first, first + BLOCK))
    raise RuntimeError("all ports for tests are taken")


_mine = _ports()
_lock = threading.Lock()


def free_port():
    """A port that nothing listens on, and that is told once: neither this process nor another one
    that asks here gets it again."""
    with _lock:
        return next(_mine)
