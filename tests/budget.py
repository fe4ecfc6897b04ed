#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""budget.py sizes|boot|http|update: counts what must not grow and compares it with tests/budget.json.

Counts, not times: they are the same on any machine with the same kind of KVM, so each kind has its budget: "hardware",
which the hw lane has, too, and "pvm". `sizes` runs on the host after a build; `boot` and `http` are scripts of guest
cases (tests/guest/budget) in a lane where mayfly-monitor runs. A count over its budget fails; one far below says that
the budget can be lowered. `update` takes the counts of the last runs from their logs (`tests/guest/run.py hw 'budget-*'`,
and the same with kvm) and the sizes as the new budget. Exit 0, 1 or 77 (skipped).

What else would count is taken out: the monitor's addresses are not random (how many pages its stack and its tables
touch depends on them), it is started without a shell, and its file and the image are written back first, since pages
of a file that are dirty in the page cache count as ours.
"""

import ctypes
import glob
import json
import math
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUDGET = os.path.join(ROOT, "tests/budget.json")
REQUESTS = 100
# Where the host is slow, timers end and ACKs come alone between two requests: the least of some rounds is what they cost.
# Under TCG no round is free of that when others use the host, too, so that "hardware" has room for it (quiet: 1.0 exits, 5.1
# calls); "pvm", ten times as fast, holds the bounds.
ROUNDS = 8
# How much a count may be over: how many pages a fault maps depends a little on the page cache, sizes on the compiler's
# revision, the rest on nothing.
SLACK = {"page_faults": 1.05, "sizes": 1.03}
ADDR_NO_RANDOMIZE = 0x0040000


def skip(why):
    print(why)
    sys.exit(77)


def load_segments(path):
    """Bytes of an ELF file that are loaded: symbols and debug information do not count."""
    with open(path, "rb") as f:
        data = f.read()
    phoff, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    total = 0
    for i in range(count):
        kind, = struct.unpack_from("<I", data, phoff + i * size)
        if kind == 1:
            total += struct.unpack_from("<Q", data, phoff + i * size + 32)[0]
    return total


def sanitized(monitor):
    with open(monitor, "rb") as f:
        return b"__asan_init" in f.read()


def count_sizes():
    build = os.environ.get("O", "build")
    files = ["bin/mayfly-monitor", "bin/mayfly-usernet", "bin/mayfly-jailer", "bin/mayfly-snapshot"]
    files += ["examples/" + name for name in ("hello", "httpd", "kv", "udp-echo", "blk-bench")]
    counts = {}
    for name in files:
        path = os.path.join(build, name)
        if os.path.exists(path):
            counts[name] = load_segments(path)
    return counts


def read_metrics():
    with open(os.environ["METRICS"], encoding="utf-8") as f:
        return json.load(f)


def flatten(m):
    names = ("exits", "virtio_mmio", "doorbells", "ioeventfd_kicks", "irqs", "ctl_idle", "ctl_console")
    counts = {name: m["vm"][name] for name in names}
    counts["page_faults"] = m["process"]["minor_faults"] + m["process"]["major_faults"]
    if m.get("memory"):
        counts["private_dirty_kib"] = m["memory"]["private_dirty_kib"]
    return counts


def strace_total(path):
    """System calls in a `strace -c` table: its columns end in 'calls [errors] total'."""
    with open(path, encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if words and words[-1] == "total":
                return int(words[3])
    raise RuntimeError(f"{path}: no total")


def kind():
    return "pvm" if os.path.exists("/sys/module/kvm_pvm") else "hardware"


def command():
    """What $BOOT executes, for a process that counts nothing else."""
    with open(os.environ["BOOT"], encoding="utf-8") as f:
        argv = [w for w in shlex.split(f.read().splitlines()[-1]) if w not in ("exec", "$@")]
    for path in (argv[0], os.environ["IMAGE"]):
        with open(path, "rb") as f:
            os.fsync(f.fileno())
    ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE)
    return argv


def count_boot():
    argv = command()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    counts = flatten(read_metrics())
    table = os.environ["WORK"] + "/strace"
    # Without --metrics: its own calls are not part of a boot.
    at = argv.index("--metrics")
    traced = ["strace", "-f", "-c", "-o", table] + argv[:at] + argv[at + 2 :]
    subprocess.run(traced, check=True, stdout=subprocess.DEVNULL)
    counts["syscalls"] = strace_total(table)
    return counts


class Http:
    """One kept-alive connection."""

    def __init__(self, deadline):
        while True:
            try:
                self.sock = socket.create_connection((os.environ["GUEST_IP"], 80), timeout=60)
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def get(self):
        self.sock.sendall(b"GET /index.html HTTP/1.1\r\nHost: guest\r\n\r\n")
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.receive()
        head, _, body = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode(errors="replace"))
        length = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1))
        while len(body) < length:
            body += self.receive()

    def receive(self):
        data = self.sock.recv(65536)
        if not data:
            raise RuntimeError("the server closed the connection")
        return data


def ask_metrics(pid):
    """SIGUSR1 makes the monitor write the file, in place."""
    path = os.environ["METRICS"]
    os.truncate(path, 0)
    os.kill(pid, signal.SIGUSR1)
    deadline = time.monotonic() + 60
    while not os.path.getsize(path):
        if time.monotonic() > deadline:
            raise RuntimeError("no metrics after SIGUSR1")
        time.sleep(0.02)
    return flatten(read_metrics())


def count_http():
    vm = subprocess.Popen(command(), stdout=subprocess.DEVNULL)
    try:
        http = Http(time.monotonic() + 60)
        for _ in range(20):
            http.get()
        counts = count_requests(vm.pid, http)
        for _ in range(ROUNDS - 1):
            if not any(is_over("http", k, v) for k, v in counts.items()):
                break
            again = count_requests(vm.pid, http)
            counts = {k: min(v, again[k]) for k, v in counts.items()}
        return counts
    finally:
        vm.kill()
        vm.wait()


def count_requests(pid, http):
    before = ask_metrics(pid)
    for _ in range(REQUESTS):
        http.get()
    after = ask_metrics(pid)
    idle = ask_metrics(pid)  # what asking costs by itself
    counts = {k: max(0, 2 * after[k] - before[k] - idle[k]) / REQUESTS for k in after if k != "private_dirty_kib"}
    counts["private_dirty_kib"] = after.get("private_dirty_kib", 0)
    counts["syscalls"] = trace_requests(pid, http)
    return counts


def trace_requests(pid, http):
    table = os.environ["WORK"] + "/strace"
    tracer = subprocess.Popen(["strace", "-f", "-c", "-o", table, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    tracer.stderr.readline()  # "Process N attached"
    for _ in range(REQUESTS):
        http.get()
    tracer.send_signal(signal.SIGINT)
    tracer.communicate()
    return strace_total(table) / REQUESTS


def round_up(value):
    """To quarters: how often an ACK rides on the next request depends on speed."""
    value = math.ceil(value * 4) / 4
    return int(value) if value == int(value) else value


def update():
    """Sizes, and what the cases printed last, become the budget."""
    with open(BUDGET, encoding="utf-8") as f:
        budget = json.load(f)
    budget["sizes"] = count_sizes()
    logs = glob.glob(f"{ROOT}/build/hw/scratch/test-logs/hw/budget-*.out") + glob.glob(f"{ROOT}/build/test-logs/kvm/budget-*.out")
    for path in logs:
        with open(path, encoding="utf-8") as f:
            for line in f:
                if line.startswith("counts "):
                    group, kvm, counts = json.loads(line[len("counts ") :])
                    budget.setdefault(group, {})[kvm] = {k: round_up(v) for k, v in counts.items()}
    with open(BUDGET, "w", encoding="utf-8") as f:
        json.dump(budget, f, indent=2, sort_keys=True)
        f.write("\n")
    return 0


def limits(group):
    with open(BUDGET, encoding="utf-8") as f:
        budget = json.load(f).get(group, {})
    return budget if group == "sizes" else budget.get(kind(), {})


def is_over(group, name, value):
    return value > limits(group).get(name, -1) * SLACK.get(name, SLACK.get(group, 1))


def compare(group, counts):
    budget = limits(group)
    bad = 0
    for name, value in sorted(counts.items()):
        limit = budget.get(name)
        if limit is None:
            print(f"FAIL {group} {name}: {value:.10g}, and no budget for it")
            bad += 1
        elif is_over(group, name, value):
            print(f"FAIL {group} {name}: {value:.10g}, budget {limit:.10g}")
            bad += 1
        else:
            hint = "  (the budget can be lowered)" if value < 0.8 * limit and limit > 1 else ""
            print(f"ok   {group} {name}: {value:.10g} of {limit:.10g}{hint}")
    if group == "sizes":
        print(f"{len(counts) - bad} passed, {bad} failed, 0 skipped")
    else:
        print("counts " + json.dumps([group, kind(), counts]))
    return 1 if bad else 0


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("sizes", "boot", "http", "update"):
        print(__doc__, file=sys.stderr)
        return 2
    group = sys.argv[1]
    if group == "update":
        return update()
    if sanitized(os.environ.get("O", "build") + "/bin/mayfly-monitor"):
        if group == "sizes":
            print("0 passed, 0 failed, 1 skipped")
            return 0
        skip("a sanitized monitor has no budget")
    counts = {"sizes": count_sizes, "boot": count_boot, "http": count_http}[group]()
    return compare(group, counts)


if __name__ == "__main__":
    sys.exit(main())
