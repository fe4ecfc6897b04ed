#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""merge.py BASE OVERLAY OUT: the disk that a VM saw, as one image: BASE with the clusters of OVERLAY over it. A reader of
the format written apart from the monitor's (monitor/backend/overlay_file.c)."""
import os
import shutil
import struct
import sys

CLUSTER = 4096


def merge(base, overlay, out):
    shutil.copyfile(base, out)
    size = os.path.getsize(base)
    clusters = -(-size // CLUSTER)
    map_pages = -(-((clusters + 7) // 8) // CLUSTER)
    data = CLUSTER + map_pages * CLUSTER
    with open(overlay, "rb") as f, open(out, "r+b") as o:
        magic, version, cluster, base_size, mtime = struct.unpack("<8sIIQq", f.read(32))
        assert (magic, version, cluster, base_size) == (b"MAYFLYOV", 1, CLUSTER, size), (magic, version, cluster, base_size)
        assert mtime == os.stat(base).st_mtime_ns, mtime
        f.seek(CLUSTER)
        bits = f.read((clusters + 7) // 8).ljust((clusters + 7) // 8, b"\0")
        n = 0
        for c in range(clusters):
            if bits[c // 8] >> c % 8 & 1:
                n += 1
                f.seek(data + c * CLUSTER)
                o.seek(c * CLUSTER)
                o.write(f.read(CLUSTER)[: size - c * CLUSTER])
    return n


if __name__ == "__main__":
    print(merge(*sys.argv[1:]), "clusters")
