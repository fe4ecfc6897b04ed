#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""serve.py: talks to a VM behind --serve and checks what it is told: clean VMs for good, bad and ugly requests.

usage: serve.py BOOT WORK [OVERLAY|net]   (BOOT runs the monitor with the guest `rewound`, OVERLAY is the file of its
disk's, net gives it an interface whose other end is ours; called by run.py, see cases.ini)
One line a check; exit 1 when one fails.
"""

import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

BOOT, WORK = sys.argv[1], sys.argv[2]
DISK = os.environ.get("DISK_root")
NET = sys.argv[3:] == ["net"]
OVERLAY_FILE = sys.argv[3] if len(sys.argv) > 3 and not NET else None
IN_MEM = DISK is not None and not OVERLAY_FILE
SECRET = struct.pack("<Q", 0x5A5A1234DEADBEA7 ^ 0x1BADB002CAFEF00D)  # of rewound/main.c
SOCK = f"{WORK}/serve.sock"
SLOW = float(os.environ.get("SLOW", "1"))
failures = 0


class Conn(http.client.HTTPConnection):
    def __init__(self):
        super().__init__("vm", timeout=60 * SLOW)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCK)


def check(what, ok, seen=""):
    global failures
    failures += not ok
    print(("ok   " if ok else "FAIL ") + what + ("" if ok else f": {seen!r}"), flush=True)


def ask(path, body=None, method=None, headers=None, conn=None):
    c = conn or Conn()
    c.request(method or ("POST" if body is not None else "GET"), path, body, headers or {})
    r = c.getresponse()
    data = r.read()
    if not conn:
        c.close()
    return r.status, data.decode(errors="replace"), r


def raw(data, shut=True):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60 * SLOW)
    s.connect(SOCK)
    for piece in data if isinstance(data, list) else [data]:
        s.sendall(piece)
    if shut:
        s.shutdown(socket.SHUT_WR)
    got = b""
    while part := s.recv(65536):
        got += part
    s.close()
    return got


def same(path, what):
    status, text, _ = ask("/look")
    check(f"after {path}: {what}", (status, text) == (200, "nothing\n"), (status, text))


def in_process(pid, what):
    """Where `what` lies in the memory of the monitor: the guest's, the overlay's, its own."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, mode, *_ = line.split()
            start, end = (int(x, 16) for x in span.split("-"))
            if not mode.startswith("rw"):
                continue
            with open(f"/proc/{pid}/pagemap", "rb", 0) as pm:
                pm.seek(start // 4096 * 8)
                pages = pm.read((end - start) // 4096 * 8)
            for i in (i for i in range(len(pages) // 8) if pages[i * 8 + 7] & 0xC0):
                mem.seek(start + i * 4096)
                try:
                    if what in mem.read(4096):
                        found.append(line.strip())
                except OSError:
                    break  # of a device
    return found


def monitor():
    """Its PID: in a jail it is a child of the process that was started."""
    with open(f"{WORK}/vmm.pid", encoding="ascii") as f:
        pids = [int(f.read())]
    for pid in pids:
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            if f.read() == "mayfly-monitor\n":
                return pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            pids += map(int, f.read().split())
    sys.exit(f"no monitor among {pids}")


def disk():
    """What a request writes to its disk lies in the overlay until the rewind, and nowhere after it."""
    pid = monitor()
    answer = []
    t = threading.Thread(target=lambda: answer.append(ask("/keep")[:2]))
    t.start()
    seen = set()
    while t.is_alive():
        seen |= set(in_process(pid, SECRET))
    t.join()
    check("a request that sleeps on its secret is a 504", answer[0][0] == 504, answer)
    check("meanwhile it is in the guest's memory" + (" and in the overlay's" if IN_MEM else ""), len(seen) > IN_MEM, seen)
    same("/keep", "the next VM is clean")
    check("the secret is nowhere in the monitor", not in_process(pid, SECRET), in_process(pid, SECRET))
    if OVERLAY_FILE:
        with open(OVERLAY_FILE, "rb") as f:
            check("nor in the overlay's file", SECRET not in f.read())
    with open(DISK, "rb") as f:
        check("nor in the image", SECRET not in f.read())


def secrets():
    same("start", "a fresh VM has no secret in it")
    check("/hide answers", ask("/hide")[:2] == (200, "hidden\n"))
    same("/hide", "nothing is left in memory, registers, FPU, disk or environment")
    for _ in range(3):
        ask("/hide")
    same("4 times /hide", "nor in a page that is dirty every time")


def failing():
    for path, want in (
        ("/crash", 500),
        ("/exit", 500),
        ("/abort", 500),
        ("/hang", 504),
        *[("/spin", 504)] * 4,  # each is as likely as not to end in the middle of a read that KVM has not finished
        ("/sleep", 504),
        ("/badbody", 502),
        ("/badlen", 502),
        ("/badtype", 502),
        ("/badstatus", 502),
    ):
        status, text, r = ask(path)
        check(f"{path} is that request's {want}", status == want and "Set-Cookie" not in r.headers, (status, text))
        same(path, "the next VM is clean")
    check("/freeze within a request changes nothing", ask("/freeze")[:2] == (200, "0\n"))
    status, text, _ = ask("/grow")
    check("/grow takes all memory there is", status == 200 and int(text) > 1 << 20, text)
    first = int(text)
    check("and again", int(ask("/grow")[1]) == first)
    same("/grow", "the next VM is clean")
    check("/flood ends", ask("/flood")[0] == 200)
    for _ in range(8):
        ask("/crash")
    same("8 crashes", "the next VM is clean")


def ring0():
    """With a disk of its own a program gets anywhere in its VM: what it does to ring 0's registers is not left either."""
    before, marked, after = (ask(path)[1] for path in ("/ring0", "/ring0/mark", "/ring0"))
    n = re.match(r"marked (\d+)\n", marked)
    check("ring 0 was reached and has many registers", before.count("\n") > 60, before)
    check("marks were left in some", n and int(n[1]) >= 12 and "dr0 1000badcafe0\n" in marked, marked)
    changed = set(before.splitlines()) ^ set(after.splitlines())
    check("and in none of them is anything left", not changed, changed)


def put_back():
    """The answer comes before the rewind; what is no request is answered when it waits for the next one."""
    check("the VM waits", raw(b"no request\r\n\r\n").startswith(b"HTTP/1.1 400"))


def frames(nic):
    """Frames that the run before has not taken are not for the next one."""
    frame = b"\xff" * 6 + b"\x02" * 6 + b"\x08\0" + bytes(6) + SECRET * 100  # aligned behind the 12 bytes of the device
    same("start", "a fresh VM has no secret in it")
    put_back()
    nic.send(frame)
    status, text, _ = ask("/listen")
    check("a frame that came before the request is there in it", status == 200 and "words" in text, text)
    same("/listen", "the next VM is clean")
    put_back()
    for _ in range(20):
        nic.send(frame)
    check("a request that never looks at its frames is answered", ask("/k")[:2] == (200, "GET /k\n"))
    answers = [ask("/listen")[:2] for _ in range(2)]
    check("they are not delivered to the next one", answers == [(200, "nothing\n")] * 2, answers)


def identities():
    seen = [ask("/id")[1].split("\n") for _ in range(12)]
    check("no two requests share a random number", len({s[0] for s in seen}) == len(seen), seen)
    check("nor a generation id", len({s[1] for s in seen}) == len(seen) and "0" * 32 not in {s[1] for s in seen}, seen)
    check("on_restore ran once in each but the first", {s[2] for s in seen} == {"1"}, seen)
    mono = [int(s[3]) for s in seen]
    wall = [int(s[4]) for s in seen]
    check("the monotonic clock is put back", any(b < a for a, b in zip(mono, mono[1:])), (mono, wall))
    check("the wall clock goes on", wall == sorted(wall) and abs(wall[-1] / 1e9 - time.time()) < 60, wall)


def http():
    status, text, r = ask("/echo", b"x" * 5000)
    check("a body comes back whole", (status, len(text)) == (201, 5000) and r.headers["Content-Type"] == "application/octet-stream")
    check("a header reaches the guest", ask("/header", headers={"X-Test": "yes"})[1] == "3 yes\n")
    check("PUT and an unknown path", ask("/a?b=c", b"", "PUT")[1] == "PUT /a?b=c\n")
    status, text, r = ask("/head", method="HEAD")
    check("HEAD has a length and no body", status == 200 and text == "" and int(r.headers["Content-Length"]) == 11)
    # All of a refused body can be sent before the answer is looked at.
    got = raw([b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", b"x" * 9000, b"x" * 8991000])
    check("a request larger than the program takes is 413", got.startswith(b"HTTP/1.1 413"), got[:100])
    check("also when only its head makes it so", ask("/echo", b"x" * 8150)[0] == 413)
    chunks = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    check("chunks arrive as one body", raw(chunks).endswith(b"\r\n\r\nabcde"))
    two = b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    got = raw(two, shut=False)
    check("pipelined requests are answered in order", got.find(b"GET /1\n") < got.find(b"GET /2\n") and b"GET /1\n" in got, got)
    c = Conn()
    check("keep-alive", [ask("/k", conn=c)[0] for _ in range(5)] == [200] * 5)
    for name, data in (
        ("garbage", b"\x16\x03\x01 hello\r\n\r\n"),
        ("two lengths", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ("length and chunks", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("a folded header", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"),
    ):
        got = raw(data)
        check(f"{name} is refused", got.startswith(b"HTTP/1.1 400"), got[:100])
    idle = [socket.socket(socket.AF_UNIX) for _ in range(100)]
    for s in idle:
        s.connect(SOCK)
        s.send(b"GET /slow HTT")
    check("100 clients that stop halfway hold nobody up", ask("/x")[0] == 200)
    for s in idle:
        s.close()
    s = socket.socket(socket.AF_UNIX)
    s.connect(SOCK)
    s.sendall(b"GET /gone HTTP/1.1\r\nHost: x\r\n\r\n")
    s.close()
    same("a client that hangs up", "the next VM is clean")


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])


def steady(pid):
    c = Conn()
    for _ in range(20):
        ask("/k", conn=c)
    before = rss(pid)
    for _ in range(150):
        ask("/k", conn=c)
    check("150 requests later the monitor is no larger", rss(pid) <= before + 64, (before, rss(pid)))


def metrics(proc):
    proc.send_signal(signal.SIGTERM)
    code = proc.wait(60 * SLOW)
    check("SIGTERM between requests ends it with 143", code == 143, code)
    with open(os.environ["METRICS"], encoding="ascii") as f:
        m = json.load(f)
    s, r = m["serve"], m["rewind"]
    check("the metrics count requests", s["requests"] > 200 and s["failed"] >= 17 and s["timeouts"] == 6 + (DISK is not None) and s["bad"] >= 1, s)
    if DISK:
        b = m["block"][0]
        check("the disk was written to, and the overlay is as it was", b["write_reqs"] > 10 and b["overlay_clusters"] < 8, b)
    check("every request was followed by a rewind", r["rewinds"] == s["requests"], (r, s))


def main():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    argv = [BOOT, "--serve", f"unix:{SOCK}", "--serve-timeout", str(int(1500 * SLOW))]
    argv += ["--net", f"id=eth0,fd={theirs.fileno()}"] if NET else []
    proc = subprocess.Popen(argv, stderr=subprocess.PIPE, pass_fds=[theirs.fileno()])
    for line in proc.stderr:
        if b"serving on" in line:
            break
    else:
        sys.exit("the monitor ended before it served")
    drain = subprocess.Popen(["cat"], stdin=proc.stderr, stdout=sys.stderr)
    if NET:
        frames(ours)
        proc.send_signal(signal.SIGTERM)
        check("SIGTERM between requests ends it with 143", proc.wait(60 * SLOW) == 143)
        return 1 if failures else 0
    secrets()
    if DISK:
        ring0()
    identities()
    http()
    steady(proc.pid)
    failing()
    if DISK:
        disk()
    metrics(proc)
    drain.wait(10)
    print(f"{failures} checks failed")
    return 1 if failures else 0


sys.exit(main())
