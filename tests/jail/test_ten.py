#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_ten.py: ten jails of ten users side by side. None finds another's processes, sockets, memory or files; and
while five of them burn CPU, memory, processes, disk and network, each within its limits, the others get their work
done. Limits are read back from the kernel's own accounts, as shares of the time that passed: no clock decides."""
import os, re, time

from harness import *

N = 10
VICTIMS = range(5)
BURNERS = {5: "cpu", 6: "memory", 7: "processes", 8: "disk", 9: "net"}
MEMORY = 16 << 20
PIDS = 12
CPU_SHARE = 0.2  # quota over period
DISK_RATE = 1 << 20  # bytes a second
PERIODS = 30  # of the CPU quota, before it is judged
LOOKS = 10  # after so many periods more each
SLACK = 1.5  # of shares: a period that has begun counts in full


class Tenant:
    def __init__(self, w, i):
        self.i, self.uid, self.id, self.group = i, 30200 + i, f"ten-{i}", w.group
        self.home = w.directory(f"home-{i}", 0o700, self.uid)
        argv = w.argv(self.id, "--bind", f"{self.home}:/home-{i}", *limits(w), exec_file=w.tenant)
        argv[argv.index("--uid") + 1] = argv[argv.index("--gid") + 1] = str(self.uid)
        self.proc = w.start(argv)
        self.pid = child_of(self.proc.pid)

    def ask(self, line):
        self.proc.stdin.write(line.encode() + b"\n")
        self.proc.stdin.flush()
        return self.proc.stdout.readline().decode().strip()

    def file(self, name):
        return f"/home-{self.i}/{name}"


def limits(w):
    """--cgroup options for the controllers that this host has, by its version."""
    device = os.stat(w.dir).st_dev
    disk = f"{os.major(device)}:{os.minor(device)}"
    rows = {"memory": ((f"memory.limit_in_bytes={MEMORY}",), (f"memory.max={MEMORY}",)),
            "pids": ((f"pids.max={PIDS}",), (f"pids.max={PIDS}",)),
            "cpu": (("cpu.cfs_period_us=20000", f"cpu.cfs_quota_us={int(20000 * CPU_SHARE)}"),
                    (f"cpu.max={int(20000 * CPU_SHARE)} 20000",)),
            "blkio": ((f"blkio.throttle.write_bps_device={disk} {DISK_RATE}",), ()),
            "io": ((), (f"io.max={disk} wbps={DISK_RATE}",))}
    options = []
    for name, by_version in rows.items():
        version = controller(name)[1]
        if version and (name not in ("blkio", "io") or os.path.exists(f"/sys/dev/block/{disk}")):
            for option in by_version[version - 1]:
                options += ["--cgroup", option]
    return options


def group_file(name, tenant, by_version):
    """Text of an account file of the tenant's group, or None where there is no such controller."""
    where, version = controller(name)
    if not version or not by_version[version - 1]:
        return None
    try:
        return open(f"{where}/{tenant.group}/{tenant.id}/{by_version[version - 1]}").read()
    except FileNotFoundError:
        return None


def number(text, key=None):
    return int(re.search(rf"^{key} (\d+)" if key else r"(\d+)", text, re.M)[1])


def hidden(tenants):
    bad = [(t.i, said) for t in tenants if (said := t.ask(f"hide {t.file('secret')}")) != "ok"]
    ok(not bad, "ten users have the same sockets, ports, memory keys, each in a world of his own", bad)
    bad = []
    for t in tenants:
        pids = " ".join(str(p) for o in tenants if o is not t for p in (o.pid, o.proc.pid))
        for other in (tenants[(t.i + 1) % N], tenants[(t.i + 5) % N]):
            said = t.ask(f"spy {other.uid} {other.file('secret')} {pids}")
            if said != "ok":
                bad.append((t.i, other.i, said))
    ok(not bad, "none can signal, trace, read, see or connect to another", bad)
    ok(all(t.proc.poll() is None for t in tenants), "all of them are alive")


def wait_for_news(what, fresh):
    """Until fresh() is true; a hang fails the case."""
    end = time.monotonic() + DEADLINE
    while not fresh():
        if time.monotonic() > end:
            return ok(False, what, "it never happened")
        time.sleep(0.01)
    return True


def cpu_account(t):
    """(periods, throttled periods, used ns)"""
    stat = group_file("cpu", t, ("cpu.stat", "cpu.stat"))
    used = group_file("cpuacct", t, ("cpuacct.usage", None))
    if controller("cpu")[1] == 2:
        return number(stat, "nr_periods"), number(stat, "nr_throttled"), number(stat, "usage_usec") * 1000
    if used is None:  # cpuacct may be a hierarchy of its own, in which the jail has no group
        used = str(process_ns(t))
    return number(stat, "nr_periods"), number(stat, "nr_throttled"), number(used)


def process_ns(t):
    """CPU time of the jail's processes that are there now."""
    total = 0
    where = controller("cpu")[0]
    for pid in open(f"{where}/{t.group}/{t.id}/cgroup.procs").read().split():
        try:
            total += int(open(f"/proc/{pid}/schedstat").read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def cpu_share(t, most=CPU_SHARE):
    if group_file("cpu", t, ("cpu.stat", "cpu.stat")) is None:
        return skip("CPU", "no cpu controller")
    p0, _, used0 = cpu_account(t)
    t0, share, throttled = time.monotonic_ns(), 1, 0
    # The scheduler looks at its ticks: what one that comes late lets through is taken off later, so look again.
    for i in range(1, LOOKS + 1):
        if not wait_for_news("periods pass", lambda i=i: cpu_account(t)[0] >= p0 + i * PERIODS):
            return None
        _, throttled, used = cpu_account(t)
        share = (used - used0) / (time.monotonic_ns() - t0)
        if throttled and share <= most * SLACK:
            break
    return ok(throttled and share <= most * SLACK, f"{t.what} is held to its share of CPU", f"{share} {throttled}")


def memory_bound(t):
    peak = group_file("memory", t, ("memory.max_usage_in_bytes", "memory.current"))
    if peak is None:
        return skip("memory", "no memory controller")

    def kills():
        return number(group_file("memory", t, ("memory.oom_control", "memory.events")), "oom_kill")
    if wait_for_news("the greedy are killed", lambda: kills() >= 3):
        peak = number(group_file("memory", t, ("memory.max_usage_in_bytes", "memory.current")))
        ok(peak <= MEMORY and t.proc.poll() is None, "memory is bounded; the killed is the greedy process, not the jail", peak)


def process_bound(t):
    if group_file("pids", t, ("pids.current", "pids.current")) is None:
        return skip("processes", "no pids controller")
    if wait_for_news("the fork bomb hits its bound", lambda: number(group_file("pids", t, ("pids.events",) * 2), "max") > 0):
        now = number(group_file("pids", t, ("pids.current",) * 2))
        ok(now <= PIDS, "processes are bounded", now)


def disk_bytes(t):
    text = group_file("blkio" if controller("blkio")[1] else "io", t, ("blkio.throttle.io_service_bytes", "io.stat"))
    return sum(int(n) for n in re.findall(r"(?:Write |wbytes=)(\d+)", text or ""))


def disk_rate(t):
    name = "blkio" if controller("blkio")[1] else "io"
    device = os.stat(t.home).st_dev
    if not controller(name)[1] or not os.path.exists(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"):
        return skip("disk", "no block I/O controller, or no block device below the test's directory")
    b0, t0 = disk_bytes(t), time.monotonic()
    if wait_for_news("it writes", lambda: disk_bytes(t) >= b0 + DISK_RATE // 2):
        rate = (disk_bytes(t) - b0) / (time.monotonic() - t0)
        # A slice of the throttle (a tenth of a second) may have been saved up, and one request may overshoot.
        ok(rate <= DISK_RATE * SLACK + 200_000, "bytes written to the disk are held to their rate", rate)


def worked(tenants, when):
    bad = [(t.i, said) for t in tenants if (said := t.ask(f"work {t.file('work')}")) != "ok"]
    ok(not bad, f"the others' work is done {when}", bad)


def main():
    w = World("/var/tmp")  # a disk, where there is one
    w.tenant = w.program("tenant", 0o755)
    tenants = [Tenant(w, i) for i in range(N)]
    try:
        hidden(tenants)
        victims = [tenants[i] for i in VICTIMS]
        worked(victims, "in peace")
        for i, what in BURNERS.items():
            tenants[i].what = what
            said = tenants[i].ask(f"burn {what} {tenants[i].file('burn')}")
            ok(said == "ok", f"{what} burns", said)
        worked(victims, "beside five that burn")
        cpu_share(tenants[5])
        memory_bound(tenants[6])
        process_bound(tenants[7])
        disk_rate(tenants[8])
        cpu_share(tenants[9])
        worked(victims, "after they burnt for a while")
        ok(all(t.proc.poll() is None for t in tenants), "nobody's jail has ended")
    finally:
        for t in tenants:
            t.proc.stdin.close()
        codes = [t.proc.wait(DEADLINE) for t in tenants]
    ok(codes == [0] * N, "all end well", codes)
    left = [l for t in tenants for l in w.left(t.id)]
    ok(not left, "nothing is left", left)
    w.remove()
    finish()


if __name__ == "__main__":
    main()
