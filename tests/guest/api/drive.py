#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""drive.py CASE [monitor options]: a client of the API with a VM behind it. In a guest case's environment."""

import json
import os
import re
import subprocess
import sys
import threading
import time

sys.path[:0] = ["tests/api", "tests/examples"]

from client import Connection, Monitor  # noqa: E402
from lib import eq  # noqa: E402

OPTIONS = sys.argv[2:]
IMAGE = os.path.abspath(os.environ["IMAGE"])


class Vm(Monitor):
    """A monitor whose guest writes to a file."""

    def __init__(self, *args):
        self.out = open(os.path.join(os.environ["WORK"], f"out{os.getpid()}.{id(self)}"), "w+")
        super().__init__(*OPTIONS, *args, stdout=self.out)

    def ok(self, method, path, body=None):
        r = self.call(method, path, body)
        assert r.status in (200, 204), f"{method} {path} {body}: {r}"
        return r

    def boot(self, args=""):
        self.ok("PUT", "/boot-source", {"kernel_image_path": IMAGE, "boot_args": "-- " + args})
        self.ok("PUT", "/actions", {"action_type": "InstanceStart"})

    def text(self):
        with open(self.out.name, errors="replace") as f:
            return f.read()

    def ticks(self):
        """(count, drift) of each whole line."""
        return [(int(a), int(b)) for a, b in re.findall(r"^tick (\d+) drift (-?\d+)\n", self.text(), re.M)]

    def until(self, what):
        while True:
            value = what()
            if value:
                return value
            if self.proc.poll() is not None:
                raise AssertionError(f"the monitor ended with {self.proc.returncode}: {self.text()[-300:]}{self.stderr()}")
            time.sleep(0.01)

    def until_tick(self, n):
        self.until(lambda: self.ticks() and self.ticks()[-1][0] >= n)

    def state(self):
        return self.call("GET", "/").json()["state"]

    def stop(self):
        self.ok("PUT", "/actions", {"action_type": "SendCtrlAltDel"})
        eq(self.wait(), 143, "stopped")


class Events(threading.Thread):
    def __init__(self, vm):
        super().__init__()
        self.conn, self.text = vm.connect(), b""
        self.conn.send(b"GET /events HTTP/1.1\r\n\r\n")
        self.start()

    def run(self):
        self.conn.head()
        while self.conn._fill():
            pass

    def names(self):
        return [e["event"] for e in self.all()]

    def all(self):
        self.join()
        return [json.loads(line[6:]) for line in self.conn.buf.decode().split("\n") if line.startswith("data: ")]


