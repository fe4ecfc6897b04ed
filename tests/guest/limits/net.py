#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""net.py rx|tx RATE: the host's end of the limits guest. rx: floods it with datagrams, the guest measures and exits. tx: counts
the bytes of the frames that the guest floods us with, which must get within 5 % of RATE bytes a second and stay there."""

import os
import socket
import struct
import subprocess
import sys
import time

FRAME = 958 + 42  # with Ethernet, IPv4 and UDP headers
SO_TIMESTAMPNS = 35
BUCKET, LEAST, MOST = float(sys.argv[2]), 3.0, 30.0  # the bucket holds one second's worth


def flood(guest):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((os.environ["GUEST_IP"], 9))
    while guest.poll() is None:
        try:
            s.send(b"x" * 100)
        except OSError:  # the tap has gone with the guest
            pass
        time.sleep(0.0005)
    return guest.returncode


def arrival(ancillary):
    """When the kernel saw it: we may be late."""
    for _, kind, data in ancillary:
        if kind == SO_TIMESTAMPNS:
            sec, nsec = struct.unpack("qq", data)
            return sec + nsec / 1e9
    raise RuntimeError("no timestamp")


def measure(guest, s):
    rate, got, start = float(sys.argv[2]), 0, None
    while True:
        _, ancillary, _, peer = s.recvmsg(2048, 128)
        got += FRAME
        now = arrival(ancillary)
        start = start or now
        if now - start < LEAST:
            continue
        # full at the first frame, and empty whenever a frame waits
        ratio = (got - BUCKET) / (rate * (now - start))
        if ratio > 1.05 or now - start > MOST:
            print(f"FAIL ratio {ratio:.3f} after {now - start:.1f} s")
            guest.kill()
            return 1
        if ratio >= 0.95:
            print(f"ratio {ratio:.3f} after {now - start:.1f} s")
            s.sendto(b"x", peer)
            return guest.wait()


def main():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    s.bind((os.environ["HOST_IP"], 7777))
    with subprocess.Popen([os.environ["BOOT"]], stdout=subprocess.PIPE, text=True) as guest:
        if sys.argv[1] == "tx":
            return measure(guest, s)
        for line in guest.stdout:
            print(line, end="")
            if line == "ready\n":
                status = flood(guest)
                print(guest.stdout.read(), end="")
                return status
    return 1


sys.exit(main())
