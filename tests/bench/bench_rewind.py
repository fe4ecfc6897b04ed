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
import urllib.request

from common import Failed, Guest, median, run

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
    """p50 and p99 of the requests of two seconds, and the medians of ten such."""
    body = '{"a": 1, "b": [2, 3.5]}'
    argv = b.monitor(b.image("function"), "--serve", "0")
    with Guest(argv, "serving on http") as guest:
        while not (url := re.search(rb"serving on (http://\S+)", guest.out)):
            guest.out += os.read(guest.proc.stdout.fileno(), 4096)
        url = url.group(1).decode()
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, body.encode()) as r:
            size = len(r.read())
        port = re.search(r":(\d+)/?$", url).group(1)
        load = [f"{b.build}/bench/http_load", "-p", port, "-d", body, "-n", "1", "-t", "2000", "-w", "100"]
        parts, spawns = [], []
        for _ in range(10 if b.rounds >= 100 else 3):
            spawns.append(spawn_us(b, max(10, b.rounds // 10)))
            parts.append(json.loads(run([*load, "/", str(size), "127.0.0.1"])))
        n, vs = sum(p["n"] for p in parts), {"spawn_true": median(spawns)}
        p50, p99 = (median([p[k] for p in parts]) for k in ("p50", "p99"))
        b.add("request.rewound.p50", "us", p50, vs, n)
        b.add("request.rewound.p99", "us", p99, dict(vs, p50=p50), n)


def rewind_all(b):
    b.part([f"rewind.{p}" for p in PAGES], lambda: rewind(b))
    b.part(["request.rewound.p50", "request.rewound.p99"], lambda: request(b))
