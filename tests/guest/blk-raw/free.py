#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# free.py [monitor options]: another program has the disk as soon as its VM has ended, the first time it asks.
import fcntl
import os
import struct
import subprocess
import sys

for run in range(3):
    subprocess.run([os.environ["BOOT"], *sys.argv[1:]], stdin=subprocess.DEVNULL, check=True)
    with open(os.environ["DISK_d"], "r+b") as f:
        # struct flock: type, whence, start, len, pid
        fcntl.fcntl(f, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
    print(f"free after run {run}")
