#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_life.py: how jails begin and end: exit status, signals, kill -9 at any moment, one id twice, many side by side."""
import json, os, random, re, resource, signal, subprocess, threading, time

from harness import *


def statuses(w):
    for name, args, want in (("exit status is handed on", ["exit", "7"], 7), ("exit status 0", ["exit", "0"], 0),
                             ("exit status 255", ["exit", "255"], 255)):
        r = w.run(w.argv("life", args=args))
        ok(r.returncode == want and r.stdout == b"x", name, f"{r.returncode} {r.stderr}")
    r = w.run(w.argv("life", args=["fault"]))
    ok(r.returncode == 128 + signal.SIGILL, "a fault ends with 128 + its signal", r.returncode)
    p = w.start(w.argv("life", args=["term"]))
    p.send_signal(signal.SIGTERM)
    ok(p.wait(DEADLINE) == 42, "SIGTERM reaches the program", p.returncode)
    p = w.start(w.argv("life", args=["term"]))
    os.kill(child_of(p.pid), signal.SIGKILL)
    ok(p.wait(DEADLINE) == 128 + 9, "a killed program is told by 128 + 9", p.returncode)
    ok(not w.left("life"), "nothing is left", w.left("life"))


def killed(w):
    p = w.start(w.argv("life", args=["term"]))
    inside = child_of(p.pid)
    p.kill()
    p.wait(DEADLINE)
    ok(wait_gone(inside), "the program does not outlive a jailer killed with -9")
    left = w.left("life")
    ok(any(l.endswith("life.jail") for l in left), "the record stays", left)
    cleanup = [JAILER, "--cleanup", "life", "--chroot-base-dir", w.base]
    r = w.run(cleanup)
    ok(r.returncode == 0 and not w.left("life"), "--cleanup removes the rest", f"{r.returncode} {r.stderr} {w.left('life')}")
    r = w.run(cleanup)
    ok(r.returncode == 0 and not r.stderr, "--cleanup of nothing is fine", r.stderr)
    r = w.run(cleanup[:-1] + [w.path("no/such")])
    ok(r.returncode == 0, "--cleanup without a base directory is fine", r.stderr)
    # A program that will not die with its jailer: stopped processes die too, so it is one that left the tie.
    p = w.start(w.argv("life", args=["term"]))
    p.kill()
    p.wait(DEADLINE)
    r = w.run(w.argv("life", args=["exit", "3"]))
    ok(r.returncode == 3 and not w.left("life"), "the id of a dead jailer can be taken again", f"{r.returncode} {r.stderr}")