def start():
    with Vm("--id", "v") as vm:
        events = Events(vm)
        eq(vm.state(), "Not started")
        metrics = vm.file("metrics.json")
        vm.ok("PUT", "/metrics", {"metrics_path": metrics})
        vm.ok("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 8})
        vm.boot()
        eq(vm.state(), "Running")
        vm.until_tick(3)
        eq(vm.call("PUT", "/boot-source", {"kernel_image_path": IMAGE}).json()["code"], "wrong_phase")
        vm.ok("PUT", "/actions", {"action_type": "FlushMetrics"})
        with open(metrics) as f:
            eq(json.load(f)["mem_size"], 8 << 20)
        text = vm.ok("GET", "/metrics").body.decode()
        assert int(re.search(r'^mayfly_vm_exits_total\{vm="v"\} (\d+)$', text, re.M)[1]) > 0, text
        vm.stop()
        names = events.names()
        eq(names, ["created", "loaded", "first_instruction", "exit"])
        last = events.all()[-1]
        eq((last["status"], last["reason"]), (143, "stopped"))
        assert "tick" in last["console"], last
        times = [e["t_ns"] for e in events.all()]
        eq(times, sorted(times))
    # In one call.
    with Vm() as vm:
        vm.ok("PUT", "/vm", {"boot-source": {"kernel_image_path": IMAGE}, "machine-config": {"vcpu_count": 1, "mem_size_mib": 8}})
        vm.until_tick(3)
        vm.stop()
    # By descriptor, and what fails can be put right.
    with Vm() as vm, open(IMAGE, "rb") as image:
        net = {"iface_id": "n", "host_dev_name": "nosuchtap"}
        vm.ok("PUT", "/network-interfaces/n", net)
        r = vm.call("PUT", "/vm", {"boot-source": {"kernel_image_path": "image", "fd": 0}, "network-interfaces": [net],
                                   "machine-config": {"vcpu_count": 1, "mem_size_mib": 8}}, fds=[image.fileno()])
        if r.status != 400:  # root may make a tap
            vm.until_tick(3)
            vm.stop()
            return
        vm.ok("DELETE", "/network-interfaces/n")
        r = vm.call("PUT", "/vm", {"boot-source": {"kernel_image_path": "image", "fd": 0}}, fds=[image.fileno()])
        eq(r.status, 204, repr(r))
        vm.until_tick(3)
        vm.stop()


def getting_started():
    """docs/getting-started.md of Firecracker, by curl, with an HTTP server as the guest."""
    with Vm() as vm:
        log = vm.file("firecracker.log")
        for path, body in (
            ("/logger", {"log_path": log, "level": "Debug", "show_level": True, "show_log_origin": True}),
            ("/boot-source", {"kernel_image_path": IMAGE, "boot_args": f"mayfly.ip={os.environ['GUEST_IP']}/24 -- -p 80"}),
            ("/drives/rootfs", {"drive_id": "rootfs", "path_on_host": os.environ["DISK_root"], "is_root_device": True,
                                "is_read_only": True}),
            ("/network-interfaces/net1", {"iface_id": "net1", "guest_mac": "06:00:AC:10:00:02", "host_dev_name": os.environ["TAP"]}),
            ("/actions", {"action_type": "InstanceStart"}),
        ):
            out = subprocess.run(["curl", "-sS", "-f", "-X", "PUT", "--unix-socket", vm.sock, "--data", json.dumps(body),
                                  "http://localhost" + path], capture_output=True, text=True)
            eq((out.returncode, out.stdout), (0, ""), f"{path}: {out.stderr}")
        url = f"http://{os.environ['GUEST_IP']}/"
        vm.until(lambda: subprocess.run(["curl", "-sf", "-m", "5", "-o", "/dev/null", url]).returncode == 0)
        vm.ok("PATCH", "/vm", {"state": "Paused"})
        vm.ok("PATCH", "/vm", {"state": "Resumed"})
        eq(subprocess.run(["curl", "-sf", "-m", "60", "-o", "/dev/null", url]).returncode, 0)
        vm.ok("PATCH", "/drives/rootfs", {"drive_id": "rootfs", "rate_limiter": {"ops": {"size": 100, "refill_time": 100}}})
        vm.ok("PATCH", "/network-interfaces/net1",
              {"iface_id": "net1", "rx_rate_limiter": {"bandwidth": {"size": 1000000, "refill_time": 100}}})
        eq(vm.ok("GET", "/vm/config").json()["drives"][0]["rate_limiter"], {"ops": {"size": 100, "refill_time": 100}})
        # Another disk in its place: the page is served from it.
        eq(vm.call("PATCH", "/drives/rootfs", {"drive_id": "rootfs", "path_on_host": "/nope"}).status, 400)
        eq(vm.call("PATCH", "/drives/rootfs", {"drive_id": "rootfs", "path_on_host": "/etc"}).status, 400)
        vm.ok("PATCH", "/drives/rootfs", {"drive_id": "rootfs", "path_on_host": os.environ["DISK_root"]})  # to look again
        other = vm.file("other.img")
        subprocess.run(["cp", os.environ["DISK_root"], other], check=True)
        vm.ok("PATCH", "/drives/rootfs", {"drive_id": "rootfs", "path_on_host": other})
        eq(vm.ok("GET", "/vm/config").json()["drives"][0]["path_on_host"], other)
        eq(subprocess.run(["curl", "-sf", "-m", "60", "-o", "/dev/null", url]).returncode, 0)
        fds = f"/proc/{vm.pid()}/fd"
        assert os.stat(other).st_ino in [os.stat(f"{fds}/{fd}").st_ino for fd in os.listdir(fds)], "it is not open"
        vm.stop()


def pause():
    with Vm() as vm:
        events = Events(vm)
        vm.boot()
        vm.until_tick(5)
        vm.ok("PATCH", "/vm", {"state": "Paused"})
        vm.ok("PATCH", "/vm", {"state": "Paused"})
        eq(vm.state(), "Paused")
        stands = vm.ticks()
        time.sleep(1.2)  # the length of the pause is what is tested
        eq(vm.ticks(), stands, "it ran while it was paused")
        vm.ok("PATCH", "/vm", {"state": "Resumed"})
        vm.until_tick(stands[-1][0] + 5)
        drift = vm.ticks()[-1][1]
        assert drift >= 1100, f"the wall clock is {drift} ms ahead of the monotonic one, after a pause of 1200"
        # A stop request resumes it.
        vm.ok("PATCH", "/vm", {"state": "Paused"})
        vm.stop()
        eq(events.names()[2:], ["first_instruction", "paused", "resumed", "paused", "exit"])


def exit():
    with Vm() as vm:
        events = Events(vm)
        vm.boot("exit")
        eq(vm.wait(), 9)
        last = events.all()[-1]
        eq((last["event"], last["status"], last["reason"]), ("exit", 9, "exited"))
    with Vm() as vm:
        events = Events(vm)
        vm.boot("crash")
        eq(vm.wait(), 134)
        last = events.all()[-1]
        eq((last["event"], last["status"], last["reason"]), ("exit", 134, "crashed"))


def snapshot():
    with Vm() as vm:
        vm.ok("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 8, "track_dirty_pages": True})
        vm.boot()
        vm.until_tick(5)
        files = {"snapshot_path": os.path.join(os.environ["WORK"], "s"), "mem_file_path": os.path.join(os.environ["WORK"], "m")}
        eq(vm.call("PUT", "/snapshot/create", files).json()["code"], "wrong_phase")
        vm.ok("PATCH", "/vm", {"state": "Paused"})
        vm.ok("PUT", "/snapshot/create", files)
        saved = vm.ticks()[-1][0]
        vm.ok("PATCH", "/vm", {"state": "Resumed"})
        vm.until_tick(saved + 5)
        vm.stop()
    with Vm() as vm:
        r = vm.call("PUT", "/snapshot/load", {"snapshot_path": files["snapshot_path"] + "x", "mem_file_path": "x"})
        eq(r.status, 400)
        vm.ok("PUT", "/snapshot/load", {"snapshot_path": files["snapshot_path"], "resume_vm": False,
                                        "mem_backend": {"backend_path": files["mem_file_path"], "backend_type": "File"}})
        eq(vm.state(), "Paused")
        eq(vm.ok("GET", "/machine-config").json()["mem_size_mib"], 8)
        vm.ok("PATCH", "/vm", {"state": "Resumed"})
        vm.until_tick(saved + 5)
        assert saved <= vm.ticks()[0][0] <= saved + 1, (saved, vm.ticks()[:3])
        vm.stop()


def rewind():
    with Vm() as vm:
        vm.boot()
        eq(vm.call("PUT", "/snapshot/rewind", {"action": "Rewind"}).status, 400)
        vm.until_tick(5)
        vm.ok("PUT", "/snapshot/rewind", {"action": "Mark"})
        for _ in range(5):
            vm.until_tick(vm.ticks()[-1][0] + 20)
            lines = len(vm.ticks())
            high = vm.ticks()[-1][0]
            vm.ok("PUT", "/snapshot/rewind", {"action": "Rewind"})
            # It may have gone on for some ticks before the call came.
            vm.until(lambda: any(n < high for n, _ in vm.ticks()[lines:]))
        vm.stop()


def fork():
    with Vm() as vm:
        events = Events(vm)
        vm.ok("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 8})
        vm.boot()
        vm.until_tick(5)
        out = [os.path.join(os.environ["WORK"], f"copy{i}") for i in range(2)]
        copies = [{"id": f"c{i}", "console": out[i], "api_sock": os.path.join(vm.dir, f"c{i}.sock")} for i in range(2)]
        r = vm.call("PUT", "/vm/fork", {"copies": [{"id": "bad id"}]})
        eq((r.status, r.json()["field"]), (400, "copies[0].id"), repr(r))
        pids = vm.ok("PUT", "/vm/fork", {"copies": copies}).json()["pids"]
        eq(len(set(pids)), 2)
        forked = vm.ticks()[-1][0]
        vm.until_tick(forked + 5)
        for i, copy in enumerate(copies):
            c = vm.until(lambda: try_connect(copy["api_sock"]))
            eq(c.call("GET", "/").json()["id"], copy["id"])
            eq(c.call("PATCH", "/vm", {"state": "Paused"}).status, 204)
            eq(c.call("PATCH", "/vm", {"state": "Resumed"}).status, 204)

            def first():
                with open(out[i]) as f:
                    return re.search(r"^tick (\d+) ", f.read(), re.M)

            vm.until(first)
            assert abs(int(first()[1]) - forked) < 50, (first()[0], forked)
            eq(c.call("PUT", "/actions", {"action_type": "SendCtrlAltDel"}).status, 204)
            assert c.closed()
        vm.stop()
        assert "forked" in events.names()


def try_connect(path):
    try:
        return Connection(path)
    except OSError:
        return None


def hostile():
    """Calls by the thousand, nonsense among them, and a guest that goes on."""
    with Vm() as vm:
        vm.boot()
        vm.until_tick(3)
        other = vm.connect()
        other.send(b"PUT /vm HTTP/1.1\r\nContent-Length: 65000\r\n\r\n{")
        for i in range(300):
            vm.ok("PATCH", "/vm", {"state": ("Paused", "Resumed")[i % 2]})
            assert vm.call("PATCH", "/vm", b"\0" * 10).status == 400
            vm.call("PUT", "/snapshot/create", {"snapshot_path": "/nope/s", "mem_file_path": "/nope/m"})
            vm.call("PATCH", "/drives/x", {"drive_id": "x", "path_on_host": "/"})
            vm.call("GET", "/metrics")
        now = vm.ticks()[-1][0]
        vm.until_tick(now + 10)
        vm.stop()


globals()[sys.argv[1]]()
print("PASS")
