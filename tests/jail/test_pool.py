#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_pool.py: jails that wait (--pool): each client gets one, is told how it went, and nothing that a client, a
monitor or a signal does stops the pool or leaves anything behind. standin.c is in the monitor's place."""
import atexit, os, signal, socket, subprocess, time

from harness import *

READY = 3


class Pool:
    def __init__(self, w, n=READY, id="pool"):
        self.w, self.id = w, id
        argv = w.argv(id, "--pool", str(n), exec_file=w.standin)
        argv[argv.index("--uid") + 1] = argv[argv.index("--gid") + 1] = "30300"
        self.path = f"{w.base}/standin/{id}.sock"
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        atexit.register(self.proc.kill)
        until(lambda: os.path.exists(self.path) or self.proc.poll() is not None)

    def connect(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(DEADLINE)
        until(lambda: s.connect_ex(self.path) == 0)  # a killed pool has left its name there
        return s

    def ask(self, text, fds=()):
        s = self.connect()
        socket.send_fds(s, [text.encode()], list(fds))
        return s

    def jails(self):
        """Numbers of the jails that there are."""
        names = os.listdir(f"{self.w.base}/standin")
        return sorted(int(n[len(self.id) + 1:-5]) for n in names if n.startswith(self.id + "-") and n.endswith(".jail"))

    def waiting(self):
        """Jailers of this pool."""
        return open(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children").read().split()

    def left(self):
        return [l for k in range(40) for l in self.w.left(f"{self.id}-{k}")]


def told(s):
    """All that the client hears, until the end."""
    heard = []
    while True:
        data = s.recv(70000)
        if not data:
            return heard
        heard.append(data[:40].decode())


def gives(pool):
    ok(until(lambda: len(pool.jails()) == READY), f"{READY} jails are made ahead", pool.jails())
    r, wr = os.pipe()
    s = pool.ask("exit 7", [wr])
    os.close(wr)
    heard, hello = told(s), open(r).read()
    ok(heard == ["ok", "exit 7"], "the client is told of start and end", heard)
    ok(hello.startswith("hello 303"), "the descriptor came through", hello)
    ok(until(lambda: len(pool.jails()) == READY), "another is made in its place", pool.jails())
    pairs = [os.pipe() for _ in range(12)]
    clients = [pool.ask("stay", [wr]) for _, wr in pairs]
    heard = [c.recv(100) for c in clients]
    ok(heard == [b"ok"] * 12, "twelve at once, with three ready: all are served", heard)
    for _, wr in pairs:
        os.close(wr)
    hello = [os.read(r, 100) for r, _ in pairs]
    ok(len(set(hello)) == 12, "each by a user of its own", hello)
    for r, _ in pairs:
        os.close(r)
    heard = [told(c) for c in clients]
    ok(heard == [["exit 0"]] * 12, "and all end", heard)


def bears(pool):
    heard = told(pool.ask("bad"))
    ok(heard == ["error told", "exit 2"], "a refused configuration: why, and the end", heard)
    heard = told(pool.ask("die"))
    ok(heard == ["exit 3"], "a monitor that dies without a word", heard)
    heard = told(pool.ask("evil"))
    ok(len(heard) <= 2 and heard[-1] == "exit 0", "a monitor that says too much is heard once", heard)
    fds = len(os.listdir(f"/proc/{pool.proc.pid}/fd"))
    for _ in range(5):
        told(pool.ask("evil"))
    ok(until(lambda: len(os.listdir(f"/proc/{pool.proc.pid}/fd")) <= fds + READY), "descriptors it hands out are closed",
       os.listdir(f"/proc/{pool.proc.pid}/fd"))
    s = pool.connect()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    s.send(b"x" * 70000)
    heard = told(s)
    ok(len(heard) == 1 and heard[0].startswith("error"), "a message too long is refused", heard)
    r, wr = os.pipe()
    heard = told(pool.ask("exit 0", [wr] * 17))
    os.close(wr)
    ok(len(heard) == 1 and heard[0].startswith("error"), "and one with too many descriptors", heard)
    ok(os.read(r, 1) == b"", "which are closed again")
    os.close(r)
    pool.connect().close()
    silent = [pool.connect() for _ in range(5)]
    gone = pool.ask("exit 0")
    gone.close()
    heard = told(pool.ask("exit 5"))
    ok(heard == ["ok", "exit 5"], "clients that come and go, or stay and say nothing, do not stop it", heard)
    for s in silent:
        s.close()


def ends(w):
    pool = Pool(w, id="ends")
    until(lambda: len(pool.jails()) == READY)
    r = w.run(pool.proc.args)
    ok(r.returncode == 2 and "is running" in r.stderr.decode(), "a second pool of that id is refused", r.stderr)
    read, wr = os.pipe()
    s = pool.ask("stay", [wr])
    os.close(wr)
    ok(s.recv(10) == b"ok", "a VM runs")
    until(lambda: len(pool.jails()) == READY + 1)
    pool.proc.terminate()
    ok(pool.proc.wait(DEADLINE) == 0 and until(lambda: len(pool.jails()) == 1), "SIGTERM ends those that wait", pool.jails())
    ok(os.read(read, 5) == b"hello" and not os.path.exists(pool.path), "not the VM that runs; the socket is gone")
    os.close(read)
    ok(until(lambda: not pool.left()), "which ends by itself and leaves nothing", pool.left())

    pool = Pool(w, id="ends")
    until(lambda: len(pool.jails()) == READY)
    pool.proc.kill()
    pool.proc.wait(DEADLINE)
    ok(until(lambda: not pool.left()), "after kill -9 those that wait end by themselves", pool.left())
    # Each of them finds a dead pool's socket.
    pools = [subprocess.Popen(pool.proc.args, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(6)]
    ok(until(lambda: sum(p.poll() is None for p in pools) == 1), "of six that follow one takes over", [p.poll() for p in pools])
    heard = told(pool.ask("exit 1"))
    ok(heard == ["ok", "exit 1"], "and the socket", heard)
    r = w.run(w.argv("ends", exec_file=w.standin))
    ok(r.returncode == 2 and "is running" in r.stderr.decode(), "its id is no jail's", r.stderr)
    for p in pools:
        p.terminate()
        p.wait(DEADLINE)
    ok(until(lambda: not pool.left()) and not os.listdir(f"{w.base}/standin"), "nothing is left", pool.left() + os.listdir(f"{w.base}/standin"))


def refused(w):
    for what in (["--pool", "0"], ["--pool", "65"], ["--pool", "1", "--daemonize"], ["--pool", "1", "--userns"],
                 ["--pool", "1", "--fd", "x=3"], ["--pool", "x"]):
        r = w.run(w.argv("pool", *what, exec_file=w.standin))
        ok(r.returncode == 2 and len(errors(r)) == 1, f"{' '.join(what)} is refused", f"{r.returncode} {r.stderr}")
    r = w.run(w.argv("x" * 61, "--pool", "1", exec_file=w.standin))
    ok(r.returncode == 2 and len(errors(r)) == 1, "an id that leaves no room for numbers is refused", r.stderr)


def main():
    w = World()
    w.standin = w.program("standin", 0o755)
    pool = Pool(w)
    try:
        gives(pool)
        bears(pool)
    finally:
        pool.proc.terminate()
        pool.proc.wait(DEADLINE)
    ok(until(lambda: not pool.left()), "nothing is left", pool.left())
    ends(w)
    refused(w)
    w.remove()
    finish()


if __name__ == "__main__":
    main()
