# SPDX-License-Identifier: MIT
"""The API's HTTP: connections, limits, descriptors. (The parser has its own tests: tests/unit/test_http.c.)"""

import json
import os

from client import Connection, Monitor, hello
from lib import Suite, eq

suite = Suite()
GET = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"


@suite.case
def keep_alive_and_close():
    with Monitor() as m:
        c = m.connect()
        for _ in range(50):
            c.send(GET)
            r = c.reply()
            eq((r.status, r.fields["Connection"]), (200, "keep-alive"))
        c.send(GET.replace(b"Host: x", b"Connection: close"))
        eq(c.reply().fields["Connection"], "close")
        assert c.closed()
        c = m.connect()
        c.send(b"GET / HTTP/1.0\r\n\r\n")
        eq(c.reply().fields["Connection"], "close")
        assert c.closed()


@suite.case
def pipelining_keeps_order():
    with Monitor() as m:
        c = m.connect()
        many = 2000  # more than fits into the socket: the monitor waits for us to read
        asks = b"".join(b"GET /nope%d HTTP/1.1\r\n\r\n" % i for i in range(many))
        pid = os.fork()
        if pid == 0:
            try:
                c.send(asks)
            finally:
                os._exit(0)
        for i in range(many):
            r = c.reply()
            eq(r.status, 404)
            assert f"/nope{i}." in r.json()["fault_message"], (i, r)
        os.waitpid(pid, 0)


