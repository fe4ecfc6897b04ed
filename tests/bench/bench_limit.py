# SPDX-License-Identifier: MIT
"""bench_limit.py: rate limits of a device that is under way, changed by PATCH: what is achieved as percent of what was said,
end to end (tests/api/flow.py says who counts by which clock). 100 is exact; a burst row has what was in the bucket and the
burst taken off, so that a burst which is not honoured shows as far below 100.

And api.noise: HTTP throughput of a guest whose API is hammered, beside that of the same guest while another monitor's
API is: the same noise on the machine, so that what differs is what the API does to its own VM."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

from common import MAC, Failed, Guest, median, need, note, run

sys.path[:0] = ["tests/api"]

RATES = (("bytes", "bandwidth", 1000), ("ops", "ops", 2000))
SECONDS = 2.0


class Tap:
    """A namespace with tap0 that this process is in while it lasts; taps and floods belong to it."""

    def __enter__(self):
        self.ns = f"mfbench-l{os.getpid()}"
        run(["ip", "netns", "add", self.ns])
        run(["ip", "-n", self.ns, "link", "set", "lo", "up"])
        run(["ip", "-n", self.ns, "tuntap", "add", "dev", "tap0", "mode", "tap", "vnet_hdr"])
        run(["ip", "-n", self.ns, "addr", "add", "10.98.5.1/24", "dev", "tap0"])
        run(["ip", "-n", self.ns, "link", "set", "tap0", "up"])
        return self

    def __exit__(self, *exc):
        subprocess.run(["ip", "netns", "del", self.ns], stderr=subprocess.DEVNULL, check=False)


class Api:
    """A monitor behind its API."""

    def __init__(self, b, prefix=(), *options):
        import client

        self.sock = os.path.join(tempfile.mkdtemp(dir=b.work), "api.sock")
        self.out = open(self.sock + ".out", "w+b")
        argv = [*prefix, f"{b.build}/bin/mayfly-monitor", "--api-sock", self.sock, *options]
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.out, stderr=subprocess.STDOUT)
        end = time.monotonic() + 60  # only so that a monitor that never listens ends the run
        while True:
            try:
                self.conn = client.Connection(self.sock)
                return
            except OSError:
                if self.proc.poll() is not None or time.monotonic() > end:
                    raise Failed(f"no API: {self.text()}") from None
                time.sleep(0.005)

    def call(self, *args):
        return self.conn.call(*args)

    def text(self):
        with open(self.out.name, errors="replace") as f:
            return f.read()

    def close(self):
        self.proc.kill()
        self.proc.wait()
        self.conn.close()


def flood_process(prefix, what):
    """flow.Flood in the tap's namespace."""
    code = "import sys; sys.path[:0] = ['tests/api']; import flow, time; flow.Flood('10.98.5.2'); time.sleep(1e6)"
    return subprocess.Popen([*prefix, sys.executable, "-c", code]) if what == "rx" else None


def looks(b, what, rounds):
    """{kind: [percent]} of one device in one direction."""
    import flow

    got = {"bytes": [], "ops": [], "burst": []}
    disk = what in ("read", "write")
    with Tap() as tap:
        prefix = [] if disk else ["ip", "netns", "exec", tap.ns]
        vm, flood = Api(b, prefix), None
        try:
            path = f"{b.work}/limit.img"
            run(["truncate", "-s", "1M", path])
            image = os.path.abspath(f"{b.build}/guests/limits")
            flow.boot(vm.call, image, what, "10.98.5.2", "10.98.5.1", path if disk else None, None if disk else "tap0")
            f = flow.Flow(what, vm.call, vm.text, "tap0", prefix)
            if what == "rx":
                f.wait(lambda n, t: "ready" in vm.text())
                flood = flood_process(prefix, what)
            f.started()
            for _ in range(rounds):
                for name, kind, rate in RATES:
                    got[name].append(100 * f.ratio(kind, rate, SECONDS))
                got["burst"].append(100 * f.burst_ratio("ops", 1000, 1000, SECONDS))
        except RuntimeError as e:
            raise Failed(f"limit.{what}: {e}") from e
        finally:
            if flood:
                flood.kill()
                flood.wait()
            vm.close()
    return got


