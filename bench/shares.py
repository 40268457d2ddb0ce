"""A part of a CPU for each worker of a proxy, so that several have as much as they can take on a machine
that has no CPU for each. By the kernel's cgroups, version 1, as root."""
import contextlib
import os

from measure import family

CONTROLLER = "/sys/fs/cgroup/cpu"
PERIOD_US = 5000


def available():
    return os.access(CONTROLLER, os.W_OK)


class Shares(contextlib.ExitStack):
    """Leave it once the proxies have ended."""

    def give(self, peer, part):
        """Each worker's thread may use so much of a CPU. Returns how many there are."""
        pid = peer.process.pid
        workers = 0
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/comm") as name:
                if not name.read().startswith("worker-"):
                    continue
            group = os.path.join(CONTROLLER, f"gatehouse-bench-{thread}")
            os.mkdir(group)
            self.callback(os.rmdir, group)
            write(group, "cpu.cfs_period_us", PERIOD_US)
            write(group, "cpu.cfs_quota_us", round(PERIOD_US * part))
            write(group, "tasks", thread)
            workers += 1
        return workers

    def on_all_cpus(self, pid):
        """Until this is left."""
        for each in family(pid):
            before = os.sched_getaffinity(each)
            os.sched_setaffinity(each, range(os.cpu_count()))
            self.callback(os.sched_setaffinity, each, before)


def write(group, name, value):
    with open(os.path.join(group, name), "w") as out:
        out.write(str(value))