def killed_anywhen(w, rounds=60):
    """The time a start takes, cut at random places: whatever there is must be gone after --cleanup."""
    t = time.monotonic()
    w.run(w.argv("cut", args=["exit", "0"]))
    span = 1.5 * (time.monotonic() - t)
    rng, bad, late = random.Random(1), [], 0
    for i in range(rounds):
        p = subprocess.Popen(w.argv("cut", args=["term"]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
        try:
            p.wait(rng.uniform(0, span))
        except subprocess.TimeoutExpired:
            pass
        p.kill()
        p.wait(DEADLINE)
        late += p.stdout.read() == b"x"  # until every process that holds the pipe is gone
        p.stdout.close()
        r = w.run([JAILER, "--cleanup", "cut", "--chroot-base-dir", w.base])
        if r.returncode or w.left("cut"):
            bad.append((r.returncode, r.stderr, w.left("cut")))
    ok(not bad, f"killed at {rounds} random moments ({late} of them with the program running), nothing is left", bad)


def one_id(w):
    p = w.start(w.argv("life"))
    r = w.run(w.argv("life"))
    ok(r.returncode == 2 and "running" in r.stderr.decode(), "an id in use is refused", r.stderr)
    r = w.run([JAILER, "--cleanup", "life", "--chroot-base-dir", w.base])
    ok(r.returncode == 2 and "running" in r.stderr.decode() and p.poll() is None, "--cleanup leaves a live one alone", r.stderr)
    p.stdin.close()
    ok(p.wait(DEADLINE) == 0 and not w.left("life"), "and it ends well", w.left("life"))
    bad = 0
    for _ in range(10):
        ps = [subprocess.Popen(w.argv("race", args=["term"]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE) for _ in range(8)]
        running = [q for q in ps if q.stdout.read(1) == b"x"]
        bad += len(running) != 1
        for q in running:
            q.terminate()
        for q in ps:
            q.wait(DEADLINE)
            q.stdout.close()
            q.stderr.close()
    ok(bad == 0 and not w.left("race"), "of eight at once with one id exactly one runs", f"{bad} of 10, {w.left('race')}")


def one_group(w):
    """The same id below another base directory is another record, but the same group."""
    if not controller("pids")[1]:
        return skip("one group", "no pids controller")
    other = w.directory("otherbase", 0o700)
    p = w.start(w.argv("life"))
    r = w.run(w.argv("life", base=other))
    ok(r.returncode == 2 and "a jail's that lives" in r.stderr.decode() and p.poll() is None, "a group in use is refused", r.stderr)
    p.kill()
    p.wait(DEADLINE)
    p = w.start(w.argv("life", base=other))
    ok(w.groups("life"), "a dead jail's group is taken over without its record")
    inside = child_of(p.pid)
    r = w.run([JAILER, "--cleanup", "life", "--chroot-base-dir", w.base])
    ok(r.returncode == 0 and p.poll() is None and not is_gone(inside) and w.groups("life"),
       "the record of the dead one does not end who took over", f"{r.returncode} {r.stderr}")
    p.stdin.close()
    ok(p.wait(DEADLINE) == 0 and not w.left("life"), "who ends well", w.left("life"))
    # Anybody else's, even with nothing in it.
    where = controller("pids")[0]
    theirs = f"{where}/{w.group}/life"
    os.mkdir(theirs)
    guest = subprocess.Popen(["sleep", "1000"])
    try:
        for what, pid in (("an empty group", None), ("a group", guest.pid)):
            if pid:
                with open(theirs + "/cgroup.procs", "w") as f:
                    f.write(str(pid))
            r = w.run(w.argv("life"))
            ok(r.returncode == 2 and "by no jailer" in r.stderr.decode() and os.path.isdir(theirs) and guest.poll() is None,
               f"{what} that no jailer made is left alone", r.stderr)
    finally:
        guest.kill()
        guest.wait()
    until(lambda: not open(theirs + "/cgroup.procs").read())
    os.rmdir(theirs)
    ok(not w.left("life"), "nothing is left", w.left("life"))


def group_race(w, rounds=10, n=8):
    """Starts at one time below several base directories, with a dead jail's group in the way."""
    if not controller("pids")[1]:
        return skip("a race for a group", "no pids controller")
    bases = [w.directory(f"base-{i}", 0o700) for i in range(n)]
    bad = []
    for _ in range(rounds):
        p = w.start(w.argv("race"))
        p.kill()
        p.wait(DEADLINE)
        ps = [subprocess.Popen(w.argv("race", base=b, args=["term"]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE) for b in bases]
        running = [q for q in ps if q.stdout.read(1) == b"x"]
        for q in running:
            q.terminate()
        codes = sorted(q.wait(DEADLINE) for q in ps)
        said = [q.stderr.read().decode() for q in ps]
        if len(running) != 1 or codes != [2] * (n - 1) + [42] or sum("'cgroup'" in s for s in said) != n - 1:
            bad.append((len(running), codes, said))
    w.run([JAILER, "--cleanup", "race", "--chroot-base-dir", w.base])
    ok(not bad and not w.left("race"), f"of {n} that want one dead jail's group exactly one gets it", f"{bad[:1]} {w.left('race')}")


def behind(w):
    for option in ("--daemonize", "--new-pid-ns"):
        out = w.path("out" + option)
        with open(out, "wb") as f:  # no pipe: with --new-pid-ns the program keeps it open
            r = subprocess.run(w.argv("life", option, args=["term"]), stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                               timeout=DEADLINE)
        pid = int(open(w.base + "/probe/life.pid").read())
        null = os.path.realpath(f"/proc/{pid}/fd/1") == "/dev/null"
        ok(r.returncode == 0 and null == (option == "--daemonize"), f"{option} returns when the program runs",
           f"{r.returncode} {open(out).read()}")
        reaper = int(re.search(r"PPid:\t(\d+)", open(f"/proc/{pid}/status").read())[1])
        wait_catching(pid, signal.SIGTERM)
        os.kill(reaper, signal.SIGTERM)
        ok(wait_gone(reaper) and not w.left("life"), f"{option}: its reaper cleans up", w.left("life"))
    r = w.run(w.argv("life", "--daemonize", "--bind", "/no/such:/x"))
    ok(r.returncode == 2 and b"/no/such" in r.stderr and not w.left("life"), "--daemonize tells of a failure", r.stderr)


def open_files(pid):
    """What the descriptors of a process are, some of which it may be closing right now."""
    return [os.path.realpath(f"/proc/{pid}/fd/{f}").rpartition("/")[2] for f in os.listdir(f"/proc/{pid}/fd")]


def handed_over(w):
    a, b = os.pipe()
    p = w.start(w.argv("life", "--fd", f"x={b}", args=["term"]), pass_fds=(b,))
    os.close(b)
    theirs = os.listdir(f"/proc/{child_of(p.pid)}/fd")
    pipe = f"pipe:[{os.fstat(a).st_ino}]"
    end = time.monotonic() + DEADLINE
    while pipe in (mine := open_files(p.pid)) and time.monotonic() < end:
        time.sleep(0.005)  # the program may run before the jailer is back
    ok(pipe not in mine and sorted(theirs, key=int) == ["0", "1", "2", str(b)], "only the program holds a descriptor handed over",
       f"jailer {mine}, program {theirs}")
    os.kill(child_of(p.pid), signal.SIGKILL)
    ok(os.read(a, 1) == b"", "whose other end sees its end")
    p.wait(DEADLINE)
    os.close(a)
    elf = open(w.probe, "rb").read()
    fd = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    os.write(fd, elf)
    os.fchmod(fd, 0o111)
    import fcntl
    fcntl.fcntl(fd, 1033, 0xf)
    r = w.run(w.argv("life", "--fd", f"exec={fd}", exec_file="/no/such/probe", args=["exit", "5"]), pass_fds=(fd,))
    ok(r.returncode == 5, "a sealed memfd is executed in the file's place", r.stderr)
    p = w.start(w.argv("life", args=["term"]))
    inside = child_of(p.pid)
    same = os.stat(f"/proc/{inside}/exe").st_ino == os.stat(w.probe).st_ino
    ok(same, "the program is the file itself, not a copy")
    p.terminate()
    p.wait(DEADLINE)


def own_room(w):
    root = w.directory("base/probe/room/root", 0o755)
    os.chmod(w.base, 0o700)
    for d in ("base/probe", "base/probe/room"):
        os.chmod(w.path(d), 0o700)
    w.file("base/probe/room/root/kernel", "image")
    w.directory("base/probe/room/root/run", 0o700, UID)
    r = w.run(w.argv("room", args=["cat", "/kernel"]))
    ok(r.stdout == b"ximage" and r.returncode == 0, "files in BASE/PROGRAM/ID/root are the program's", f"{r.stdout} {r.stderr}")
    r = w.run(w.argv("room", args=["write", "/run/sock"]))
    ok(r.returncode == 0 and open(root + "/run/sock").read() == "y", "and it can write where its user can", r.stderr)
    r = w.run(w.argv("room", args=["write", "/kernel"]))
    ok(r.returncode == 1, "and only there", r.stderr)
    ok(not w.left("room"), "nothing is left", w.left("room"))


def side_by_side(w, n=10):
    def argv(i):
        a = w.argv(f"side-{i}", args=["term"])
        a[a.index("--uid") + 1] = a[a.index("--gid") + 1] = str(30100 + i)
        return a
    ps = [w.start(argv(i)) for i in range(n)]
    inside = [child_of(p.pid) for p in ps]
    kinds = ("mnt", "pid", "net", "ipc", "uts", "cgroup")
    spaces = [os.readlink(f"/proc/{pid}/ns/{k}") for pid in inside + [os.getpid()] for k in kinds]
    ok(len(set(spaces)) == len(spaces), f"{n} jails and the host share no namespace of {kinds}")
    bad = []
    for i, pid in enumerate(inside):
        uid = str(30100 + (i + 1) % n)
        for what in (["kill", "-9", str(pid)], ["cat", f"/proc/{pid}/environ"], ["cat", f"/proc/{pid}/mem"],
                     ["ls", f"/proc/{pid}/fd"], ["nsenter", "-t", str(pid), "-m", "true"]):
            r = subprocess.run(["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", *what], capture_output=True)
            if r.returncode == 0:
                bad.append((uid, what))
    ok(not bad and all(p.poll() is None for p in ps), "none can signal, see or read its neighbour, even from outside its jail", bad)
    where, version = controller("pids")
    if version:
        mine = [open(f"{where}/{w.group}/side-{i}/cgroup.procs").read().split() for i in range(n)]
        ok(mine == [[str(pid)] for pid in inside], "each is in its own group", mine)
    for p in ps:
        p.terminate()
    ok([p.wait(DEADLINE) for p in ps] == [42] * n, "all end when told to")
    ok(not any(w.left(f"side-{i}") for i in range(n)), "nothing is left")


def greedy_neighbour(w):
    """One that wants more memory than it may have is ended; a neighbour that spins beside it goes on."""
    where, version = controller("memory")
    if not version:
        return skip("a greedy neighbour", "no memory controller")
    limit = "memory.max=16777216" if version == 2 else "memory.limit_in_bytes=16777216"
    cpu = controller("cpu")[1]
    slow = {0: [], 1: ["--cgroup", "cpu.cfs_quota_us=20000"], 2: ["--cgroup", "cpu.max=20000 100000"]}[cpu]
    spin = w.start(w.argv("spin", *slow, args=["spin"]))
    r = w.run(w.argv("greedy", "--cgroup", limit, "--bind", f"{w.path('d')}:/d", exec_file=w.escape, args=["memory=16777216"]))
    lines = [l for l in r.stdout.decode().splitlines() if "memory bomb" in l]
    ok(len(lines) == 1 and lines[0].startswith("ok") and "SKIP" not in lines[0], "a memory bomb ends itself only", lines or r.stderr)
    ok(spin.poll() is None, "its neighbour lives")
    spin.terminate()
    ok(spin.wait(DEADLINE) == 128 + 15 and not w.left("spin") and not w.left("greedy"), "SIGTERM ends a program that has no handler for it; nothing is left")


def dry_run(w):
    full = ["--bind", "/no/such:/b:ro", "--cgroup", "pids.max=5", "--resource-limit", "as=1000000", "--fd", "tap=9"]
    r = w.run(w.argv("dry", *full, "--dry-run", "--json", base=w.path("never"), args=['a"b\\']))
    plan = json.loads(r.stdout)
    ok(r.returncode == 0 and plan["id"] == "dry" and plan["argv"] == ["probe", "--id", "dry", 'a"b\\'] and
       plan["binds"] == [{"src": "/no/such", "dst": "/b", "ro": True}] and plan["fds"] == {"tap": 9} and
       plan["limits"]["as"] == 1000000 and plan["steps"][-1] == "exec", "--dry-run --json says all of it", r.stdout)
    ok(not os.path.exists(w.path("never")) and not w.left("dry"), "and does none of it")
    r = w.run(w.argv("dry", *full, "--dry-run"))
    ok(r.returncode == 0 and b"read-only" in r.stdout and b"pids.max = 5" in r.stdout, "--dry-run as text", r.stdout)
    r = w.run(w.argv("dry", "--timing", args=["exit", "0"]))
    ok(r.returncode == 0 and len(re.findall(rb"timing: \S+ +\d+ us", r.stderr)) > 10, "--timing lists the steps", r.stderr)


def no_kvm(w):
    if os.path.exists("/dev/kvm"):
        return skip("a host without /dev/kvm", "it has one")
    r = w.run(w.argv("life", args=["exit", "0"]))
    ok(b"no /dev/kvm" in r.stderr and r.returncode == 0, "a host without /dev/kvm is told", r.stderr)


def stdio(w):
    """With 0, 1 and 2 closed nothing else gets their numbers."""
    r = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *w.argv("life", args=["exit", "6"])], timeout=DEADLINE)
    ok(r.returncode == 6, "closed standard descriptors", r.returncode)


def main():
    w = World()
    w.escape = w.program("escape", 0o111)
    w.directory("d")
    try:
        for test in (statuses, killed, killed_anywhen, one_id, one_group, group_race, behind, handed_over, own_room, side_by_side,
                     greedy_neighbour, dry_run, no_kvm, stdio):
            test(w)
    finally:
        w.remove()
    finish()


main()
