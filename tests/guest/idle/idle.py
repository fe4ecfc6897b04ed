#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# idle.py [monitor options]: a server that nobody talks to costs less than half a percent of a core. The figure is CPU
# time of the VM's threads (nanoseconds, by the scheduler) over the time between the two readings, however long that
# was: a slow or busy machine delays the second reading and with it the time, and gives the VM no more to do. The pause is what is
# measured, nobody waits for anything in it.
import glob
import os
import subprocess
import sys
import time

SECONDS = 10
MOST = 0.005


def cpu_ns(pid):
    """Of all threads, in user mode, in the kernel and in the guest."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total


def main():
    with subprocess.Popen([os.environ["BOOT"], *sys.argv[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as vm:
        try:
            while (line := vm.stdout.readline()) and "listening" not in line:
                pass
            if not line:
                sys.exit(f"ended with {vm.wait()} before it listened")
            with open(f"{os.environ['WORK']}/vmm.pid", encoding="ascii") as f:
                pid = int(f.read())
            cpu, wall = cpu_ns(pid), time.monotonic_ns()
            time.sleep(SECONDS)
            cpu, wall = cpu_ns(pid) - cpu, time.monotonic_ns() - wall
            if vm.poll() is not None:
                sys.exit(f"ended with {vm.returncode}")
        finally:
            vm.kill()
    print(f"{cpu / 1e6:.2f} ms of CPU in {wall / 1e9:.2f} s: {100 * cpu / wall:.3f} % of a core")
    if not 0 <= cpu < MOST * wall:
        sys.exit("too much")


main()
