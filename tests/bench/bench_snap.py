# SPDX-License-Identifier: MIT
"""bench_snap.py: what a restore costs, and what a clone does.

restore.exec: exec of the monitor to its end for a VM that is restored at its freeze point and ends at once, its files in
the page cache, beside the KVM floor and the boot of the same image. clone.private_kib: memory of the host, kernel
included, for each of many clones of one httpd that are alive at once, each after it has answered a request over a tap of
its own. fork.pause: how long a VM of 64 MiB, all touched, stands still while it is copied.
"""

import os
import re
import subprocess

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


# Lines "TAP ADDRESS" to lines with the status of a request, four at a time. Not before somebody holds the tap: what is
# sent to nobody is asked for again only after a second.
ASK = """
import concurrent.futures, http.client, sys, time
def ask(line):
    tap, host = line.split()
    end = time.monotonic() + 300
    while True:
        try:
            with open(f"/sys/class/net/{tap}/carrier") as f:
                if f.read().strip() != "1":
                    raise OSError("nobody holds the tap")
            c = http.client.HTTPConnection(host, 80, timeout=60)
            c.request("GET", "/index.html")
            r = c.getresponse()
            r.read()
            c.close()
            print(r.status, flush=True)
            break
        except OSError as e:
            if time.monotonic() > end:
                print(e, flush=True)
                break
            time.sleep(0.002)
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    for line in sys.stdin:
        pool.submit(ask, line)
"""


def start_clones(b, taps, state, numbers, asker, procs):
    """They run, and each has answered."""
    for i in numbers:
        argv = [os.path.abspath(f"{b.build}/bin/mayfly-monitor"), "--restore", f"path={state}", "--console", "/dev/null"]
        argv += ["--net", f"tap=t{i},ip={taps.guest(i)}/30,gw={taps.host(i)}"]
        procs.append(subprocess.Popen(taps.inside(argv), stdin=subprocess.DEVNULL))
        asker.stdin.write(f"t{i} {taps.guest(i)}\n")
        asker.stdin.flush()
    for i in numbers:
        if (status := asker.stdout.readline().strip()) != "200":
            raise Failed(f"one of the clones does not answer: {status}")
    if dead := sum(p.poll() is not None for p in procs):
        raise Failed(f"{dead} clones have ended")


def stop(procs):
    for p in procs:
        p.kill()
    for p in procs:
        p.wait()


def clones(b):
    n, state = int(os.environ.get("BENCH_CLONES", "1000")), f"{b.work}/httpd"
    site, disk = f"{b.work}/site", f"{b.work}/site.img"
    os.makedirs(site)
    with open(f"{site}/index.html", "w", encoding="utf-8") as f:
        f.write("x" * 1024)
    run(["scripts/mkdisk.sh", site, disk])
    with Taps(n) as taps:
        cmdline = f"mayfly.ip={taps.guest(0)}/30 mayfly.gw={taps.host(0)} -- -f"
        argv = b.monitor(os.path.abspath(b.image("httpd")), "--block", f"path={disk},ro", "--net", "tap=t0", cmdline=cmdline)
        run(taps.inside([*argv, "--snapshot", f"path={state}"]))
        with subprocess.Popen(
            taps.inside(["python3", "-c", ASK]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as asker:
            procs = []
            try:
                start_clones(b, taps, state, range(2), asker, procs)
                stop(procs)  # the working set is known from here on
                procs.clear()
                before = settled()
                start_clones(b, taps, state, range(n), asker, procs)
                used = settled()
            finally:
                stop(procs)
                asker.stdin.close()
            after = settled()
    if n < 1000:
        note(f"clone.private_kib over {n} clones instead of 1000 (BENCH_CLONES)")
    b.add("clone.private_kib", "KiB", (used - (before + after) / 2) / n, {}, n)


# --- fork ---


def fork_pause(b):
    metrics, pauses = f"{b.work}/fork.json", []
    image = f"{b.build}/guests/snap"
    for _ in range(max(3, b.rounds // 10)):
        run(
            [f"{b.build}/bin/mayfly-monitor", "--kernel", image, "--mem", "64M", "--metrics", metrics, "--console", "/dev/null"]
            + ["--fork", "n=1,console=/dev/null", "--cmdline", "-- fill"]
        )
        pauses.append(int(re.search(r'"fork_pause_ns": (\d+)', read_file(metrics)).group(1)))
    b.add("fork.pause", "us", median(pauses) / 1000, {}, len(pauses))


def snap(b):
    if b.wanted("restore.exec"):
        restore(b)
    if b.wanted("fork.pause"):
        fork_pause(b)
    if b.wanted("clone.private_kib"):
        clones(b)
