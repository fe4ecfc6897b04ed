# SPDX-License-Identifier: MIT
"""bench_limit.py: rate limits of a device that is under way, changed by PATCH: what is achieved as percent of what was said,
end to end (tests/api/flow.py says who counts by which clock), in windows of a sixth of a second, four to a PATCH. 100 is
exact; a burst row has what was in the bucket and the burst taken off, so that a burst which is not honoured shows as 0, and
is no more exact than two looks are apart: 20 ms of 400.

And api.noise: HTTP throughput of a guest whose API is hammered, beside that of the same guest while another monitor's
API is: the same noise on the machine, so that what differs is what the API does to its own VM."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

from bench_http import load
from common import MAC, Failed, Guest, median, note, run

sys.path[:0] = ["tests/api"]

RATES = (("bytes", "bandwidth", 1000), ("ops", "ops", 2000))
SECONDS, WINDOWS = 0.16, 4


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
            for i in range(rounds):
                for name, kind, rate in RATES if i % WINDOWS == 0 else ():
                    got[name] += [100 * r for r in f.ratios(kind, rate, SECONDS, min(WINDOWS, rounds - i))]
                got["burst"].append(100 * f.burst_ratio("ops", 1000, 500, 0.3, still=0.08))
        except RuntimeError as e:
            raise Failed(f"limit.{what}: {e}") from e
        finally:
            if flood:
                flood.kill()
                flood.wait()
            vm.close()
    return got


def limit(b, what, names):
    for kind, values in looks(b, what, b.rounds).items():
        b.add(names[kind], "%", median(values), {}, len(values))


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


def noise(b):
    site, disk = f"{b.work}/noise", f"{b.work}/noise.img"
    os.makedirs(site, exist_ok=True)
    with open(f"{site}/1k", "wb") as f:
        f.write(os.urandom(1024))
    run(["scripts/mkdisk.sh", site, disk])
    got, calls, loud = {"own": [], "other": [], "quiet": []}, {"own": 0, "other": 0}, {"own": 0, "other": 0}
    with Tap() as tap:
        other = Api(b)
        own = f"{b.work}/own.sock"
        argv = b.monitor(b.image("httpd"), "--block", f"id=root,path={disk},ro", "--net", f"id=eth0,tap=tap0,mac={MAC}",
                         "--api-sock", own, cmdline="mayfly.ip=10.98.5.2/24 -- -p 80 -c 128")
        prefix = ["ip", "netns", "exec", tap.ns]
        guest = Guest(argv, "listening on", prefix)
        try:
            for _ in range(b.rounds):
                for name, path in (("own", own), ("other", other.sock), ("quiet", None)):
                    n, start = Noise(path) if path else None, time.monotonic()
                    got[name] += load(b, prefix, {"guest": "10.98.5.2"}, 8, "1k", 1)["guest"]["rps"]
                    if n:
                        n.stop()
                        calls[name] += n.calls
                        loud[name] += time.monotonic() - start
        finally:
            guest.close()
            other.close()
    note("api.noise: calls a second to its own API and to the other: " + ", ".join(f"{calls[k] / loud[k]:.0f}" for k in calls))
    b.add("api.noise", "req/s", median(got["own"]), {"other_api": median(got["other"]), "quiet": median(got["quiet"])}, b.rounds)


def all_of_it(b):
    for device, what in (("blk", "read"), ("blk", "write"), ("net", "rx"), ("net", "tx")):
        names = {kind: f"limit.{device}.{what}.{kind}" for kind in ("bytes", "ops", "burst")}
        b.part(names.values(), lambda what=what, names=names: limit(b, what, names))
    b.part(["api.noise"], lambda: noise(b))
