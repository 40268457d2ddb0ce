"""What is measured. Each scenario yields rows: a title, a unit, and a figure a round and peer.

The peers of a scenario run at the same time on the same CPU, idle but for the one under load, so
that rounds can be interleaved (A B C A B C …): what drifts on the machine drifts for all of them.
"""
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import shares
from measure import pinned, run
from on_demand import on_demand
from peers import Floor, FloorH2, FloorHeads, FloorParts, FloorUring, HandshakeFloor, most_connections
from row import Row
from scene import LOAD_CPU


class Bench:
    """The parts every scenario needs."""

    def __init__(self, scene, peers, backend, rounds, scale):
        self.scene, self.backend, self.rounds, self.scale = scene, backend, rounds, scale
        self.peers = peers  # name -> a function that makes one
        self.floor = None  # makes one of the minimal programs

    def started(self, certificates, options=None, only=None):
        running = [make() for name, make in self.peers.items() if only is None or name in only]
        for peer in running:
            peer.start(self.backend.port, certificates, options)
        return running

    def stop(self, running):
        for peer in running:
            peer.stop()

    def turns(self, running, rounds=None):
        """Each of them in each round, and another one first each time."""
        for turn in range(rounds or self.rounds):
            first = turn % len(running)
            yield from running[first:] + running[:first]

    def settle(self, peer):
        """Until it does nothing more on its own: what it still loads is not the load's doing."""
        before = -1
        while peer.cpu_us() - before > 10000:
            before = peer.cpu_us()
            time.sleep(0.5)

    def requests(self, count):
        return max(int(count * self.scale), 64)

    def either(self, full, quick):
        """For what cannot be scaled: `quick` in a quick run."""
        return quick if self.scale < 1 else full

    def load(self, row, running, path, count, words, per=1.0, rounds=None):
        """CPU microseconds of the proxy per request, or per `per` of something."""
        plain = "--plain" in words
        words = [word for word in words if word != "--plain"]

        def url(peer):
            return f"http://localhost:{peer.http}{path}" if plain else f"https://localhost:{peer.https}{path}"
        for peer in running:
            self.scene.h2load(url(peer), max(count // 10, 64), *words)
        for peer in self.turns(running, rounds):
            before = peer.cpu_us()
            done, failed, seconds = self.scene.h2load(url(peer), count, *words)
            row.rates.add(peer.name, done / seconds)
            spent = peer.cpu_us() - before
            if done == 0:
                raise RuntimeError(f"{peer.name} answered none of the requests: {row.title}")
            row.errors[peer.name] = row.errors.get(peer.name, 0) + failed
            row.figures.add(peer.name, spent / done / per)

    def fixed_rate(self, row, running, *words):
        """How long answers take where the proxy has time."""
        rate = 2000
        row.latency_title = f"{row.title.split(',')[0]}, 1 KiB, {self.scene.latency_clients} connections"
        for peer in self.turns(running, self.either(self.rounds, 1)):
            taken, failed = self.scene.latencies(f"https://localhost:{peer.https}/1k", self.either(3, 2), rate, *words)
            row.errors[peer.name] = row.errors.get(peer.name, 0) + failed
            figures = (taken[len(taken) // 2], taken[len(taken) * 99 // 100])
            row.latency.setdefault(peer.name, []).append(figures)


def small_requests(bench):
    certificates = [bench.scene.certificate("localhost")]
    running = bench.started(certificates)
    made = {kind: bench.floor(kind) for kind in bench.either(
        (Floor, FloorHeads, FloorParts, FloorH2, FloorUring), (Floor, FloorHeads, FloorH2, FloorUring))}
    floor, floor_h2, floor_uring = made[Floor], made[FloorH2], made[FloorUring]
    floors = list(made.values())
    for each in floors[:]:
        try:
            each.start(bench.backend.port, certificates)
        except RuntimeError:
            if each is not floor_uring:
                raise
            floors.remove(each)  # many containers forbid io_uring
    beside = {"a": [each for each in floors if each not in (floor_h2, floor_uring)], "b": [floor_h2],
              "h": [each for each in floors if each is not floor_h2]}
    for key, title, words, count in (
            ("a", "https h1, 1 KiB, 64 connections", ["--h1", "-c", 64], 60000),
            ("b", "https h2, 1 KiB, 8 connections × 32 streams", ["-c", 8, "-m", 32], 60000),
            ("h", "plain h1, 1 KiB, 64 connections", ["--h1", "-c", 64, "--plain"], 80000)):
        row = Row(key, title, "CPU µs per request", 0.80)
        bench.load(row, [*running, *beside[key]], "/1k", bench.requests(count), words)
        if key == "a":
            bench.fixed_rate(row, [*running, floor], "--h1")
        if key == "b":
            bench.fixed_rate(row, [*running, *beside[key]])
        yield row
    bench.stop([*running, *floors])


def big_bodies(bench):
    running = bench.started([bench.scene.certificate("localhost")], {"bodies": True})
    upload = bench.scene.folder("upload") + "/10m"
    with open(upload, "wb") as out:
        out.write(b"u" * (10 << 20))
    for title, path, words in (
            ("10 MiB down, h1", "/10m", ["--h1", "-c", 4]), ("10 MiB down, h2", "/10m", ["-c", 4, "-m", 1]),
            ("10 MiB up, h1", "/up", ["--h1", "-c", 4, "-d", upload]), ("10 MiB up, h2", "/up", ["-c", 4, "-m", 1, "-d", upload])):
        row = Row("d", title, "CPU µs per MiB", 0.90)
        bench.load(row, running, path, max(int(60 * bench.scale), 12), words, per=10.0)
        yield row
    bench.stop(running)


def handshakes(bench):
    for title, kind, mode in (("full TLS 1.3 handshake, ECDSA P-256", "p256", "full"),
                              ("resumed TLS 1.3 handshake", "p256", "resumed"),
                              ("full TLS 1.3 handshake, RSA-2048", "rsa2048", "full")):
        certificates = [bench.scene.certificate("localhost", kind)]
        floor = bench.floor(HandshakeFloor)
        running = [*bench.started(certificates), floor]
        floor.start(bench.backend.port, certificates)
        # Against the best of those that use OpenSSL.
        row = Row("c", title, "CPU µs per handshake", 0.85, ("nginx", "haproxy", "before"))
        for peer in bench.turns(running):
            before = peer.cpu_us()
            count = bench.scene.tls_clients(mode, peer.https, "localhost", bench.either(2, 1), 4)
            row.figures.add(peer.name, (peer.cpu_us() - before) / max(count["done"], 1))
            row.errors[peer.name] = row.errors.get(peer.name, 0) + count["failed"]
        bench.stop(running)
        yield row


def idle_connections(bench):
    """One peer at a time: the connections of the others would be in the way."""
    # Less than anybody takes: one more would wait until others have been idle for too long.
    connections = min(bench.requests(10000), most_connections() - 100)
    certificates = [bench.scene.certificate("localhost")]
    for title, mode, target in (("memory of an idle TLS connection", "hold", 0.50),
                                ("the same over HTTP/2", "hold-h2", 0.50)):
        row = Row("e", f"{title}, {connections} of them", "KiB", target)
        for name in bench.peers:
            if mode == "hold-h2" and bench.either(False, name in ("haproxy", "caddy")):
                continue
            [peer] = bench.started(certificates, only=[name])
            bench.scene.h2load(f"https://localhost:{peer.https}/1k", 1000, "--h1", "-c", 16)
            before = peer.pss_kib()
            client = subprocess.Popen(
                pinned(LOAD_CPU, [bench.scene.tools["tls_clients"], mode, str(peer.https), "localhost", str(connections)]),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            said = client.stdout.readline()
            if mode == "hold-h2" and name in ("gatehouse", "before"):
                time.sleep(7)  # ours rest after five; with the others nothing changes
            row.errors[name] = 0 if '"failed": 0' in said else 1
            row.figures.add(name, (peer.pss_kib() - before) / connections)
            client.stdin.close()
            client.wait()
            bench.stop([peer])
        yield row


def many_certificates(bench):
    """The same key pair's worth of work for each name, so only their number differs. Who takes a
    minute to start with them is not tried with ten times as many."""
    too_slow = set()
    for count in bench.either([1000, 10000, 100000], [1000]):
        certificates = bench.scene.many_certificates(count)
        start = Row("f", f"start with {count} certificates", "ms", 0.05)
        memory = Row("f", f"memory with {count} certificates", "MiB", None)
        shake = Row("f", f"full handshake, one of {count} names", "CPU µs per handshake", None)
        turns = bench.either(3, 2) if count == 1000 else 1  # more take a minute each
        for name in [name for _ in range(turns) for name in bench.peers if name not in too_slow]:
            [peer] = [make() for each, make in bench.peers.items() if each == name]
            taken = peer.start(bench.backend.port, certificates)
            if taken > 60:
                too_slow.add(name)
            start.figures.add(name, taken * 1000)
            bench.settle(peer)
            before = peer.cpu_us()
            done = bench.scene.tls_clients("spread", peer.https, "n%.bench", bench.either(2, 1), 4, count)
            shake.figures.add(name, (peer.cpu_us() - before) / max(done["done"], 1))
            shake.errors[name] = shake.errors.get(name, 0) + done["failed"]
            memory.figures.add(name, peer.pss_kib() / 1024)
            bench.stop([peer])
        yield from (start, memory, shake)
    yield flat_handshake(bench, certificates)
    yield from at_the_limit(bench, certificates)


def flat_handshake(bench, certificates):
    """Ours alone: what a handshake costs among so many names, and where there is one."""
    count = len(certificates)
    row = Row("f", f"full handshake, one of {count} names, beside that of the only one (ours)", "CPU µs per handshake", 1.05)
    many, one = bench.peers["gatehouse"](), bench.peers["gatehouse"]()
    many.start(bench.backend.port, certificates)
    one.start(bench.backend.port, certificates[:1])
    one.name = "one name"
    bench.settle(many)
    for peer in bench.turns([many, one]):
        before = peer.cpu_us()
        done = bench.scene.tls_clients("spread", peer.https, "n%.bench", bench.either(2, 1), 4, count if peer is many else 1)
        row.figures.add(peer.name, (peer.cpu_us() - before) / max(done["done"], 1))
        row.errors[peer.name] = row.errors.get(peer.name, 0) + done["failed"]
    bench.stop([many, one])
    return row


def at_the_limit(bench, certificates):
    """Ours alone: a tenth of the certificates in memory, and whether that grows while all are asked for."""
    count, most = len(certificates), len(certificates) // 10
    memory = Row("f", f"memory with {count} certificates, {most} of them in memory (ours)", "MiB", 1.05)
    shake = Row("f", f"full handshake, one of {count} names, {most} of them in memory (ours)", "CPU µs per handshake")
    peer = bench.peers["gatehouse"]()
    peer.start(bench.backend.port, certificates, {"server": f"certificates_in_memory = {most}"})
    bench.settle(peer)
    shake.errors["gatehouse"] = 0
    for name, seconds in (("as many handshakes earlier", bench.either(10, 2)), ("gatehouse", bench.either(10, 2))):
        before = peer.cpu_us()
        done = bench.scene.tls_clients("spread", peer.https, "n%.bench", seconds, 4, count)
        shake.figures.add("gatehouse", (peer.cpu_us() - before) / max(done["done"], 1))
        shake.errors["gatehouse"] += done["failed"]
        memory.figures.add(name, peer.pss_kib() / 1024)
    bench.stop([peer])
    yield from (memory, shake)


def cold_start(bench):
    certificates = [bench.scene.certificate("localhost")]
    start = Row("i", "cold start to the first answer over https", "ms", 1.0)
    memory = Row("i", "memory after the first answer", "KiB PSS", None)
    for _ in range(bench.rounds):
        for make in [*bench.peers.values(), lambda: bench.floor(Floor)]:
            peer = make()
            start.figures.add(peer.name, peer.start(bench.backend.port, certificates) * 1000)
            memory.figures.add(peer.name, peer.pss_kib())
            bench.stop([peer])
    yield from (start, memory)


def access_log(bench):
    """Ours alone, on beside off: the ratio is that of the two."""
    certificates = [bench.scene.certificate("localhost")]
    row = Row("j", "access log in JSON, on and off (ours)", "CPU µs per request", 1.05)
    off = bench.peers["gatehouse"]()
    on = bench.peers["gatehouse"]()
    off.start(bench.backend.port, certificates)
    on.start(bench.backend.port, certificates, {"access_log": bench.scene.folder("access") + "/log"})
    off.name, on.name = "log off", "gatehouse"
    # A line costs less than what rounds differ by.
    bench.load(row, [off, on], "/1k", bench.requests(60000), ["--h1", "-c", 64],
               rounds=bench.either(4 * bench.rounds, bench.rounds))
    bench.stop([off, on])
    yield row


def reload_under_load(bench):
    """Ours alone: many sites, one more by a reload while requests come at a fixed rate."""
    for sites in bench.either([1000, 10000], [1000]):
        extra = "".join(f'[[site]]\nhosts = ["n{i}.bench"]\ntls.mode = "off"\nbackend = "app"\n' for i in range(sites))
        peer = bench.peers["gatehouse"]()
        peer.start(bench.backend.port, [bench.scene.certificate("localhost")], {"extra": extra})
        url = f"https://localhost:{peer.https}/1k"
        live = Row("g", f"reload with {sites} sites under load, until live (ours)", "ms", None)
        tail = Row("g", f"p99 at 1,000 requests a second, reloading {sites} sites once a second", "ms", 1.20)
        seconds = 4
        for number in range(bench.rounds):
            calm, failed_calm = bench.scene.latencies(url, seconds, 1000, "--h1")
            with ThreadPoolExecutor(1) as pool:
                loaded = pool.submit(bench.scene.latencies, url, seconds, 1000, "--h1")
                began_at = time.monotonic() + bench.scene.warm_up
                for turn in range(seconds):
                    time.sleep(max(began_at + turn + 0.4 - time.monotonic(), 0))
                    with open(peer.config, "a") as config:
                        config.write(f'[[site]]\nhosts = ["r{number}-{turn}.bench"]\ntls.mode = "off"\nbackend = "app"\n')
                    began = time.monotonic()
                    run([peer.binary, "reload", "--config", peer.config], 60)
                    live.figures.add("gatehouse", (time.monotonic() - began) * 1000)
                busy, failed_busy = loaded.result()
            tail.figures.add("without reload", calm[len(calm) * 99 // 100])
            tail.figures.add("gatehouse", busy[len(busy) * 99 // 100])
            tail.errors["gatehouse"] = tail.errors.get("gatehouse", 0) + failed_calm + failed_busy
        bench.stop([peer])
        yield from (live, tail)


def two_workers(bench):
    """Ours alone: whether a request costs more where two workers share what they share. The load is
    on one of their CPUs as well, so that requests per second would say nothing on two CPUs, unless each
    worker has a part of a CPU only, and the load the rest."""
    certificates = [bench.scene.certificate("localhost")]
    row = Row("l", "https h1, two workers against one (ours)", "CPU µs per request")
    one = bench.peers["gatehouse"]()
    two = bench.peers["gatehouse"]()
    one.start(bench.backend.port, certificates)
    two.start(bench.backend.port, certificates, {"workers": 2})
    one.name, two.name = "one worker", "gatehouse"
    bench.load(row, [one, two], "/1k", bench.requests(60000), ["--h1", "-c", 64])
    yield row
    with shares.Shares() as parts:
        if shares.available():
            yield two_parts(bench, parts, one, two)
        bench.stop([one, two])


def two_parts(bench, parts, one, two):
    part = 0.25
    row = Row("l", f"https h1, 256 connections, each worker with {part} of a CPU, two workers against one (ours)",
              "µs from one request to the next", 1 / 1.9)
    if (parts.give(one, part), parts.give(two, part)) != (1, 2):
        raise RuntimeError("other threads than one and two workers")
    parts.on_all_cpus(bench.backend.process.pid)
    for peer in (one, two) * bench.rounds:
        done, failed, seconds = bench.scene.h2load(f"https://localhost:{peer.https}/1k", bench.requests(30000), "--h1", "-c", 256)
        row.figures.add(peer.name, seconds / done * 1e6)
        row.errors[peer.name] = row.errors.get(peer.name, 0) + failed
    return row


# Certificates last: they leave a hundred thousand deleted files, which some file systems look at for a minute.
ALL = {"small": small_requests, "handshakes": handshakes, "bodies": big_bodies, "idle": idle_connections,
       "reload": reload_under_load, "start": cold_start, "log": access_log, "workers": two_workers,
       "on_demand": on_demand, "certificates": many_certificates}
