# SPDX-License-Identifier: MIT
"""bench_snap.py: what a restore costs, and what a clone does.

restore.exec: exec of the monitor to its end for a VM that is restored at its freeze point and ends at once, its files in
the page cache, beside the KVM floor and the boot of the same image. clone.private_kib: memory of the host, kernel
included, for each of many clones of one httpd that are alive at once, each after it has answered a request over a tap of
its own. fork.pause: how long a VM of 64 MiB, all touched, stands still while it is copied.
"""

import json
import os
import re
import subprocess
import sys

from bench_boot import time_commands, try_command
from bench_mem import settled
from common import Failed, median, note, read_file, run, usable


def restore(b):
    state, image = f"{b.work}/freeze", f"{b.build}/guests/bench-freeze"
    run(b.monitor(image, "--snapshot", f"path={state}"))
    commands = {
        "ours": (0, [f"{b.build}/bin/mayfly-monitor", "--restore", f"path={state}"]),
        "spawn_true": (0, ["/bin/true"]),
        "kvm_floor": (0, [f"{b.build}/bench/kvm_floor"]),
        "boot": (0, b.monitor(image)),
    }
    times = time_commands(b, usable(commands, try_command))
    us = {name: median(t["ns"]) / 1000 for name, t in times.items()}
    b.add("restore.exec", "us", us.pop("ours"), us, b.rounds)


# --- clones ---


class Taps:
    """A network namespace with n taps; tap i: host 10.I.J.1/30, guest 10.I.J.2."""

    def __init__(self, n):
        self.ns, self.n = f"mayfly-bench-{os.getpid()}", n

    def host(self, i):
        return f"10.{1 + i // 64}.{i % 64 * 4}.1"

    def guest(self, i):
        return f"10.{1 + i // 64}.{i % 64 * 4}.2"

    def __enter__(self):
        run(["ip", "netns", "add", self.ns])
        lines = "".join(
            f"tuntap add dev t{i} mode tap\naddr add {self.host(i)}/30 dev t{i}\nlink set t{i} up\n" for i in range(self.n)
        )
        subprocess.run(["ip", "-n", self.ns, "-batch", "-"], input=lines, text=True, check=True, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *exc):
        subprocess.run(["ip", "netns", "del", self.ns], check=False)

    def inside(self, argv):
        return ["ip", "netns", "exec", self.ns, *argv]


class Herd:
    """Clones of the snapshot `state`, in the namespace of the taps (herd.py)."""

    def __init__(self, b, taps, state):
        self.taps = taps
        self.argv = [os.path.abspath(f"{b.build}/bin/mayfly-monitor"), "--restore", f"path={state}", "--console", "/dev/null"]

    def start(self, n):
        """They run, and each has answered."""
        for i in range(n):
            net = f"tap=t{i},ip={self.taps.guest(i)}/30,gw={self.taps.host(i)}"
            self.say({"argv": [*self.argv, "--net", net], "tap": f"t{i}", "host": self.taps.guest(i)})
        for _ in range(n):
            if (status := self.proc.stdout.readline().strip()) != "200":
                raise Failed(f"one of the clones does not answer: {status}")

    def end(self, n):
        self.say({})
        if (ended := self.proc.stdout.readline().strip()) != f"{n} ended":
            raise Failed(f"of {n} clones: {ended}")

    def say(self, order):
        self.proc.stdin.write(json.dumps(order) + "\n")
        self.proc.stdin.flush()

    def __enter__(self):
        argv = self.taps.inside([sys.executable, "tests/bench/herd.py"])
        self.proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *exc):
        self.proc.stdin.close()
        self.proc.wait()
        self.proc.stdout.close()


def clones(b):
    n, state = int(os.environ.get("BENCH_CLONES", "1000")), f"{b.work}/httpd"
    site, disk = f"{b.work}/clones", f"{b.work}/clones.img"
    os.makedirs(site)
    with open(f"{site}/index.html", "w", encoding="utf-8") as f:
        f.write("x" * 1024)
    run(["scripts/mkdisk.sh", site, disk])
    with Taps(n) as taps:
        cmdline = f"mayfly.ip={taps.guest(0)}/30 mayfly.gw={taps.host(0)} -- -f"
        argv = b.monitor(os.path.abspath(b.image("httpd")), "--block", f"path={disk},ro", "--net", "tap=t0", cmdline=cmdline)
        run(taps.inside([*argv, "--snapshot", f"path={state}"]))
        with Herd(b, taps, state) as herd:
            herd.start(2)
            herd.end(2)  # the working set is known from here on
            before = settled()
            herd.start(n)
            used = settled(n)
            herd.end(n)
            after = settled()
    if n < 1000:
        note(f"clone.private_kib over {n} clones instead of 1000 (BENCH_CLONES)")
    b.add("clone.private_kib", "KiB", (used - (before + after) / 2) / n, {}, n)


# --- fork ---


def fork_pause(b):
    metrics, pauses = f"{b.work}/fork.json", []
    image = f"{b.build}/guests/snap"
    for _ in range(b.rounds):
        run(
            [f"{b.build}/bin/mayfly-monitor", "--kernel", image, "--mem", "64M", "--metrics", metrics, "--console", "/dev/null"]
            + ["--fork", "n=1,console=/dev/null", "--cmdline", "-- fill"]
        )
        pauses.append(int(re.search(r'"fork_pause_ns": (\d+)', read_file(metrics)).group(1)))
    b.add("fork.pause", "us", median(pauses) / 1000, {}, len(pauses))


def snap(b):
    b.part(["restore.exec"], lambda: restore(b))
    b.part(["fork.pause"], lambda: fork_pause(b))
    b.part(["clone.private_kib"], lambda: clones(b))