@suite.case
def expect_continue():
    with Monitor() as m:
        c = m.connect()
        body = json.dumps({"mem_size_mib": 32}).encode()
        c.send(b"PATCH /machine-config HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        eq(c.head()[0], 100)
        c.send(body)
        eq(c.reply().status, 204)
        eq(c.call("GET", "/machine-config").json()["mem_size_mib"], 32)


@suite.case
def chunked_bodies():
    with Monitor() as m:
        c = m.connect()
        c.send(b"PATCH /machine-config HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"5\r\n{\"mem\r\n10\r\n_size_mib\": 48  \r\n1\r\n}\r\n0\r\n\r\n" + GET)
        eq(c.reply().status, 204)
        eq(c.reply().status, 200)
        eq(c.call("GET", "/machine-config").json()["mem_size_mib"], 48)


def refused(m, data, status, code):
    c = m.connect()
    c.send(data)
    r = c.reply()
    eq((r.status, r.json()["code"]), (status, code), repr(data[:80]))
    assert c.closed(), data[:80]


@suite.case
def what_is_no_request_is_refused_and_closed():
    with Monitor() as m:
        refused(m, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "bad_http")
        refused(m, b"GET / HTTP/1.1\nHost: x\n\r\n\r\n", 400, "bad_http")
        refused(m, b"PUT /vm HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "bad_http")
        refused(m, b"PUT /vm HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", 413, "too_large")
        refused(m, b"PUT /vm HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"a" * 4096 +
                b"\r\nf001\r\n" + b"a" * 0xf001, 413, "too_large")
        refused(m, b"GET / HTTP/1.1\r\nA: " + b"b" * 9000, 431, "bad_http")
        refused(m, b"GET / HTTP/2.0\r\n\r\n", 505, "bad_http")
        eq(m.call("GET", "/").status, 200)


@suite.case
def methods_and_paths():
    rows = [
        ("POST", "/version", 405, "GET"), ("HEAD", "/version", 405, "GET"), ("DELETE", "/vm", 405, "PUT, PATCH"),
        ("GET", "/drives/a", 405, "PUT, PATCH, DELETE"), ("GET", "/nope", 404, None), ("GET", "/version/x", 404, None),
        ("PUT", "/drives/a/b", 404, None), ("GET", "/versio", 404, None), ("GET", "/version/", 200, None),
        ("GET", "/version?a=b", 200, None),
    ]
    with Monitor() as m:
        for method, path, status, allow in rows:
            c = m.connect()
            c.send(f"{method} {path} HTTP/1.1\r\n\r\n".encode())
            status_got, fields = c.head()
            eq((status_got, fields.get("Allow")), (status, allow), f"{method} {path}")
            c.close()


@suite.case
def many_clients_and_those_that_vanish():
    with Monitor() as m:
        for _ in range(100):
            c = m.connect()
            c.send(b"PUT /vm HTTP/1.1\r\nContent-Length: 60000\r\n\r\nabc")
            c.close()
        held = [m.connect() for _ in range(40)]  # more than it serves at a time
        fresh = m.connect()
        eq(fresh.call("GET", "/").status, 200)
        for c in held:
            c.close()
        eq(m.connect().call("GET", "/").status, 200)


@suite.case
def nobody_keeps_descriptors():
    with Monitor() as m:
        fds = f"/proc/{m.proc.pid}/fd"
        eq(m.call("GET", "/").status, 200)
        before = len(os.listdir(fds))
        with open(hello(), "rb") as f:
            for _ in range(50):
                eq(m.call("GET", "/version", fds=[f.fileno()] * 16).status, 200)
                eq(m.call("PUT", "/machine-config", {}, fds=[f.fileno()] * 3).status, 400)
                m.call("PUT", "/boot-source", {"kernel_image_path": "x", "fd": 0}, fds=[f.fileno()])
                m.call("PUT", "/drives/a", {"drive_id": "a", "is_root_device": False, "fd": 1}, fds=[f.fileno()] * 2)
                c = m.connect()
                c.send(b"GET /vers", fds=[f.fileno()] * 4)
                c.close()
                c = m.connect()
                c.send(b"A", fds=[f.fileno()] * 12)
                c.send(b"B", fds=[f.fileno()] * 12)
                eq(c.reply().status, 400)
                c.close()
        eq(m.call("DELETE", "/drives/a").status, 204)
        eq(m.connect().call("GET", "/").status, 200)
        # the image, and what the kernel closes for clients that have just gone
        assert len(os.listdir(fds)) <= before + 3, os.listdir(fds)


@suite.case
def descriptors_stand_for_files():
    with Monitor() as m, open(hello(), "rb") as image:
        body = {"kernel_image_path": "image", "fd": 1}
        r = m.call("PUT", "/boot-source", body, fds=[0, image.fileno()])
        eq(r.status, 204, repr(r))
        config = m.call("GET", "/vm/config").json()
        eq(config["boot-source"], body)
        r = m.call("PUT", "/boot-source", {"kernel_image_path": "image", "fd": 3}, fds=[0])
        eq((r.status, r.json()["code"], r.json()["field"]), (400, "bad_value", "fd"))


@suite.case
def events_begin_at_the_beginning():
    with Monitor() as m:
        c = m.connect()
        c.send(b"GET /events HTTP/1.1\r\n\r\n")
        status, fields = c.head()
        eq((status, fields["Content-Type"]), (200, "text/event-stream"))
        while b"\n\n" not in c.buf:
            assert c._fill()
        first = c.buf.split(b"\n\n")[0].decode().split("\n")
        eq(first[0], "id: 0")
        eq(json.loads(first[1].removeprefix("data: "))["event"], "created")
        m.proc.terminate()  # never started: it ends like a stopped one
        while b'"exit"' not in c.buf:
            assert c._fill(), c.buf
        assert c.closed() or True
        eq(m.wait(), 143)
        assert not os.path.exists(m.sock)


@suite.case
def the_socket_is_private_and_not_stolen():
    with Monitor() as m:
        eq(os.stat(m.sock).st_mode & 0o777, 0o600)
        try:
            second = Monitor("--api-sock", m.sock)
            second.__exit__(None, None, None)
        except AssertionError:
            pass
        eq(Connection(m.sock).call("GET", "/").status, 200)


@suite.case
def a_refused_body_is_read_to_its_end():
    """All of it can be sent before the answer is looked at; no broken pipe."""
    with Monitor() as m:
        for size in (65537, 10 << 20):
            c = m.connect()
            c.send(b"PUT /vm HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
            c.send(b"x" * size)
            r = c.reply()
            eq((r.status, r.json()["code"]), (413, "too_large"))
            assert c.closed()
        c = m.connect()  # but not for ever
        c.send(b"PUT /vm HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
        try:
            for _ in range(1 << 10):
                c.send(b"x" * (1 << 20))
            raise AssertionError("a gigabyte was read")
        except ConnectionError:
            pass
