#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_state.py: what the kernel says of a jailed process, looked at from the host: each fact that docs/security.md
states of a jail, for the smallest program and for the monitor with a guest in it. The five sets of capabilities are
read by libcap-ng, which the jailer does not use: another reader than the writer."""
import ctypes, ctypes.util, os, shutil, signal, stat, subprocess, time

from harness import *

SETS = {"effective": 1, "permitted": 2, "inheritable": 4, "bounding": 8, "ambient": 16}
OWN_NS = "cgroup ipc mnt net pid uts".split()  # not time: see docs/security.md
LIMITS = {"Max core file size": 0, "Max open files": 2048, "Max msgqueue size": 0, "Max realtime priority": 0, "Max nice priority": 0}
QUIET = {"nosuid", "noexec"}
ROOT_FLAGS = os.ST_RDONLY | os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC


def read(pid, name):
    with open(f"/proc/{pid}/{name}", encoding="ascii", errors="replace") as f:
        return f.read()


def status(pid):
    return dict(line.split(":\t", 1) for line in read(pid, "status").splitlines() if ":\t" in line)


def capabilities(pid):
    """Those in any of the five sets, as libcap-ng finds them."""
    ng = ctypes.CDLL(ctypes.util.find_library("cap-ng"))
    ng.capng_clear(0x3F)
    ng.capng_setpid(pid)
    if ng.capng_get_caps_process() != 0:
        return ["unreadable"]
    ng.capng_capability_to_name.restype = ctypes.c_char_p
    last = int(open("/proc/sys/kernel/cap_last_cap").read())
    return [f"{name} {ng.capng_capability_to_name(cap).decode()}" for name, which in SETS.items() for cap in range(last + 1)
            if ng.capng_have_capability(which, cap) == 1]


def mounts(pid):
    """{mount point: options}, as the process sees them."""
    return {line.split()[4]: set(line.split()[5].split(",")) for line in read(pid, "mountinfo").splitlines()}


def limit_errors(pid):
    have = {line[:26].strip(): line[26:].split()[:2] for line in read(pid, "limits").splitlines()[1:]}
    return [f"{k}: {have.get(k)}" for k, v in LIMITS.items() if have.get(k) != [str(v)] * 2]


def securebits_errors(w):
    """Nothing of /proc shows them, so the probe asks."""
    r = w.run(w.argv("state-bits", args=["securebits"]))
    return [] if r.stdout == b"x" and r.returncode == 0xEF else [f"{r.returncode:#x}"]


def judge(what, pid, userns, fds, cgroup):
    st = status(pid)
    caps = capabilities(pid)
    ok(caps == [], f"{what}: no capability in any of the five sets, says libcap-ng", caps[:5])
    ok(st["NoNewPrivs"] == "1", f"{what}: no_new_privs", st["NoNewPrivs"])
    ok(set(st["Uid"].split() + st["Gid"].split()) == {str(UID)}, f"{what}: all four uids and gids", st["Uid"] + st["Gid"])
    ok(st["Groups"].split() == [], f"{what}: no group", st["Groups"])
    ok(st["Umask"] == "0077", f"{what}: umask", st["Umask"])
    ok(st["NSpid"].split()[1:] == ["1"], f"{what}: the first process of its namespace", st["NSpid"])
    ok(st["NSsid"].split()[-1] == "1", f"{what}: a session of its own", st["NSsid"])
    ok(read(pid, "oom_score_adj").strip() == "500", f"{what}: oom_score_adj", read(pid, "oom_score_adj"))
    ok(limit_errors(pid) == [], f"{what}: limits, soft and hard", limit_errors(pid))
    ok(read(pid, "environ") == "", f"{what}: no environment", read(pid, "environ"))
    ok(os.stat(f"/proc/{pid}/mem").st_uid == 0, f"{what}: not dumpable", os.stat(f"/proc/{pid}/mem").st_uid)
    shared = [n for n in OWN_NS + ["user"] * userns if os.readlink(f"/proc/{pid}/ns/{n}") == os.readlink(f"/proc/self/ns/{n}")]
    ok(shared == [], f"{what}: namespaces of its own", shared)
    have = sorted(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
    ok(have == fds if isinstance(fds, list) else fds(have), f"{what}: no descriptor but the named ones", have)
    seen = mounts(pid)
    ok(sorted(seen) == ["/dev"] + (["/dev/kvm", "/dev/net/tun", "/dev/urandom"] if userns else []), f"{what}: mounts", seen)
    ok(all(o >= QUIET | {"ro"} for o in seen.values()), f"{what}: their options", seen)
    flags = os.statvfs(f"/proc/{pid}/root").f_flag  # the room is a folder of its mount, which has no name in there
    ok(flags & ROOT_FLAGS == ROOT_FLAGS, f"{what}: the root is read-only, nosuid, nodev, noexec", flags)
    nodes = {n: os.stat(f"/proc/{pid}/root/dev/{n}") for n in ("kvm", "net/tun", "urandom") if os.path.exists(f"/dev/{n}")}
    if not userns:
        bad = [n for n, s in nodes.items() if (stat.S_IMODE(s.st_mode), s.st_uid, s.st_gid) != (0o600, UID, UID)]
        ok(nodes and not bad, f"{what}: device nodes are 0600 of the jail's user", bad)
    ok(os.listdir(f"/proc/{pid}/root") == ["dev"], f"{what}: the room has nothing else", os.listdir(f"/proc/{pid}/root"))
    # The groups of the host, from outside of the namespace; every controller that was asked for.
    groups = {c: line.split(":")[2] for line in read(pid, "cgroup").splitlines() for c in line.split(":")[1].split(",")}
    ok(all(groups.get(c, groups.get("")) == path for c, path in cgroup.items()), f"{what}: in its cgroup", groups)


def uts(pid):
    return subprocess.run(["nsenter", "-t", str(pid), "-u", "uname", "-n"], capture_output=True, text=True, timeout=DEADLINE).stdout.strip()


def all_mounts(pid):
    """File systems in its mount namespace, those out of its reach, too: as a process sees them whose root is the namespace's."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(theirs)
        fd = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
        if ctypes.CDLL(None).setns(fd, 0x20000) != 0:
            os._exit(1)
        os.read(ours, 1)
        os._exit(0)
    os.close(ours)
    end = time.monotonic() + DEADLINE
    while os.readlink(f"/proc/{child}/ns/mnt") != os.readlink(f"/proc/{pid}/ns/mnt") and time.monotonic() < end:
        time.sleep(0.005)
    found = [line.split(" - ")[1].split()[0] for line in read(child, "mountinfo").splitlines()]
    os.close(theirs)
    os.waitpid(child, 0)
    return found


