#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check.py: VMs out of a pool: each boots from handed-over descriptors and says how it went; a configuration that is
wrong is refused by name, and the pool goes on."""
import json, os, socket, subprocess, sys, time

O, WORK, IMAGE = os.environ["O"], os.environ["WORK"], os.environ["IMAGE"]
PATIENCE = 60 * int(os.environ["SLOW"])
SOCKET = f"{WORK}/jail/mayfly-monitor/pool.sock"


def ask(config, fds):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(PATIENCE)
    end = time.monotonic() + PATIENCE
    while s.connect_ex(SOCKET) and time.monotonic() < end:
        time.sleep(0.02)
    socket.send_fds(s, [json.dumps(config).encode()], fds)
    heard = []
    while data := s.recv(4096):
        heard.append(data.decode())
    return heard


def main():
    with open(f"{O}/bin/mayfly-monitor", "rb") as f:
        if b"__asan_init" in f.read():
            print("a sanitized monitor needs the loader that a jail lacks")
            sys.exit(77)
    pool = subprocess.Popen([f"{O}/bin/mayfly-jailer", "--id", "pool", "--pool", "2", "--uid", "42000", "--gid", "42000",
                             "--exec-file", f"{O}/bin/mayfly-monitor", "--chroot-base-dir", f"{WORK}/jail"])
    bad = []
    image, disk = os.open(IMAGE, os.O_RDONLY), os.open(os.environ["DISK_root"], os.O_RDONLY)
    try:
        for i in range(3):
            r, w = os.pipe()
            config = {"id": f"vm-{i}", "kernel": "/dev/fd/64", "cmdline": f"-- pool-{i}", "console": "/dev/fd/66",
                      "block": [{"path": "/dev/fd/65", "ro": True}]}
            heard = ask(config, [image, disk, w])
            os.close(w)
            said = open(r).read()
            if heard != ["ok", "exit 0"] or f"pool-{i}" not in said:
                bad.append((heard, said))
        for config, word in (({"kernel": "/dev/fd/64", "mem": "1M"}, "mem"), ({"kernel": "/dev/fd/90"}, "/dev/fd/90"),
                             ({"kernel": "/dev/fd/64", "block": [{"path": "/dev/fd/65"}]}, "/dev/fd/65"), ({}, "kernel"),
                             ({"kernel": "/etc/passwd"}, "No such file")):
            heard = ask(config, [image, disk])
            if len(heard) != 2 or word not in heard[0] or heard[1] != "exit 2":
                bad.append((config, heard))
    finally:
        pool.terminate()
        pool.wait(PATIENCE)
    left = os.listdir(f"{WORK}/jail/mayfly-monitor")
    if left:
        bad.append(left)
    for b in bad:
        print("not as expected:", b)
    print("FAIL" if bad else "PASS")
    return bool(bad)


sys.exit(main())