def limit(b):
    rounds = max(3, b.rounds // 20)
    for device, what in (("blk", "read"), ("blk", "write"), ("net", "rx"), ("net", "tx")):
        names = {kind: f"limit.{device}.{what}.{kind}" for kind in ("bytes", "ops", "burst")}
        if b.wanted(*names.values()):
            for kind, values in looks(b, what, rounds).items():
                b.add(names[kind], "%", median(values), {}, rounds)


# --- noise ---


class Noise:
    """Calls as fast as they are answered, clients that send a byte a second, bodies of 10 MB."""

    def __init__(self, path):
        self.path, self.going, self.calls = path, True, 0
        self.loris = [self.connect() for _ in range(8)]
        for s in self.loris:
            s.sendall(b"PUT /vm HTTP/1.1\r\nContent-Length: 60000\r\n\r\n{")
        self.threads = [threading.Thread(target=f) for f in (self.hammer, self.large)]
        for t in self.threads:
            t.start()

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(60)
        s.connect(self.path)
        return s

    def hammer(self):
        ask = b"GET /version HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\nPUT /vm HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]" * 20
        while self.going:
            s = self.connect()
            try:
                while self.going:
                    s.sendall(ask)
                    seen = b""
                    while seen.count(b"HTTP/1.1 ") < 60:
                        data = s.recv(1 << 20)
                        if not data:
                            break
                        seen += data
                    self.calls += 60
            except OSError:
                pass
            s.close()

    def large(self):
        body = b"x" * (10 << 20)
        while self.going:
            s = self.connect()
            try:
                s.sendall(b"PUT /vm HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body))
                s.sendall(body)
                s.recv(65536)
            except OSError:
                pass
            s.close()
            for slow in self.loris:
                try:
                    slow.sendall(b" ")
                except OSError:  # its ten seconds are over
                    pass
            time.sleep(0.1)

    def stop(self):
        self.going = False
        for t in self.threads:
            t.join()
        for s in self.loris:
            s.close()


def wrk(tap):
    out = run(["ip", "netns", "exec", tap.ns, "wrk", "-t1", "-c8", "-d2s", "http://10.98.5.2/1k"])
    return float(re.search(r"Requests/sec: +([\d.]+)", out).group(1))


def noise(b):
    if not b.wanted("api.noise"):
        return
    need("wrk")
    site, disk = f"{b.work}/noise", f"{b.work}/noise.img"
    os.makedirs(site, exist_ok=True)
    with open(f"{site}/1k", "wb") as f:
        f.write(os.urandom(1024))
    run(["scripts/mkdisk.sh", site, disk])
    rounds = max(5, b.rounds // 8)
    got, calls = {"own": [], "other": [], "quiet": []}, {"own": 0, "other": 0}
    with Tap() as tap:
        other = Api(b)
        own = f"{b.work}/own.sock"
        argv = b.monitor(b.image("httpd"), "--block", f"id=root,path={disk},ro", "--net", f"id=eth0,tap=tap0,mac={MAC}",
                         "--api-sock", own, cmdline="mayfly.ip=10.98.5.2/24 -- -p 80 -c 128")
        guest = Guest(argv, "listening on", ["ip", "netns", "exec", tap.ns])
        try:
            wrk(tap)
            for _ in range(rounds):
                for name, path in (("own", own), ("other", other.sock), ("quiet", None)):
                    n = Noise(path) if path else None
                    got[name].append(wrk(tap))
                    if n:
                        n.stop()
                        calls[name] += n.calls
        finally:
            guest.close()
            other.close()
    note("api.noise: " + "; ".join(f"{k} {' '.join('%.0f' % x for x in v)}" for k, v in got.items()))
    print(f"api.noise: {calls['own'] / rounds / 2:.0f} calls a second to its own API, {calls['other'] / rounds / 2:.0f} to the other")
    b.add("api.noise", "req/s", median(got["own"]), {"other_api": median(got["other"]), "quiet": median(got["quiet"])}, rounds)


def all_of_it(b):
    limit(b)
    noise(b)
