#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_options.py: tricks in every option. Each has to end with status 2 and one line that names the trouble, run
nothing, and leave nothing."""
import os, socket, subprocess

from harness import *


def symlink(w, target, name):
    os.symlink(target, w.path(name))
    return w.path(name)


def unsealed_memfd(data=b"", seal=False):
    fd = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    if seal:
        import fcntl
        fcntl.fcntl(fd, 1033, 0xf)
    return fd


def rows(w):
    """(name, jailer arguments after the defaults, what the error says, keywords of World.argv)"""
    probe = w.probe
    w.directory("d")
    w.file("d/f")
    symlink(w, "d", "dlink")
    symlink(w, probe, "plink")
    symlink(w, w.base, "blink")
    w.directory("theirs", 0o700, 1234)
    w.directory("open", 0o777)
    w.directory("open/in", 0o700)
    w.directory("group", 0o770)
    w.directory("theirs/in", 0o700)
    for name, mode, owner in (("writable", 0o777, 0), ("groupish", 0o775, 0), ("foreign", 0o755, 1234)):
        shutil.copyfile(probe, w.path(name))
        os.chown(w.path(name), owner, owner)
        os.chmod(w.path(name), mode)
    w.file("script", "#!/bin/sh\n", 0o755)
    w.file("empty", "", 0o755)
    w.file("cut", "", 0o755)
    with open(w.path("cut"), "wb") as f:
        f.write(open(probe, "rb").read(100))
    os.mkfifo(w.path("fifo"), 0o755)
    long_path = "/" + "a/" * 2100 + "b"
    yield "no id", None, "--id", {"drop": "--id"}
    for id in ("", "..", "a/b", "a" * 65, "a.b", "a b", "ä", "a\n"):
        yield f"id {id!r}", ["--id", id], "--id", {"drop": "--id"}
    yield "id twice", ["--id", "b"], "there twice", {}
    for uid in ("-1", "4294967295", "4294967296", "root", "", "0x10", "1 ", "0"):
        yield f"uid {uid!r}", ["--uid", uid], "--uid", {"drop": "--uid"}
    yield "gid -1", ["--gid", "-1"], "--gid", {"drop": "--gid"}
    yield "gid missing", None, "--gid", {"drop": "--gid"}
    yield "unknown option", ["--chroot-base", "/x"], "did you mean", {}
    yield "value for a flag", ["--daemonize=1"], "no value", {}
    yield "no value", ["--cgroup"], "--cgroup", {"no_dashes": True}
    for name, path, says in (
            ("relative", "probe", "absolute"), ("..", w.path("d/../probe"), "'..'"), ("root", "/", "root directory"),
            ("//", "/" + probe, "empty component"), ("slash at the end", probe + "/", "empty component"),
            ("newline", probe + "\n", "control"), ("too long", long_path, "too long"),
            ("link", w.path("plink"), "symbolic link"), ("linked directory", w.path("dlink/f"), "symbolic link"),
            ("missing", w.path("nothing"), "No such file"), ("directory", w.path("d"), "'program'"),
            ("fifo", w.path("fifo"), "'program'"), ("writable by all", w.path("writable"), "not permitted"),
            ("writable by its group", w.path("groupish"), "not permitted"),
            ("another user's", w.path("foreign"), "not permitted"), ("script", w.path("script"), "Exec format"),
            ("empty", w.path("empty"), "Exec format"), ("cut off", w.path("cut"), "Exec format"),
            ("dynamic", "/usr/bin/env", "dynamically linked"), ("/proc/self/exe", "/proc/self/exe", "symbolic link")):
        yield f"exec-file {name}", [], says, {"exec_file": path}
    for name, path, says in (
            ("relative", "base", "absolute"), ("..", w.path("d/../base"), "'..'"), ("root", "/", "root directory"),
            ("link", w.path("blink"), "symbolic link"), ("linked directory", w.path("dlink/base"), "symbolic link"),
            ("file", w.path("d/f"), "Not a directory"), ("another user's", w.path("theirs"), "another user"),
            ("below another user's", w.path("theirs/in"), "another user"),
            ("writable by all", w.path("open"), "another user"),
            ("below one that all can write", w.path("open/in"), "another user"),
            ("writable by its group", w.path("group"), "another user"), ("sticky", "/tmp", "another user"),
            ("too long", "/" + "a" * 250 + "/" + "b" * 50, "too long"), ("/proc", "/proc/self/cwd", "symbolic link")):
        yield f"chroot-base-dir {name}", [], says, {"base": path}
    for bind, says in (
            ("x", "SRC:DST"), ("/a:/b:rw", "':ro'"), ("/a:/b:ro:ro", "':ro'"), (":/b", "SRC"), ("/a:", "DST"),
            ("a:/b", "absolute"), ("/a:b", "absolute"), ("/a:/../b", "'..'"), (w.path("d/../d") + ":/b", "'..'"),
            (w.path("dlink") + ":/b", "symbolic link"), (w.path("dlink/f") + ":/b", "symbolic link"),
            (w.path("nothing") + ":/b", "No such file"), (w.path("fifo") + ":/b", "Wrong medium"),
            ("/dev/null:/b", "Wrong medium"), ("/proc/self/root:/b", "symbolic link"),
            (w.path("d") + ":/dev/x", "/dev"), (w.path("d") + ":/dev", "/dev"), (w.path("d") + ":/", "root directory"),
            (w.path("d") + ":/" + "a" * 256, "DST"), (w.path("d") + ":/" + "a/" * 200 + "a", "too long")):
        yield f"bind {bind[-60:]}", ["--bind", bind], says, {}
    yield "bind twice", ["--bind", w.path("d") + ":/b", "--bind", w.path("d/f") + ":/b"], "overlap", {}
    yield "bind in a bind", ["--bind", w.path("d") + ":/b", "--bind", w.path("d/f") + ":/b/c"], "overlap", {}
    yield "bind around a bind", ["--bind", w.path("d") + ":/b/c", "--bind", w.path("d/f") + ":/b"], "overlap", {}
    yield "33 binds", [a for i in range(33) for a in ("--bind", f"/a:/b{i}")], "more than", {}
    for path, says in ((w.path("d/f"), "Invalid argument"), (w.path("plink"), "symbolic link"),
                       ("/proc/self/ns/net", "symbolic link"), (w.path("nothing"), "No such file"), ("x", "absolute")):
        yield f"netns {path}", ["--netns", path], says, {}
    for parent, says in (("../x", "'..'"), ("/x", "'/'"), ("a//b", "empty"), ("a/./b", "'.'"), ("", "empty"),
                         ("a/" * 200, "empty"), ("a/" * 200 + "a", "too long")):
        yield f"parent-cgroup {parent[:20]}", ["--parent-cgroup", parent], says, {}
    for value in ("", "x", "x=1", "memory.max", "memory.max=", "=1", ".max=1", "memory.=1", "memory..max=1",
                  "memory/x.max=1", "../memory.max=1", "memory.max=1\n2", "memory.max=" + "9" * 300, "cgroup.procs=1",
                  "cgroup.kill=1", "tasks=1", "memory.max\t=1", "mem\u00f6.max=1"):
        yield f"cgroup {value[:30]!r}", ["--cgroup", value], "--cgroup", {}
    yield "cgroup of no controller", ["--cgroup", "nonsense.max=1"], "no controller", {}
    if controller("pids")[1]:
        yield "cgroup file that is not there", ["--cgroup", "pids.nonsense=1"], "pids.nonsense", {}
        yield "cgroup value that is none", ["--cgroup", "pids.max=banana"], "pids.max", {}
        yield "cgroup file twice", ["--cgroup", "pids.max=5", "--cgroup", "pids.max=6"], "twice", {}
        other = 3 - controller("pids")[1]
        yield "cgroup of the other version", ["--cgroup", "pids.max=5", "--cgroup-version", str(other)], "no controller", {}
    yield "cgroup-version 3", ["--cgroup-version", "3"], "--cgroup-version", {}
    for limit in ("", "x=1", "no-file", "no-file=", "no-file=-1", "no-file=1k", "fsize=99999999999999999999"):
        yield f"resource-limit {limit}", ["--resource-limit", limit], "--resource-limit", {}
    yield "resource-limit twice", ["--resource-limit", "as=1", "--resource-limit", "as=2"], "twice", {}
    yield "resource-limit above the kernel's", ["--resource-limit", f"no-file={1 << 40}"], "'limits'", {}
    closed = os.dup(0)
    os.close(closed)
    for fd, says in (("x", "NAME=N"), ("a=", "NAME=N"), ("a=2", "NAME=N"), ("a=-1", "NAME=N"), ("=5", "NAME=N"),
                     ("a/b=5", "NAME=N"), ("a=99999999999", "NAME=N"), (f"a={closed + 50}", "Bad file descriptor")):
        yield f"fd {fd}", ["--fd", fd], says, {}
    d, p = os.open(w.path("d"), os.O_RDONLY), os.open(w.path("d/f"), os.O_PATH)
    yield "fd twice", ["--fd", f"a={d}", "--fd", f"b={d}"], "twice", {"fds": (d,)}
    yield "fd name twice", ["--fd", "a=7", "--fd", "a=8"], "twice", {}
    yield "fd of a directory", ["--fd", f"a={d}"], "Is a directory", {"fds": (d,)}
    yield "fd that is a path", ["--fd", f"a={p}"], "Bad file descriptor", {"fds": (p,)}
    elf = open(probe, "rb").read()
    m, e = unsealed_memfd(elf), unsealed_memfd(b"", True)
    yield "exec fd not sealed", ["--fd", f"exec={m}"], "not sealed", {"fds": (m,)}
    yield "exec fd empty", ["--fd", f"exec={e}"], "Exec format", {"fds": (e,)}
    f = os.open(probe, os.O_RDONLY)
    yield "exec fd of a file", ["--fd", f"exec={f}"], "descriptor 'exec' is no", {"fds": (f,)}
    yield "json without dry-run", ["--json"], "--dry-run", {}
    yield "257 arguments", [], "more than", {"args": ["x"] * 257}
    yield "cleanup with an id", ["--cleanup", "x"], "--cleanup", {}


def refused(w, name, options, says, drop=None, no_dashes=False, fds=(), **kw):
    argv = w.argv("trick", *(options or []), **kw)
    if drop:
        i = argv.index(drop)
        del argv[i:i + 2]
    if no_dashes:
        argv = argv[:argv.index("--")]
    r = w.run(argv, pass_fds=fds)
    lines = errors(r)
    left = w.left("trick")
    ok(r.returncode == 2 and len(lines) == 1 and says in lines[0] and r.stdout == b"" and not left, name,
       f"status {r.returncode}, output {r.stdout!r}, error {lines}, left {left}")


def planted(w):
    """Things that another had a hand in, where the record or the root is to be."""
    base = w.directory("planted", 0o700)
    prog = os.path.join(base, "probe")
    victim = w.file("victim", "mine", 0o600)

    def case(name, says, prepare, undo):
        prepare()
        r = w.run(w.argv("trick", base=base))
        lines = errors(r)
        kept = open(victim).read() == "mine"
        ok(r.returncode == 2 and len(lines) == 1 and says in lines[0] and kept and r.stdout == b"", name,
           f"status {r.returncode}, error {lines}, victim kept: {kept}")
        undo()

    case("program's directory is a link", "symbolic link", lambda: os.symlink(w.path("d"), prog), lambda: os.unlink(prog))
    case("program's directory is another's", "not permitted", lambda: (os.mkdir(prog, 0o700), os.chown(prog, 1234, 1234)),
         lambda: os.rmdir(prog))
    os.mkdir(prog, 0o700)
    record, room = prog + "/trick.jail", prog + "/trick"
    case("record is a link", "symbolic link", lambda: os.symlink(victim, record), lambda: os.unlink(record))
    case("record is a hard link", "not permitted", lambda: os.link(victim, record), lambda: os.unlink(record))
    case("record is a fifo", "not permitted", lambda: os.mkfifo(record), lambda: os.unlink(record))
    case("record is a directory", "s a directory", lambda: os.mkdir(record), lambda: os.rmdir(record))

    def foreign():
        open(record, "w").close()
        os.chown(record, 1234, 1234)
    case("record is another's", "not permitted", foreign, lambda: os.unlink(record))
    case("id's directory is a link", "symbolic link", lambda: os.symlink("/etc", room), lambda: os.unlink(room))
    case("id's directory is another's", "not permitted", lambda: (os.mkdir(room), os.chown(room, 1234, 1234)),
         lambda: os.rmdir(room))
    os.mkdir(room, 0o700)
    root = room + "/root"
    case("its root is a link", "symbolic link", lambda: os.symlink("/", root), lambda: os.unlink(root))
    os.mkdir(root)
    etc = sorted(os.listdir("/etc"))
    case("/dev in it is a link", "symbolic link", lambda: os.symlink("/etc", root + "/dev"), lambda: os.unlink(root + "/dev"))
    ok(sorted(os.listdir("/etc")) == etc, "nothing was made where the link led")
    # A record that names what is not a jail's removes nothing.
    os.rmdir(root)
    os.rmdir(room)
    target = w.directory("precious/trick")
    with open(record, "w") as f:
        f.write(f"cgroup {target}\ncgroup /sys/fs/cgroup\ncgroup ../trick\npid 1 1\npid -1 0\nnonsense\n")
    r = w.run([JAILER, "--cleanup", "trick", "--chroot-base-dir", base])
    ok(os.path.isdir(target) and r.returncode == 2 and len(errors(r)) == 1, "a record cannot name a directory that is no cgroup",
       f"status {r.returncode} {r.stderr}")


def main():
    w = World()
    try:
        for name, options, says, kw in rows(w):
            refused(w, name, options, says, **kw)
        planted(w)
    finally:
        w.remove()
    finish()


main()
