#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# host.py [monitor options]: a guest's clocks against the host's. No deadline anywhere: the guest reads its clock after we
# asked and before its answer came, so its reading lies between our two, however long either took. That holds to
# within DRIFT of the time since it booted, which is what the host's clock may be steered by meanwhile. Our monitor gives
# the guest the host's monotonic and wall clock; QEMU's guests have one of their own and a wall clock of whole seconds.
# A timer never ends early by the host's clock, and half of them end before twice their time has passed.
import os
import socket
import statistics
import subprocess
import sys
import time

DRIFT = 500e-6
NS = 1_000_000_000
SLEEP = 50_000_000 * int(os.environ["SLOW"])


def clocks():
    return time.monotonic_ns(), time.time_ns()


class Guest:
    def __init__(self):
        self.born = time.monotonic_ns()
        self.vm = subprocess.Popen([os.environ["BOOT"], *sys.argv[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        while (line := self.vm.stdout.readline()) and "listening" not in line:
            pass
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect((os.environ["GUEST_IP"], 7000))
        self.sock.settimeout(60)

    def ask(self, ns=0):
        """(host's clocks before, guest's end of sleep, monotonic and wall clock, host's clocks after)"""
        before = clocks()
        self.sock.send(str(ns).encode())
        until, mono, wall = map(int, self.sock.recv(100).split())
        return before, until, (mono, wall), clocks()

    def slack(self):
        return (time.monotonic_ns() - self.born) * DRIFT

    def quit(self):
        self.sock.send(b"quit")
        self.vm.communicate()
        return self.vm.returncode


def between(what, low, value, high, slack):
    if not low - slack <= value <= high + slack:
        sys.exit(f"{what}: {value} is not between the host's {low} and {high} (give or take {slack:.0f} ns)")


def check_reading(guest, first, reading, qemu):
    before, _, clock, after = reading
    between("wall clock", before[1] - (NS if qemu else 0), clock[1], after[1], guest.slack())
    if not qemu:
        between("monotonic clock", before[0], clock[0], after[0], guest.slack())
    between("time passed", before[0] - first[3][0], clock[0] - first[2][0], after[0] - first[0][0], guest.slack())


def main():
    guest, qemu = Guest(), "qemu" in os.environ["LANE"] or os.environ["LANE"] == "tcg"
    first = guest.ask()
    took = []
    for ns in [0] * 20 + [SLEEP] * 20 + [NS] + [0] * 20:
        reading = guest.ask(ns)
        before, until, (mono, _), after = reading
        check_reading(guest, first, reading, qemu)
        if mono < until:
            sys.exit(f"a sleep of {ns} ns ended {until - mono} ns early")
        if after[0] - before[0] < ns - guest.slack():
            sys.exit(f"a sleep of {ns} ns took {after[0] - before[0]} ns of the host's")
        if ns == SLEEP:
            took.append((after[0] - before[0]) / ns)
    if statistics.median(took) >= 2:
        sys.exit(f"sleeps take {statistics.median(took):.2f} times as long as asked")
    if guest.quit() & 0x7F:
        sys.exit(f"status {guest.vm.returncode}")
    print(f"sleeps of {SLEEP / 1e6:.0f} ms: median {statistics.median(took):.4f} times that")


main()
