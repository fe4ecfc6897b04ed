# SPDX-License-Identifier: MIT
"""check_http_load.py: httpd with many clients, large files, and clients that mean no good."""

import hashlib
import os
import re
import signal
import socket


from check_http import HTTPD, READY, Site, put
from lib import PATIENCE, Http, Server, Skip, Suite, TempDir, eq, need, run, until

suite = Suite()
BIG = 64 << 20


def put_random(root, name, size):
    """A file of random bytes; its SHA-256."""
    digest = hashlib.sha256()
    with open(os.path.join(root, name), "wb") as f:
        for _ in range(0, size, 1 << 20):
            data = os.urandom(min(size, 1 << 20))
            digest.update(data)
            f.write(data)
    return digest.hexdigest()


def sanitized():
    with open(HTTPD, "rb") as f:
        return b"__asan_init" in f.read()


@suite.case
def sixty_four_at_once():
    with Site() as s:
        conns = [s.http() for _ in range(64)]
        for _ in range(5):
            for i, c in enumerate(conns):
                c.send(f"GET /data.bin HTTP/1.1\r\nHost: t\r\nRange: bytes={i}-{i + 999}\r\n\r\n")
            for i, c in reversed(list(enumerate(conns))):
                r = c.recv()
                eq((r.status, len(r.body), r.body[0]), (206, 1000, i))
        for c in conns:
            c.close()


@suite.case
def large_file_by_checksum():
    with Site() as s:
        want = put_random(s.root, "big", BIG)
        url = f"http://127.0.0.1:{s.server.port}/big"
        for extra in ([], ["--limit-rate", "100M"]):
            r = run(["curl", "-sSf", *extra, url])
            eq((len(r.stdout), hashlib.sha256(r.stdout).hexdigest()), (BIG, want))
        with s.http() as c:
            r = c.get("/big", f"Range: bytes={BIG - 5000000}-")
            eq((r.status, len(r.body)), (206, 5000000))


@suite.case
def a_fast_client_gets_one_turn_at_a_time():
    """Between two looks at who else wants something, one connection sends no more than its share."""
    need("strace")
    share, chunk = 4 * 65536, 65536  # TURN_MAX and CHUNK_MAX of conn.c
    with TempDir() as d:
        put_random(d, "big", 8 << 20)
        trace = d + "/trace"
        watch = "trace=sendmsg,epoll_wait,epoll_pwait"
        server = Server([HTTPD, "-r", d], READY, prefix=("strace", "-qq", "-e", watch, "-o", trace))
        with server, Http(server) as c:
            eq(len(c.get("/big").body), 8 << 20)
            os.kill(server.pid(), signal.SIGTERM)
            server.proc.wait(PATIENCE)
            server.proc.returncode = -9
        turns = [0]
        with open(trace) as f:
            for line in f:
                sent = re.match(r"sendmsg\(.*\) = (\d+)$", line)
                if line.startswith("epoll"):
                    turns.append(0)
                elif sent:
                    turns[-1] += int(sent.group(1))
        if max(turns) < share:
            raise Skip("sockets of this host block before a turn is over")
        assert max(turns) < share + chunk + 4096, max(turns)


@suite.case
def memory_is_bounded():
    if sanitized():
        raise Skip("a sanitised build's memory says nothing")
    with Site() as s:
        put_random(s.root, "big", 8 << 20)
        conns = [s.http() for _ in range(64)]
        for c in conns:  # responses under way, and a second request behind each
            c.send("GET /big HTTP/1.1\r\nHost: t\r\n\r\n" * 2)
        for c in conns:
            assert c.fill()
        got = s.server.anon_kib()
        assert got < 2048, f"{got} KiB"
        for c in conns:
            c.close()


@suite.case
def wrk_without_errors():
    need("wrk")
    with Site() as s:
        put_random(s.root, "1k", 1024)
        put_random(s.root, "1m", 1 << 20)
        for conns in ("1", "64"):
            for name in ("1k", "1m"):
                r = run(["wrk", "-t1", f"-c{conns}", "-d1", f"http://127.0.0.1:{s.server.port}/{name}"])
                out = r.stdout.decode()
                assert "Socket errors" not in out and "Non-2xx" not in out, out
                assert int(re.search(r"(\d+) requests in", out).group(1)) > 0, out


@suite.case
def slow_heads_block_nobody():
    with Site() as s:
        slow = [s.http() for _ in range(40)]
        for c in slow:
            c.send("GET / HT")
        with s.http() as quick:
            for i in range(200):
                slow[i % 40].send("T"[: i < 40] or "X")
                eq(quick.get("/data.bin").status, 200)
        for c in slow:
            c.close()


