# SPDX-License-Identifier: MIT
"""bench_jail.py: what a jail adds, from the start of the program to its first byte of output: one start, and 50 at
once (time until all run, by their number); made on the spot (jail.start) and taken out of a pool (jail.pool). The
program is the monitor booting hello where there is KVM, and else one that only writes that byte: what it takes itself
cancels in the difference."""

import json
import os
import subprocess
import tempfile
import time

from common import Failed, run

ONCE = 50
POOL = ("jail.pool", "jail.pool50")


def jail(b):
    kvm = os.access("/dev/kvm", os.R_OK | os.W_OK)
    image = os.path.abspath(b.image("hello")) if kvm else None
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="mayfly-bench-") as base:  # a tmpfs, as /run is
        def both():
            bare = started(b, base, image)
            if b.wanted(*POOL):
                pooled(b, base, image, bare)

        b.part(["jail.start", "jail.start50", *POOL], both)


def started(b, base, image):
    """The rows of jails that are made on the spot; [bare start, each of fifty]."""
    program = os.path.abspath(f"{b.build}/bin/mayfly-monitor" if image else f"{b.build}/jail/probe")
    argv = [f"{b.build}/jail/bench", "--json"] + (["--kernel", image] if image else [])
    argv += [f"{b.build}/bin/mayfly-jailer", program, str(b.rounds), str(ONCE), "--", "--chroot-base-dir", base]
    figures = [json.loads(line) for line in run(argv).splitlines()]
    for name, figure in zip(("jail.start", "jail.start50"), figures):
        b.add(name, "us", figure["jailed"], {"bare": figure["bare"]}, b.rounds)
    return [f["bare"] for f in figures]


def pooled(b, base, image, bare):
    program = os.path.abspath(f"{b.build}/bin/mayfly-monitor" if image else f"{b.build}/jail/standin")
    socket = f"{base}/{os.path.basename(program)}/bench.sock"
    argv = [f"{b.build}/bin/mayfly-jailer", "--id", "bench", "--pool", str(ONCE), "--uid", "30600", "--gid", "30600"]
    argv += ["--exec-file", program, "--chroot-base-dir", base]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as pool:
        try:
            wait_ready(pool, os.path.dirname(socket))
            lines = run([f"{b.build}/jail/bench_pool", socket, str(b.rounds), str(ONCE)] + ([image] if image else []))
        finally:
            pool.terminate()
    for name, us, vs in zip(POOL, lines.split(), bare):
        b.add(name, "us", float(us), {"bare": vs}, b.rounds)


def wait_ready(pool, folder):
    end = time.monotonic() + 60
    while not os.path.isdir(folder) or sum(n.endswith(".jail") for n in os.listdir(folder)) < ONCE:
        if pool.poll() is not None or time.monotonic() > end:
            raise Failed("the pool does not fill")
        time.sleep(0.05)
