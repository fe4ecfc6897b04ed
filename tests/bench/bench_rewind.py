# SPDX-License-Identifier: MIT
"""bench_rewind.py: a clean VM per request: what putting it back costs by dirty pages, and a request from HTTP to HTTP.

rewind.N: from the guest's last instruction before its answer to its first instruction for the next request, which waits
already: exit, answer, rewind, request, entry. The guest stamps both with its TSC. Side by side with posix_spawn and wait
of /bin/true, in turns.
"""

import json
import os
import re
import socket
import struct
import time

from bench_http import microseconds
from common import Failed, Guest, median, need, run

PAGES = (16, 64, 256)
WARM = 80  # requests that are not counted: faults of the first time, and pages of the row before, which are let go after 64


def spawn_us(b, rounds):
    argv = [f"{b.build}/bench/spawn_time", "-n", str(rounds), "0", "/bin/true"]
    return median(json.loads(run(argv).splitlines()[0])["ns"]) / 1000


class Client:
    """One keep-alive connection with two requests under way, so that the next one always waits."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(300)
        self.sock.connect(path)
        self.buf = b""

    def send(self, pages):
        self.sock.sendall(b"GET /%d HTTP/1.1\r\nHost: vm\r\n\r\n" % pages)

    def stamps(self):
        while (at := self.buf.find(b"\r\n\r\n")) < 0 or len(self.buf) < at + 20:
            data = self.sock.recv(65536)
            if not data:
                raise Failed("the monitor closed the connection")
            self.buf += data
        if not self.buf.startswith(b"HTTP/1.1 200"):
            raise Failed(f"the guest failed: {self.buf[:100]!r}")
        body, self.buf = self.buf[at + 4 : at + 20], self.buf[at + 20 :]
        return struct.unpack("<QQ", body)


def rewinds(client, pages, n):
    """Ticks from answer to next first instruction, n of them."""
    gaps, last = [], None
    client.send(pages)
    for _ in range(n + WARM):
        client.send(pages)
        first, end = client.stamps()
        if last is not None:
            gaps.append(first - last)
        last = end
    client.stamps()
    return gaps[WARM - 1 :]


def ticks_per_us(client):
    """The host's TSC against its clock, through the guest's stamps: a second of requests."""
    client.send(0)
    client.stamps()
    t0 = time.monotonic_ns()
    client.send(0)
    a = client.stamps()[1]
    t1 = time.monotonic_ns()
    time.sleep(1)
    t2 = time.monotonic_ns()
    client.send(0)
    z = client.stamps()[1]
    t3 = time.monotonic_ns()
    return (z - a) * 1000 / ((t2 + t3) / 2 - (t0 + t1) / 2)


def rewind(b):
    names = {p: f"rewind.{p}" for p in PAGES if b.wanted(f"rewind.{p}")}
    if not names:
        return
    sock = f"{b.work}/rewind.sock"
    argv = b.monitor(f"{b.build}/guests/bench-rewind", "--serve", f"unix:{sock}")
    with Guest(argv, "serving on"):
        client = Client(sock)
        per_us = ticks_per_us(client)
        spawns, got = [], {p: [] for p in names}
        for _ in range(5):
            spawns.append(spawn_us(b, max(10, b.rounds // 5)))
            for pages in names:
                got[pages] += rewinds(client, pages, max(20, b.rounds // 5 * 2))
        for pages, name in names.items():
            b.add(name, "us", median(got[pages]) / per_us, {"spawn_true": median(spawns)}, len(got[pages]))


def request(b):
    if not b.wanted("request.rewound.p50", "request.rewound.p99"):
        return
    need("wrk")
    argv = b.monitor(b.image("function"), "--serve", "0")
    script = f"{b.work}/post.lua"
    with open(script, "w", encoding="ascii") as f:
        f.write('wrk.method = "POST"\nwrk.body = \'{"a": 1, "b": [2, 3.5]}\'\n')
    with Guest(argv, "serving on http") as guest:
        while not (url := re.search(rb"serving on (http://\S+)", guest.out)):
            guest.out += os.read(guest.proc.stdout.fileno(), 4096)
        url = url.group(1).decode()
        p50, p99, spawns = [], [], []
        for i in range(max(3, b.rounds // 20) + 1):
            spawn = spawn_us(b, max(10, b.rounds // 5))
            out = run(["wrk", "-t1", "-c1", "-d2s", "--timeout", "30s", "--latency", "-s", script, url])
            if "Non-2xx" in out or "Socket errors" in out:
                raise Failed(f"request.rewound: {out}")
            if i:
                spawns.append(spawn)
                p50.append(microseconds(re.search(r"50% +(\S+)", out).group(1)))
                p99.append(microseconds(re.search(r"99% +(\S+)", out).group(1)))
        vs = {"spawn_true": median(spawns)}
        b.add("request.rewound.p50", "us", median(p50), vs, len(p50))
        b.add("request.rewound.p99", "us", median(p99), dict(vs, p50=median(p50)), len(p99))


def rewind_all(b):
    rewind(b)
    request(b)