def shared_root(w):
    """Where systemd has made the root shared, nothing may propagate, and pivot_root refuses shared mounts."""
    r = w.run(["unshare", "-m", "--propagation", "shared", *w.argv("shared", args=["exit", "7"])])
    ok(r.returncode == 7 and not w.left("shared"), "a host whose mounts are shared", r.stderr)


def alone(w, what, options, userns):
    # With groups of the caller's, which must not stay.
    p = w.start(["setpriv", "--groups", "4,24", *w.argv("state", *options, args=["term"])], env={"SECRET": "1", "PATH": os.environ["PATH"]})
    pid = child_of(p.pid)
    try:
        judge(what, pid, userns, [0, 1, 2], {"pids": f"/{w.group}/state"})
        ok(set(all_mounts(pid)) <= {"tmpfs", "devtmpfs"}, f"{what}: the host's tree is not in its namespace", all_mounts(pid))
        if not userns:
            ok(uts(pid) == "jail", f"{what}: host name", uts(pid))
    finally:
        wait_catching(pid, signal.SIGTERM)
        p.terminate()
        p.wait(DEADLINE)
    ok(p.returncode == 42 and not w.left("state"), f"{what}: ends, and nothing is left", w.left("state"))


def installed(w):
    """The monitor with the mode that `make install` gives it."""
    to = w.path("mayfly-monitor")
    shutil.copyfile(f"{BUILD}/bin/mayfly-monitor", to)
    os.chmod(to, 0o711)
    return to


