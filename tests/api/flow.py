# SPDX-License-Identifier: MIT
"""flow.py: how fast a device goes once its rate was changed by an API call, beside the rate that was said. The guest is
tests/guest/limits in its flow mode, which wants more than it gets: what a disk did and what a NIC received is counted by the
guest and timed by its clock, what a NIC sent by the host's tap. Used by the guest cases and by bench_limit.py."""

import re
import socket
import subprocess
import threading
import time

BLOCK, PAYLOAD, FRAME = 4096, 958, 958 + 42  # a frame is counted with its Ethernet, IPv4 and UDP headers
BUCKET_MS = 100
STALLED = {"size": 1, "refill_time": 3600_000}  # one, and the next in an hour


def boot(call, image, what, guest_ip="", host_ip="", disk=None, tap=None):
    """Have the monitor behind call(method, path, body) run the guest."""
    args = f"mayfly.ip={guest_ip}/24 HOST_IP={host_ip} -- flow {what}" if tap else f"-- flow {what}"
    calls = [("/boot-source", {"kernel_image_path": image, "boot_args": args})]
    if disk:
        calls.append(("/drives/d", {"drive_id": "d", "is_root_device": True, "path_on_host": disk}))
    if tap:
        calls.append(("/network-interfaces/n", {"iface_id": "n", "host_dev_name": tap}))
    for path, body in calls + [("/actions", {"action_type": "InstanceStart"})]:
        r = call("PUT", path, body)
        if r.status != 204:
            raise RuntimeError(f"PUT {path}: {r}")


class Flood(threading.Thread):
    """Datagrams to the guest, more than it may have."""

    def __init__(self, guest_ip):
        super().__init__(daemon=True)
        self.sock, self.going = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), True
        self.to = (guest_ip, 9)
        self.start()

    def run(self):
        while self.going:
            try:
                for _ in range(4):
                    self.sock.sendto(b"x" * PAYLOAD, self.to)
            except OSError:  # the tap's queue is full, or it has gone
                pass
            time.sleep(0.0005)

    def stop(self):
        self.going = False
        self.join()


class Flow:
    """what: read, write, rx or tx. text(): all that the guest has printed."""

    def __init__(self, what, call, text, tap=None, prefix=()):
        self.what, self.call, self.text, self.tap, self.prefix = what, call, text, tap, list(prefix)
        self.disk = what in ("read", "write")
        self.unit = BLOCK if self.disk else FRAME

    def patch(self, **buckets):
        limiter = {"rate_limiter": buckets} if self.disk else {f"{self.what}_rate_limiter": buckets}
        path, body = ("/drives/d", {"drive_id": "d"}) if self.disk else ("/network-interfaces/n", {"iface_id": "n"})
        r = self.call("PATCH", path, {**body, **limiter})
        if r.status != 204:
            raise RuntimeError(f"PATCH {path}: {r}")

    def now(self):
        """(requests or frames so far, seconds of one clock)."""
        if self.what == "tx":
            path = f"/sys/class/net/{self.tap}/statistics/rx_packets"
            if not self.prefix:  # a program more takes a while where everything is slow
                with open(path, encoding="ascii") as f:
                    return int(f.read()), time.monotonic()
            out = subprocess.run([*self.prefix, "cat", path], check=True, capture_output=True)
            return int(out.stdout), time.monotonic()
        lines = re.findall(r"^io (\d+) (\d+)\n", self.text()[-4000:], re.M)
        return (int(lines[-1][0]), int(lines[-1][1]) / 1e9) if lines else (0, 0.0)

    def wait(self, until):
        """The first count and time for which until holds."""
        end = time.monotonic() + 60  # only so that a device that stands ends the run
        while time.monotonic() < end:
            at = self.now()
            if until(*at):
                return at
            time.sleep(0.02)
        raise RuntimeError(f"{self.what} stands at {self.now()}")

    def started(self):
        return self.wait(lambda n, t: n > 50)

    def bucket(self, kind, rate, burst=0):
        """Of so many units a second, as the kind has it."""
        each = self.unit if kind == "bandwidth" else 1
        size = rate * each * BUCKET_MS // 1000
        return {kind: {"size": size, "refill_time": BUCKET_MS, "one_time_burst": burst * each}}

    def ratio(self, kind, rate, seconds):
        """Achieved to configured, from when the bucket is empty."""
        return self.ratios(kind, rate, seconds, 1)[0]

    def ratios(self, kind, rate, seconds, windows):
        """The same of each of so many neighbouring windows of time."""
        other = "ops" if kind == "bandwidth" else "bandwidth"
        self.patch(**self.bucket(kind, rate), **{other: {"size": 0, "refill_time": 0}})
        first, _ = self.now()
        n0, t0 = self.wait(lambda n, t: n > first + rate // 4)  # it holds a tenth of a second's
        got = []
        for _ in range(windows):
            n1, t1 = self.wait(lambda n, t: t >= t0 + seconds)  # pylint: disable=cell-var-from-loop
            got.append((n1 - n0) / (rate * (t1 - t0)))
            n0, t0 = n1, t1
        return got

    def burst_ratio(self, kind, rate, burst, seconds, still=0.3):
        """The same from a stop on (nothing for `still` seconds), with what was in the bucket and the burst taken off; 0 when the burst came no faster than
        the rate. The bucket is full, and gains nothing, until the burst is used up: how long that takes is up to the
        machine, and it was so at some time between two looks, of which the one is taken that brings the result closest to 1."""
        other = "ops" if kind == "bandwidth" else "bandwidth"
        self.patch(ops=STALLED, bandwidth={"size": 0, "refill_time": 0})
        last = -1
        while last != self.now()[0]:  # until nothing more comes
            last = self.now()[0]
            time.sleep(still)
        n0, t0 = self.now()
        self.patch(**self.bucket(kind, rate, burst), **{other: {"size": 0, "refill_time": 0}})
        before, start = t0, None

        def used(n, t):
            nonlocal before, start
            start = start or (t if n > n0 else None)
            if n < n0 + burst:
                before = t
            return n >= n0 + burst

        n1, t1 = self.wait(used)
        n2, t2 = self.wait(lambda n, t: t >= t1 + seconds)
        if n1 - n0 < 1.5 * rate * (t1 - start):
            return 0
        low, high = ((n2 - n0 - burst) / (rate * (t2 - t + BUCKET_MS / 1000)) for t in (max(before, t0), t1))
        return min(max(1, low), high)
