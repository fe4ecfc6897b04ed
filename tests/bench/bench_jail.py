# SPDX-License-Identifier: MIT
"""bench_jail.py: what a jail adds, from the start of the program to its first byte of output: one start, and 50 at
once (time until all run, by their number). The program is the monitor booting hello where there is KVM, and else
one that only writes that byte: what it takes itself cancels in the difference."""

import json
import os
import tempfile

from common import run



def jail(b):
    if not b.wanted("jail.start", "jail.start50"):
        return
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        program = ["--kernel", os.path.abspath(b.image("hello"))]
        path = f"{b.build}/bin/mayfly-monitor"
    else:
        program, path = [], f"{b.build}/jail/probe"
    argv = [f"{b.build}/jail/bench", "--json", *program, f"{b.build}/bin/mayfly-jailer", os.path.abspath(path)]
    # The records' place is a tmpfs, as /run is on most hosts.
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="mayfly-bench-") as base:
        lines = run([*argv, str(b.rounds), "50", "--", "--chroot-base-dir", base]).splitlines()
    for name, line in zip(("jail.start", "jail.start50"), lines):
        figures = json.loads(line)
        b.add(name, "us", figures["jailed"], {"bare": figures["bare"]}, b.rounds if name == "jail.start" else 5)