def with_guest(w):
    """The monitor with a guest that waits."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return skip("the monitor with a guest in it", "no /dev/kvm")
    with open(f"{BUILD}/examples/httpd", "rb") as image:
        site = w.path("site.img")
        subprocess.run(["scripts/mkdisk.sh", "examples/site", site], cwd=ROOT, check=True, timeout=DEADLINE)
        argv = w.argv("guest", "--fd", f"kernel={image.fileno()}", "--fd", "site=9",
                      exec_file=installed(w), args=["--kernel", f"/dev/fd/{image.fileno()}", "--mem", "16M",
                                                                      "--block", "id=root,path=/dev/fd/9,ro", "--cmdline", "-- -p 80"])
        disk = os.open(site, os.O_RDONLY)
        os.dup2(disk, 9)
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=(image.fileno(), 9))
    try:
        line = p.stdout.readline()
        ok(b"listening" in line, "guest: it is up", line + (p.stderr.read() if not line else b""))
        pid = child_of(p.pid)
        judge("guest", pid, False, lambda have: len(have) < 32, {"pids": f"/{w.group}/guest"})
        ok(status(pid)["Seccomp"] == "2", "guest: filtered", status(pid)["Seccomp"])
    finally:
        p.terminate()
        p.communicate(timeout=DEADLINE)
        os.close(disk)
        os.close(9)
    ok(p.returncode == 143 and not w.left("guest"), "guest: SIGTERM ends it, and nothing is left", (p.returncode, w.left("guest")))
    return None


def behind(w):
    """The same guest in the background, its image in the room, its console a file there."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return skip("guests in the background", "no /dev/kvm")
    home = w.directory("home", 0o700, UID)
    os.chmod(w.dir, 0o755)
    for option in ("--daemonize", "--new-pid-ns"):
        argv = w.argv("behind", option, "--bind", f"{BUILD}/examples/httpd:/image:ro", "--bind", f"{home}:/home", exec_file=installed(w),
                      args=["--kernel", "/image", "--mem", "16M", "--cmdline", "-- -p 80", "--console", "/home/console"])
        with open(w.path("err"), "wb") as err:  # no pipe: with --new-pid-ns the program keeps it open
            r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=err, stderr=err, timeout=DEADLINE, check=False)
        ok(r.returncode == 0, f"{option}: the jailer returns", read_file(w.path("err")))
        pid = int(read_file(f"{w.base}/mayfly-monitor/behind.pid"))
        end = time.monotonic() + DEADLINE
        while "listening" not in read_file(f"{home}/console") and time.monotonic() < end:
            time.sleep(0.01)
        ok("listening" in read_file(f"{home}/console"), f"{option}: the guest is up", read_file(f"{home}/console"))
        ok(capabilities(pid) == [] and status(pid)["Seccomp"] == "2", f"{option}: jailed and filtered", status(pid))
        reaper = int(status(pid)["PPid"])
        os.kill(reaper, signal.SIGTERM)
        ok(wait_gone(reaper) and wait_gone(pid) and not w.left("behind"), f"{option}: SIGTERM ends both, and nothing is left", w.left("behind"))
        os.unlink(f"{home}/console")
    return None


def read_file(path):
    try:
        with open(path, encoding="ascii", errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def main():
    w = World()
    os.chmod(w.probe, 0o711)  # as installed; that its user cannot read it makes it undumpable
    try:
        ok(securebits_errors(w) == [], "securebits are what docs/security.md says", securebits_errors(w))
        shared_root(w)
        alone(w, "root", [], False)
        alone(w, "userns", ["--userns"], True)
        with_guest(w)
        behind(w)
    finally:
        w.remove()
    finish()


main()
