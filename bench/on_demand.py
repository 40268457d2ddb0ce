"""Names that nobody has seen before, from a real CA (Pebble) that validates at once."""
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from measure import cpu_us
from peers import Floor
from row import Row

ABLE = ("gatehouse", "before", "caddy")  # who obtains certificates in a handshake
# Of a name that nobody has seen before: the client's, and the CA's three (tls-alpn-01, from as many
# places at once).
HANDSHAKES = 4


def first_byte(port, name):
    """Seconds from the connection to the answer over https for a name."""
    trusting = ssl._create_unverified_context()
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=120) as plain:
        with trusting.wrap_socket(plain, server_hostname=name) as stream:
            stream.sendall(f"GET /1k HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            if stream.recv(12) != b"HTTP/1.1 200":
                raise RuntimeError(f"no answer for {name}")
    return time.monotonic() - began


def on_demand(bench):
    """What a name costs beside what the CA needs for it: Pebble alone answers in some 20 ms."""
    import harness  # only here: the others need no CA
    first = Row("k", "first byte on a never-seen name", "ms", None)
    burst = Row("k", "time a name of a burst of never-seen names", "ms", None)
    of_ca = Row("k", "CPU time of the CA for each of them (Pebble, which is Go)", "ms", None)
    tail = Row("k", "p99 of other traffic, 500 requests a second, during such a burst (ours)", "ms", 1.20)
    names = bench.either(1000, 200)
    for name in [name for name in bench.peers if name in ABLE]:
        with harness.Scene(None) as scene:
            authority = []

            def ca(http, https):
                authority.append(harness.Pebble(scene, http, https, nonce_reject=0, authz_reuse=0))
                return authority[0]
            [peer] = bench.started([bench.scene.certificate("localhost")], {"acme": ca}, only=[name])
            first_byte(peer.https, "warm.fresh.test")  # the account
            for number in range(bench.rounds * (3 if name == "gatehouse" else 1)):
                first.figures.add(name, first_byte(peer.https, f"n{number}.fresh.test") * 1000)

            def served(new):
                try:
                    first_byte(peer.https, new)
                    return True
                except OSError:
                    return False

            def many(kind, count):
                began = time.monotonic()
                with ThreadPoolExecutor(count) as pool:  # all at once
                    fine = sum(pool.map(served, (f"{kind}{i}.fresh.test" for i in range(count))))
                burst.errors[name] = burst.errors.get(name, 0) + count - fine
                return (time.monotonic() - began) * 1000 / max(fine, 1)
            # The figure is per name; with a thousand others would take a quarter of an hour.
            count = names if name == "gatehouse" else names // 10
            before = cpu_us([authority[0].process.pid])
            burst.figures.add(name, many("burst", count))
            if name == "gatehouse":
                of_ca.figures.add(name, (cpu_us([authority[0].process.pid]) - before) / count / 1000)
            if name == "gatehouse":
                url = f"https://localhost:{peer.https}/1k"
                seconds = bench.either(3, 2)
                for turn in range(bench.rounds):
                    calm, failed = bench.scene.latencies(url, seconds, 500, "--h1")
                    ended = []
                    busy = threading.Thread(target=lambda: (many(f"busy{turn}-", 600), ended.append(True)))
                    busy.start()
                    beside, failed_beside = bench.scene.latencies(url, seconds, 500, "--h1")
                    if ended:
                        raise RuntimeError("the burst was over before the latencies beside it were taken, "
                                           f"{burst.errors[name]} names without an answer (has the CA locked itself up?)")
                    busy.join()
                    tail.figures.add("calm", calm[len(calm) * 99 // 100])
                    tail.figures.add(name, beside[len(beside) * 99 // 100])
                    tail.errors[name] = tail.errors.get(name, 0) + failed + failed_beside
            bench.stop([peer])
    yield from (first, burst, of_ca, tail)
    if "gatehouse" in burst.figures.peers():
        yield floor_of_tail(bench, round(HANDSHAKES * 1000 / burst.figures.median("gatehouse")))


def floor_of_tail(bench, rate):
    """A program that forwards and shakes hands, as often as a burst of names brings with it, and does
    nothing for any certificate."""
    row = Row("k", f"the same of the floor, beside {rate} handshakes a second and nothing else", "ms", None)
    floor = bench.floor(Floor)
    floor.start(bench.backend.port, [bench.scene.certificate("localhost")])
    url = f"https://localhost:{floor.https}/1k"
    seconds = bench.either(3, 2)
    for _ in range(bench.either(bench.rounds, 1)):
        calm, failed = bench.scene.latencies(url, seconds, 500, "--h1")
        done = bench.scene.busy_with_handshakes(floor.https, rate, seconds + 3)
        beside, failed_beside = bench.scene.latencies(url, seconds, 500, "--h1")
        if done() < rate * seconds:
            raise RuntimeError("fewer handshakes than wanted stood beside the latencies")
        row.figures.add("calm", calm[len(calm) * 99 // 100])
        row.figures.add("floor", beside[len(beside) * 99 // 100])
        row.errors["floor"] = row.errors.get("floor", 0) + failed + failed_beside
    bench.stop([floor])
    return row
