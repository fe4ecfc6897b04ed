#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_escape.py: escape.c in a jail of each kind: made by root, by root with a user namespace, and without root."""
import ctypes, fcntl, os, pty, shutil, socket, subprocess, termios

from harness import *

libc = ctypes.CDLL(None, use_errno=True)
SYS_ADD_KEY, SYS_KEYCTL = 248, 250


def caller_secrets():
    """A key in our session keyring: a jail that kept it could read it."""
    if libc.syscall(SYS_KEYCTL, 1, None) >= 0:
        libc.syscall(SYS_ADD_KEY, b"user", b"mayfly-test", b"secret", 6, -3)


def prepare(w, name, owner):
    rw = w.directory(name, 0o700, owner)
    os.symlink("/etc/passwd", rw + "/link")
    w.file(name + ".secret", "secret", 0o600)
    os.link(w.path(name + ".secret"), rw + "/secret")
    os.mknod(rw + "/node", 0o20666, os.makedev(1, 3))
    os.chmod(rw + "/node", 0o666)
    shutil.copyfile(os.path.join(BUILD, "jail/escape"), rw + "/prog")
    os.chmod(rw + "/prog", 0o755)
    return rw


def limits():
    where, version = controller("memory")
    memory = 32 << 20
    if version == 0:
        return [], []
    name = "memory.max" if version == 2 else "memory.limit_in_bytes"
    more = ["--cgroup", "memory.swap.max=0"] if version == 2 and os.path.exists("/proc/swaps") else []
    if more and not any(os.path.exists(f"{d}/{c}/memory.swap.max") for d, v, _ in cgroup_mounts() if v == 2
                        for c in os.listdir(d) if os.path.isdir(f"{d}/{c}")):
        more = []
    return ["--cgroup", f"{name}={memory}", *more, "--cgroup", "pids.max=32"], [f"memory={memory}", "pids=32"]


def attempt(w, what, options, facts, owner, prefix=(), base=None):
    rw = prepare(w, "rw-" + what.replace(" ", "-"), owner)
    ro = w.file("ro-" + what.replace(" ", "-"), "text", 0o644, owner)
    outside = subprocess.Popen(["sleep", "1000"], user=owner, group=owner)
    tcp = socket.create_server(("127.0.0.1", 0))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(f"\0jail-test-{os.getpid()}-{owner}")
    unix.listen()
    shm = subprocess.run(["ipcmk", "-M", "4096", "-p", "0666"], capture_output=True, text=True).stdout.split()[-1]
    master, slave = pty.openpty()
    handed, other = os.pipe(), os.pipe()
    abi = libc.syscall(444, None, 0, 1)
    argv = [*prefix, *w.argv("try-1", "--bind", f"{rw}:/rw", "--bind", f"{ro}:/ro:ro", "--fd",
                             f"pipe={handed[1]}", "--resource-limit", f"fsize={4 << 20}", *options,
                             exec_file=w.escape, base=base,
                             args=[f"pid={outside.pid}", f"shm={shm}", f"fd={handed[1]}",
                                   f"port={tcp.getsockname()[1]}", f"name=jail-test-{os.getpid()}-{owner}",
                                   f"landlock={abi}", *facts])]
    try:
        r = w.run(argv, stdin=slave, start_new_session=True,
                  preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0), pass_fds=(handed[1], other[1]), env={"SECRET": "1"})
    finally:
        outside.kill()
        outside.wait()
        subprocess.run(["ipcrm", "-m", shm])
    lines = r.stdout.decode().splitlines()
    for line in lines:
        if line.startswith(("ok", "not ok")):
            good, _, name = line.partition(" - ")
            ok(not good.startswith("not"), f"{what}: {name}")
    ok(r.returncode == 0 and any(l.startswith("1..") for l in lines), f"{what}: all rows ran",
       f"status {r.returncode}, {r.stderr.decode()}")
    ok(not w.left("try-1"), f"{what}: nothing is left", w.left("try-1"))
    for fd in (*handed, *other, master, slave):
        os.close(fd)


def compromised(w, what, options):
    """The same room, and the monitor's filters on: compromised.c in its place."""
    r = w.run(w.argv("try-2", *options, exec_file=w.program("compromised", 0o755),
                     args=["setup", "vcpu", "io"]))
    lines = r.stdout.decode().splitlines()
    for line in lines:
        if line.startswith(("ok", "not ok")):
            good, _, name = line.partition(" - ")
            ok(not good.startswith("not"), f"{what}, filtered: {name}")
    ok(r.returncode == 0 and any(l.startswith("1..") for l in lines), f"{what}, filtered: all rows ran",
       f"status {r.returncode}, {r.stderr.decode()}")
    ok(not w.left("try-2"), f"{what}, filtered: nothing is left", w.left("try-2"))


def main():
    w = World()
    w.escape = w.program("escape", 0o111)
    caller_secrets()
    options, facts = limits()
    try:
        attempt(w, "root", options, facts, UID)
        attempt(w, "userns", ["--userns", *options], facts, UID)
        compromised(w, "root", options)
        compromised(w, "userns", ["--userns", *options])
        base = w.directory("nobase", 0o700, 1234)
        os.chmod(w.dir, 0o755)
        attempt(w, "no root", ["--userns"], ["pids=64"], 1234,
                ["setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups"], base)
    finally:
        w.remove()
    finish()


main()
