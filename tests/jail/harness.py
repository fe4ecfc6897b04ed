# SPDX-License-Identifier: MIT
"""harness.py: what the jail tests share: a world of files and processes around a jail, TAP, and the proof that
nothing is left behind. Root."""
import ctypes, os, re, shutil, signal, socket, subprocess, sys, tempfile, time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.path.join(ROOT, os.environ.get("O", "build"))
JAILER = os.path.join(BUILD, "bin/mayfly-jailer")
UID = 30001
DEADLINE = 240 if os.environ.get("MAYFLY_LANE") == "hw" else 60  # against a hang, not a measure

_failed = _number = 0


def ok(cond, name, why=""):
    global _failed, _number
    _number += 1
    print(("ok" if cond else "not ok"), _number, "-", name, "" if cond else f": {why}", flush=True)
    _failed += not cond
    return cond


def skip(name, why):
    global _number
    _number += 1
    print("ok", _number, "-", name, "# SKIP", why, flush=True)


def finish():
    print(f"1..{_number}")
    sys.exit(1 if _failed else 0)


def cgroup_mounts():
    """[(dir, version, controllers)] of the host."""
    found = []
    for line in open("/proc/self/mountinfo"):
        left, right = line.split(" - ")
        where, (kind, _, options) = left.split()[4], right.split()[:3]
        if kind == "cgroup":
            found.append((where, 1, options.split(",")))
        elif kind == "cgroup2":
            found.append((where, 2, open(where + "/cgroup.controllers").read().split()))
    return found


def controller(name):
    for where, version, controllers in cgroup_mounts():
        if name in controllers:
            return where, version
    return None, 0


class World:
    """A directory of root's with copies of the programs, and room for what a test needs."""

    def __init__(self, where="/tmp"):
        self.dir = tempfile.mkdtemp(prefix="jail-test.", dir=where)
        os.chmod(self.dir, 0o755)
        # Names of groups are the host's, so they must not be those of another run.
        self.group = os.path.basename(self.dir).replace(".", "-")
        self.base = self.path("base")
        os.mkdir(self.base, 0o700)
        self.probe = self.program("probe", 0o755)
        self.mounts = self.mount_list()

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def program(self, name, mode):
        to = self.path(name)
        shutil.copyfile(os.path.join(BUILD, "jail", name), to)
        os.chmod(to, mode)
        return to

    def file(self, name, text="", mode=0o644, owner=0):
        p = self.path(name)
        with open(p, "w") as f:
            f.write(text)
        os.chmod(p, mode)
        os.chown(p, owner, owner)
        return p

    def directory(self, name, mode=0o755, owner=0):
        p = self.path(name)
        os.makedirs(p, exist_ok=True)
        os.chmod(p, mode)
        os.chown(p, owner, owner)
        return p

    def mount_list(self):
        """Those that a jail could have made; others come and go."""
        return sorted(line.split(" ", 2)[2] for line in open("/proc/self/mountinfo")
                      if self.dir in line or " - tmpfs jail " in line)

    def argv(self, id, *options, exec_file=None, base=None, args=()):
        return [JAILER, "--id", id, "--exec-file", exec_file or self.probe, "--uid", str(UID), "--gid", str(UID),
                "--chroot-base-dir", base or self.base,
                *([] if "--parent-cgroup" in options else ["--parent-cgroup", self.group]), *options, "--", *args]

    def run(self, argv, **kw):
        kw.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(argv, capture_output=True, timeout=DEADLINE, **kw)

    def start(self, argv, **kw):
        """Started, and its program running: the probe's first byte was seen."""
        p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
        if p.stdout.read(1) != b"x":
            p.wait(DEADLINE)
            raise RuntimeError(p.stderr.read().decode())
        return p

    def groups(self, id):
        """Directories of a jail's group that there are."""
        paths = [os.path.join(where, self.group, id) for where, _, _ in cgroup_mounts()]
        return [p for p in paths if os.path.isdir(p)]

    def left(self, id):
        """What there still is of a jail on the host."""
        found = []
        for base, dirs, files in os.walk(self.dir):
            found += [os.path.join(base, f) for f in files if f in (id + ".jail", id + ".pid")]
        found += self.groups(id)
        if self.mount_list() != self.mounts:
            found.append("a mount")
        return found

    def remove(self):
        shutil.rmtree(self.dir)
        for where, _, _ in cgroup_mounts():
            if os.path.isdir(group := os.path.join(where, self.group)):
                os.rmdir(group)


def errors(result):
    """The error lines of the jailer, without warnings."""
    return [l for l in result.stderr.decode(errors="replace").splitlines() if ": error: " in l]


def child_of(pid):
    return int(open(f"/proc/{pid}/task/{pid}/children").read().split()[0])


def wait_catching(pid, sig):
    """Until the process has a handler for the signal."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        caught = int(re.search(r"SigCgt:\t(\w+)", open(f"/proc/{pid}/status").read())[1], 16)
        if caught >> (sig - 1) & 1:
            return True
        time.sleep(0.005)
    return False


def until(what):
    """Whether it becomes true."""
    end = time.monotonic() + DEADLINE
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def is_gone(pid):
    try:
        return bool(re.search(r"\) [ZX]", open(f"/proc/{pid}/stat").read()))
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_gone(pid):
    """Until no such process is left that lives."""
    return until(lambda: is_gone(pid))