@suite.case
def slow_readers_block_nobody():
    with Site() as s:
        put_random(s.root, "big", BIG)
        slow = [s.http() for _ in range(40)]
        for c in slow:
            c.send("GET /big HTTP/1.1\r\nHost: t\r\n\r\n")
        with s.http() as quick:
            for _ in range(200):
                eq(quick.get("/data.bin").status, 200)
        for c in slow:  # and they are not forgotten either
            eq(c.recv().status, 200) if c is slow[0] else c.close()
        slow[0].close()


@suite.case
def a_full_server_makes_room():
    with Site("-c", "4") as s:
        slow = [s.http() for _ in range(4)]
        for c in slow:
            c.send("GET / HTTP/1.1\r\n")
        with s.http() as c:  # waits in the backlog until the first one has been idle long enough
            eq(c.get("/").status, 200)
            eq(c.get("/").status, 200)
        for c in slow:
            c.close()


@suite.case
def busy_connections_are_not_evicted():
    with Site("-c", "2") as s:
        want = put_random(s.root, "big", BIG)
        a = s.http()
        a.send("GET /big HTTP/1.1\r\nHost: t\r\n\r\n")
        assert a.fill()  # under way
        for _ in range(3):
            with s.http() as c:
                eq(c.get("/").status, 200)
        r = a.recv()
        eq(hashlib.sha256(r.body).hexdigest(), want)
        a.close()


@suite.case
def idle_connections_end():
    with Site("-t", "1") as s:
        with s.http() as c:
            assert c.at_end(), "a silent connection"
        with s.http() as c:
            c.send("GET / HTTP/1.1\r\nHo")
            eq(c.recv().status, 408)
            assert c.at_end()
        with s.http() as c:  # dripping bytes of a head is no progress
            try:
                for _ in range(10 * PATIENCE):
                    c.send("G")
                    c.sock.settimeout(0.1)
                    try:
                        if not c.fill():
                            break
                    except TimeoutError:
                        pass
                else:
                    raise AssertionError("still open")
            except (ConnectionResetError, BrokenPipeError):
                pass
        with s.http() as c:
            eq(c.get("/").status, 200)
            assert c.at_end(), "after a response"


@suite.case
def clients_that_vanish():
    with Site() as s:
        put_random(s.root, "big", BIG)
        fds = f"/proc/{s.server.pid()}/fd"
        before = len(os.listdir(fds))
        for i in range(100):
            c = s.http()
            c.send("GET /big HTTP/1.1\r\nHost: t\r\n\r\n")
            if i % 3:
                c.fill()
            if i % 2:  # a reset instead of a FIN
                c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            c.close()
        eq(s.get("/").status, 200)
        until(lambda: len(os.listdir(fds)) <= before + 3, "all of their descriptors are closed")


@suite.case
def a_file_that_shrinks_under_way():
    with Site() as s:
        put_random(s.root, "big", BIG)
        with s.http() as c:
            c.send("GET /big HTTP/1.1\r\nHost: t\r\n\r\n")
            assert c.fill()
            os.truncate(s.root + "/big", 100)
            try:
                c.recv()
            except (AssertionError, ConnectionResetError):
                pass  # cut off: the client can tell by Content-Length
            else:
                raise AssertionError("a whole response from half a file")
        eq(s.get("/").status, 200)


@suite.case
def system_calls_per_request():
    need("strace")
    n = 500
    with TempDir() as d:
        put(d, "1k", b"x" * 1024)
        trace = d + "/trace"
        server = Server([HTTPD, "-r", d], READY, prefix=("strace", "-qq", "-o", trace))
        with server, Http(server) as c:
            for _ in range(n):
                eq(c.get("/1k").status, 200)
            os.kill(server.pid(), signal.SIGTERM)
            server.proc.wait(PATIENCE)
            server.proc.returncode = -9
        with open(trace) as f:
            calls = [line.split("(")[0] for line in f if line[0] not in "+-"]
        for name in ("read", "sendmsg", "epoll_wait"):
            got = calls.count(name)
            assert n <= got <= n + 20, (name, got)
        start = calls.index("sendmsg")
        others = [x for x in calls[start:] if x not in ("read", "sendmsg", "epoll_wait")]
        # Once a second the file is looked at again; nothing else is called.
        assert set(others) <= {"newfstatat"}, set(others)
        assert len(others) < n // 10, len(others)
