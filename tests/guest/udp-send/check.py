#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check.py: boots the guest and counts its datagrams; one would be what is left when it ends."""

import os
import socket
import subprocess
import sys

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind((os.environ["HOST_IP"], 9999))
    s.settimeout(60 * float(os.environ["SLOW"]))
    guest = subprocess.Popen([os.environ["BOOT"]])
    first = s.recv(16)
    status = guest.wait()
    s.setblocking(False)
    got = 1
    try:
        while s.recv(16):
            got += 1
    except BlockingIOError:
        pass
print(f"{got} datagrams, status {status}")
sys.exit(status != 0 or len(first) != 4 or got < 10)
