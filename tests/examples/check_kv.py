# SPDX-License-Identifier: MIT
"""check_kv.py: the kv server over TCP, and what is left of its data after a crash."""

import os
import random
import signal
import socket
import threading

from lib import DIR, PATIENCE, Server, Skip, Suite, TempDir, eq, need, until

suite = Suite()
KV = f"{DIR}/kv"


class Client:
    def __init__(self, server):
        self.sock = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
        self.f = self.sock.makefile("rb")

    def send(self, data):
        self.sock.sendall(data)

    def reply(self):
        """One reply: bytes of a value, None for no value, or the line; None also at the end of the connection
        would be ambiguous, so that raises."""
        line = self.f.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError(f"closed: {line!r}")
        line = line[:-2]
        if not line.startswith(b"$"):
            return line.decode()
        n = int(line[1:])
        if n < 0:
            return None
        data = self.f.read(n + 2)
        eq(data[n:], b"\r\n")
        return data[:n]

    def ask(self, command):
        self.send(command + b"\r\n")
        return self.reply()

    def set(self, key, value):
        return self.ask(b"SET %s %d\r\n%s" % (key, len(value), value))

    def get(self, key):
        return self.ask(b"GET " + key)

    def at_end(self):
        return self.f.read(1) == b""

    def close(self):
        self.f.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def start(d, *args, **kw):
    return Server([KV, "-d", d, *args], "serving ", **kw)


@suite.case
def commands():
    with TempDir() as d, start(d) as s, Client(s) as c:
        eq(c.get(b"a"), None)
        eq(c.set(b"a", b"hello"), "+OK")
        eq(c.get(b"a"), b"hello")
        eq(c.set(b"a", b""), "+OK")
        eq(c.get(b"a"), b"")
        data = bytes(range(256)) * 64
        eq(c.set(b"bin", data), "+OK")
        eq(c.get(b"bin"), data)
        eq(c.ask(b"COUNT"), ":2")
        eq((c.ask(b"DEL a"), c.ask(b"DEL a")), (":1", ":0"))
        eq(c.get(b"a"), None)
        eq((c.ask(b"SYNC"), c.ask(b"COMPACT"), c.ask(b"ping")), ("+OK", "+OK", "+PONG"))
        eq(c.get(b"bin"), data)
        eq(c.ask(b"QUIT"), "+OK")
        assert c.at_end()


@suite.case
def bare_line_feeds():
    with TempDir() as d, start(d) as s, Client(s) as c:
        c.send(b"set k 3\nabc\n\n  get   k \nDEL k\n")
        eq([c.reply(), c.reply(), c.reply()], ["+OK", b"abc", ":1"])


@suite.case
def errors():
    with TempDir() as d, start(d) as s, Client(s) as c:
        for command in (b"NOPE", b"GET", b"GET a b", b"SET a", b"SET a 1 2", b"DEL", b"GET " + b"k" * 251, b"COUNT x"):
            assert c.ask(command).startswith("-ERR"), command
        eq(c.set(b"k" * 250, b"x"), "+OK")
        assert c.set(b"\x01", b"data\nQUIT\n").startswith("-ERR bad key"), "and its data is no command"
        assert c.set(b"a", b"x" * 16385).startswith("-ERR value too large")
        assert c.set(b"a", b"x" * 1000000).startswith("-ERR value too large")
        eq(c.set(b"a", b"x" * 16384), "+OK")
        eq(c.get(b"a"), b"x" * 16384)
        for bad in (b"SET a -1", b"SET a x", b"SET a 99999999999999999999", b"SET a 3\r\nabcd", b"x" * 600):
            with Client(s) as other:
                assert other.ask(bad).startswith("-ERR"), bad
                other.sock.shutdown(socket.SHUT_WR)
                assert other.at_end(), bad
        eq(c.ask(b"COUNT"), ":2")


@suite.case
def limits_of_keys_and_clients():
    with TempDir() as d, start(d, "-k", "3", "-c", "2") as s, Client(s) as c:
        for k in (b"1", b"2", b"3"):
            eq(c.set(k, k), "+OK")
        eq(c.set(b"4", b"x"), "-ERR full")
        eq(c.set(b"3", b"x"), "+OK")
        eq(c.ask(b"DEL 1"), ":1")
        eq(c.set(b"4", b"x"), "+OK")
        with Client(s) as b:
            eq(b.get(b"4"), b"x")
            with Client(s) as third:
                eq(third.reply(), "-ERR too many clients")


@suite.case
def pipelining_with_backpressure():
    with TempDir() as d, start(d) as s, Client(s) as c:
        value = os.urandom(16384)
        eq(c.set(b"big", value), "+OK")
        n = 500  # 8 MB of answers, asked for before the first is read
        t = threading.Thread(target=c.send, args=(b"GET big\n" * n,))
        t.start()
        with Client(s) as other:  # served meanwhile
            eq(other.ask(b"PING"), "+PONG")
        for _ in range(n):
            eq(c.reply() == value, True)
        t.join()
        # The client has said everything and closed its side: it gets every answer.
        c.send(b"GET big\n" * 20)
        c.sock.shutdown(socket.SHUT_WR)
        for _ in range(20):
            eq(c.reply() == value, True)
        assert c.at_end()


@suite.case
def many_clients():
    with TempDir() as d, start(d) as s:
        clients = [Client(s) for _ in range(64)]
        for r in range(10):
            for i, c in enumerate(clients):
                c.send(b"SET %d 4\n%04d\nGET %d\n" % (i, r, (i + 1) % 64))
            for i, c in enumerate(clients):
                eq(c.reply(), "+OK")
                got = c.reply()
                assert got in (None, b"%04d" % r, b"%04d" % (r - 1)), got
        eq(clients[0].ask(b"COUNT"), ":64")
        for c in clients:
            c.close()


@suite.case
def an_acknowledged_write_is_synced_first():
    need("strace")
    with TempDir() as d:
        trace = d + "/trace"
        s = start(d, prefix=("strace", "-qq", "-e", "trace=pwrite64,fdatasync,sendto", "-o", trace))
        with s, Client(s) as c:
            for i in range(20):
                eq(c.set(b"k%d" % i, b"v"), "+OK")
            c.send(b"".join(b"SET p%d 1\nv\n" % i for i in range(200)))
            for _ in range(200):
                eq(c.reply(), "+OK")
            os.kill(s.pid(), signal.SIGTERM)
            s.proc.wait(PATIENCE)
            s.proc.returncode = -9
        dirty, syncs, acks = 0, 0, 0
        with open(trace) as f:
            for line in f:
                if line.startswith("pwrite64"):
                    dirty += 1
                elif line.startswith("fdatasync"):
                    dirty, syncs = 0, syncs + 1
                elif line.startswith("sendto") and "+OK" in line:
                    acks += 1
                    eq(dirty, 0, "an acknowledgement before the sync")
        assert acks >= 21, acks
        assert syncs < 120, f"{syncs} syncs for 220 writes: the batch was not committed as a group"


def write_until_killed(s, seed):
    """Pipelined writes to one server until it is killed. What was acknowledged, and what may have been written."""
    rng = random.Random(seed)
    acked, sent = {}, {}
    pending = []
    try:
        with Client(s) as c:
            stop = rng.randrange(20, 300)
            for n in range(100000):
                batch = []
                for _ in range(rng.randrange(1, 20)):
                    key = b"k%d" % rng.randrange(40)
                    value = None if rng.random() < 0.1 else b"%d:" % n + bytes(rng.randrange(65, 90) for _ in range(rng.randrange(200)))
                    batch.append((key, value))
                    sent.setdefault(key, []).append(value)
                pending = batch
                c.send(b"".join(b"DEL %s\n" % k if v is None else b"SET %s %d\n%s\n" % (k, len(v), v) for k, v in batch))
                if n == stop:
                    os.kill(s.proc.pid, signal.SIGKILL)
                for key, value in batch:
                    reply = c.reply()
                    assert reply in ("+OK", ":0", ":1"), reply
                    acked[key] = value
                    pending = pending[1:]
    except (ConnectionError, BrokenPipeError):
        pass
    return acked, pending


@suite.case
def kill_9_loses_nothing_acknowledged():
    with TempDir() as d:
        known = {}
        for seed in range(8):
            with start(d) as s:
                with Client(s) as c:
                    for key, values in known.items():
                        assert c.get(key) in values, key
                acked, pending = write_until_killed(s, seed)
                s.proc.wait(PATIENCE)
            for key, value in acked.items():
                known[key] = [value]
            for key, value in pending:  # neither promised nor forbidden
                known.setdefault(key, [None]).append(value)
            # A torn write at the end, as a power cut leaves it.
            with open(d + "/kv.log", "ab") as f:
                f.write(os.urandom(random.Random(seed).randrange(0, 100)))
        with start(d) as s, Client(s) as c:
            for key, values in known.items():
                assert c.get(key) in values, key


@suite.case
def torn_tail_is_reported_and_cut():
    with TempDir() as d:
        with start(d) as s, Client(s) as c:
            eq((c.set(b"a", b"one"), c.set(b"b", b"two")), ("+OK", "+OK"))
        size = os.path.getsize(d + "/kv.log")
        os.truncate(d + "/kv.log", size - 1)
        with start(d) as s, Client(s) as c:
            assert b"recovered: " in s.out, s.out
            eq((c.get(b"a"), c.get(b"b"), c.ask(b"COUNT")), (b"one", None, ":1"))
            eq(c.set(b"b", b"three"), "+OK")
        with start(d) as s, Client(s) as c:
            assert b"recovered" not in s.out
            eq(c.get(b"b"), b"three")


@suite.case
def compaction_while_serving():
    with TempDir() as d, start(d) as s, Client(s) as c:
        log = d + "/kv.log"
        eq(c.set(b"keep", b"kept"), "+OK")
        for i in range(400):  # 4 MB of one key: more than the log may hold of dead records
            eq(c.set(b"hot", b"%d" % i * 2500), "+OK")
        until(lambda: os.path.getsize(log) < 2 << 20, "the log is compacted")
        eq((c.get(b"keep"), c.get(b"hot")), (b"kept", b"399" * 2500))
        os.kill(s.proc.pid, signal.SIGKILL)
        s.proc.wait(PATIENCE)
        with start(d) as again, Client(again) as c2:
            eq((c2.get(b"keep"), c2.get(b"hot"), c2.ask(b"COUNT")), (b"kept", b"399" * 2500, ":2"))


@suite.case
def a_full_disk_refuses_writes_and_keeps_data():
    if os.geteuid():
        raise Skip("needs root to mount a small file system")
    import subprocess

    with TempDir() as d:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "small", d], capture_output=True).returncode:
            raise Skip("cannot mount a tmpfs here")
        try:
            with start(d) as s, Client(s) as c:
                eq(c.set(b"first", b"x"), "+OK")
                replies = [c.set(b"k%d" % i, b"y" * 16000) for i in range(40)]
                assert replies[0] == "+OK" and replies[-1].startswith("-ERR"), replies
                eq(c.get(b"first"), b"x")
                ok = replies.count("+OK")
                eq(c.ask(b"COUNT"), f":{ok + 1}")
            with start(d) as s, Client(s) as c:
                eq((c.get(b"first"), c.ask(b"COUNT")), (b"x", f":{ok + 1}"))
        finally:
            subprocess.run(["umount", d], check=True)
