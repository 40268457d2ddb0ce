"""What the kernel says of a process: CPU time, memory. And figures over rounds."""
import contextlib
import os
import statistics
import subprocess


def family(pid):
    """The process and all its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:
                parent = int(stat.read().rsplit(b")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        each = todo.pop()
        found.append(each)
        todo += children.get(each, [])
    return found


def cpu_us(pids):
    """User and system time of all their threads that live, in microseconds."""
    total = 0
    for pid in pids:
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
        except FileNotFoundError:
            continue
        for task in tasks:
            with open(f"/proc/{pid}/task/{task}/schedstat") as stat:
                total += int(stat.read().split()[0])
    return total / 1000.0


def pss_kib(pids):
    """Proportional set size: memory, with shared pages divided among those who share them."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return total


class Figures:
    """One figure a round and peer."""

    def __init__(self):
        self.by_peer = {}

    def add(self, peer, value):
        self.by_peer.setdefault(peer, []).append(value)

    def median(self, peer):
        return statistics.median(self.by_peer[peer])

    def spread(self, peer):
        return min(self.by_peer[peer]), max(self.by_peer[peer])

    def peers(self):
        return list(self.by_peer)

    def ratios(self, ours, theirs):
        """Ours over theirs, round by round: what drifts on the machine, drifts for both."""
        return [a / b for a, b in zip(self.by_peer[ours], self.by_peer[theirs]) if b > 0]


@contextlib.contextmanager
def ahead(pids):
    """They go before all else that runs on their CPU meanwhile, where we may say so. Who takes the
    time of answers must not wait for a CPU itself: behind a CA that makes certificates, say."""
    try:
        for pid in pids:
            os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        yield False
        return
    try:
        yield True
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))


def pinned(cpu, argv):
    return ["taskset", "-c", str(cpu), *argv]


def run(argv, timeout, environment=None):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout
