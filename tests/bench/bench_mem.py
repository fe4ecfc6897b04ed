# SPDX-License-Identifier: MIT
"""bench_mem.py: what an idle VM costs: the monitor's own memory, and the host's total over many VMs."""

import os
import re
import select
import subprocess
import time

from common import MEM, READY_TIMEOUT, Failed, Guest, median, note, read_file, usable

GREETING = "Hello from Mayfly"
NEWLINE = b"\n"
GUEST_BYTES = int(MEM.rstrip("M")) << 20
GPA_IMAGE = 0x100000  # UK_GPA_IMAGE of uk_abi.h: where the image's file mapping lies in guest memory


def mappings(pid):
    """(start, end, path, pss in KiB) of each mapping."""
    out = []
    for line in read_file(f"/proc/{pid}/smaps").splitlines():
        m = re.match(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+ *(.*)", line)
        if m:
            out.append([int(m.group(1), 16), int(m.group(2), 16), m.group(3), 0])
        elif line.startswith("Pss:"):
            out[-1][3] = int(line.split()[1])
    return out


def guest_start(maps, image):
    """Where guest memory begins in the VMM: around the image's mapping, or the one mapping of its very size."""
    image = os.path.realpath(image)
    starts = [m[0] for m in maps if m[2] == image]
    if starts:
        return min(starts) - GPA_IMAGE
    whole = [m[0] for m in maps if m[1] - m[0] == GUEST_BYTES]
    if len(whole) == 1:
        return whole[0]
    raise Failed("cannot tell guest memory from the rest")


def pss_beyond_guest(pid, image):
    maps = mappings(pid)
    start = guest_start(maps, image)
    return sum(m[3] for m in maps if not (start <= m[0] and m[1] <= start + GUEST_BYTES))


def used_kib():
    """Memory in use, page cache not counted but shared memory counted."""
    v = {k: int(n) for k, n in re.findall(r"(\w+): +(\d+) kB", read_file("/proc/meminfo"))}
    return v["MemTotal"] - v["MemFree"] - v["Buffers"] - v["Cached"] - v["SReclaimable"] + v["Shmem"]


class Herd:
    """n copies of one VM, idle: all have greeted."""

    def __init__(self, argv, n):
        self.procs, self.r = [], None
        self.r, w = os.pipe()
        try:
            for _ in range(n):
                self.procs.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=w, stderr=w))
        finally:
            os.close(w)
        seen = b""
        # Lines are counted, not greetings: QEMU's serial port writes byte by byte, so that they mix.
        while seen.count(NEWLINE) < n:
            ready = select.select([self.r], [], [], READY_TIMEOUT)[0]
            data = os.read(self.r, 65536) if ready else b""
            if not data:
                self.close()
                raise Failed(f"only {seen.count(NEWLINE)} of {n} VMs came up: {seen[-200:]!r}")
            seen += data

    def close(self):
        for p in self.procs:
            p.kill()
        for p in self.procs:
            p.wait()
        if self.r is not None:
            os.close(self.r)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def settled(running=0):
    """used_kib() once it has stopped changing: freed pages and kernel objects go back with a delay. So many VMs that run
    are never quite still."""
    last, quiet = used_kib(), 0
    for _ in range(50):
        time.sleep(0.2)
        now = used_kib()
        quiet = quiet + 1 if abs(now - last) < 256 + running else 0
        if quiet == 5:
            break
        last = now
    return now


def per_vm(argv, n):
    with Herd(argv, 1):  # the image and the program are in the page cache from here on
        pass
    before = settled()
    with Herd(argv, n):
        with_herd = settled(n)
    # What else drifts on this machine meanwhile counts half on either side.
    return (with_herd - (before + settled()) / 2) / n


def mem(b):
    image = f"{b.build}/guests/bench-idle"
    commands = {"ours": b.monitor(image), "qemu_microvm": b.qemu(image)}

    def once(argv):
        with Guest(argv, GREETING) as g:
            return pss_beyond_guest(g.proc.pid, image)

    def pss():
        good = usable(commands, once)
        kib = {name: [] for name in good}
        for _ in range(b.rounds):
            for name, argv in good.items():
                kib[name].append(once(argv))
        vs = {name: median(v) for name, v in kib.items()}
        b.add("mem.pss", "KiB", vs.pop("ours"), vs, b.rounds)

    def idle_vm():
        n = int(os.environ.get("BENCH_VMS", "500"))
        vs = {name: per_vm(argv, min(n, 20)) for name, argv in usable(commands, once).items() if name != "ours"}
        if n < 500:
            note(f"mem.idle_vm over {n} VMs instead of 500 (BENCH_VMS)")
        b.add("mem.idle_vm", "KiB", per_vm(commands["ours"], n), vs, n)

    b.part(["mem.pss"], pss)
    b.part(["mem.idle_vm"], idle_vm)
