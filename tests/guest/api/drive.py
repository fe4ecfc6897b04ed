#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""drive.py CASE [monitor options]: a client of the API with a VM behind it. In a guest case's environment."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path[:0] = ["tests/api", "tests/examples"]

import flow  # noqa: E402
import own_client  # noqa: E402
import rows  # noqa: E402
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
        before = vm.ticks()[-1][0]
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
            assert before <= int(first()[1]) <= forked + 1, (before, first()[0], forked)
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



# --- with a tap ($TAP) or a disk ($DISK_d) ---


def fetch(url, **kw):
    return subprocess.run(["curl", "-sf", "-m", "60", url], capture_output=True, **kw)


def put_net(vm):
    vm.ok("PUT", "/network-interfaces/n", {"iface_id": "n", "host_dev_name": os.environ["TAP"]})


def put_disk(vm, path=None):
    path = path or os.environ["DISK_d"]
    vm.ok("PUT", "/drives/d", {"drive_id": "d", "is_root_device": True, "path_on_host": path})


def errors():
    """Bad input of a VM that runs."""
    with Vm() as vm:
        put_disk(vm)
        put_net(vm)
        vm.boot("tick")
        files = {rows.DISK: os.environ["DISK_d"], rows.IMAGE: IMAGE}
        bad = [rows.wrong(row, vm.call(*row.call.split(" "), rows.with_files(row.body, files))) for row in rows.ROWS if row.phase == "R"]
        assert len(bad) > 10 and not any(bad), "\n".join(b for b in bad if b)
        vm.stop()


def delete():
    """What is deleted before the start is not in the VM, nor its descriptor in the monitor."""
    with Vm() as vm:
        put_disk(vm, vm.disk())
        vm.ok("DELETE", "/drives/d")
        vm.ok("PUT", "/network-interfaces/x", {"iface_id": "x", "host_dev_name": "nosuchtap"})
        vm.ok("DELETE", "/network-interfaces/x")
        put_disk(vm)
        vm.boot("disk")
        vm.until(lambda: "disk 1 1048576 " in vm.text())
        eq(vm.ok("GET", "/vm/config").json()["network-interfaces"], [])
        vm.stop()


def swap():
    """The guest sees the new file, and its size, from the call on; and the old one is whole and closed."""
    with Vm() as vm:
        files = []
        for i, size in ((0, 1 << 20), (1, 2 << 20), (2, 1 << 20)):
            files.append(vm.file(f"disk{i}"))
            with open(files[i], "wb") as f:
                f.write(b"content%d" % i)
                f.truncate(size)
        put_disk(vm, files[0])
        vm.boot("disk")
        for i, size in ((0, 1 << 20), (1, 2 << 20), (2, 1 << 20), (0, 1 << 20)):
            before = len(vm.text())
            vm.ok("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": files[i]})
            vm.until(lambda: f"disk 1 {size} content{i}\n" in vm.text()[before:])
            open_now = {os.stat(f"/proc/{vm.pid()}/fd/{fd}").st_ino for fd in os.listdir(f"/proc/{vm.pid()}/fd")}
            eq([os.stat(f).st_ino in open_now for f in files], [j == i for j in range(3)], "which files are open")
            eq(vm.ok("GET", "/vm/config").json()["drives"][0]["path_on_host"], files[i])
        with open(files[0], "r+b") as f:  # the file that is there grows: it is looked at again
            f.truncate(4 << 20)
        vm.ok("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": files[0]})
        vm.until(lambda: f"disk 1 {4 << 20} content0\n" in vm.text())
        r = vm.call("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": "/nope"})
        eq(r.status, 400)
        before = len(vm.text())
        vm.until(lambda: "content0\n" in vm.text()[before:])
        vm.stop()


def limits():
    """Rates and bursts of a device that is under way, changed by PATCH: within 5 % at the best of some looks, for the
    machine may be late at either end of one."""
    what, rate = os.environ["FLOW"], 400 // int(os.environ.get("SLOW", "1"))
    with Vm() as vm:
        net = what in ("rx", "tx")
        flow.boot(vm.call, IMAGE, what, os.environ["GUEST_IP"], os.environ["HOST_IP"], None if net else os.environ["DISK_d"],
                  os.environ["TAP"] if net else None)
        f = flow.Flow(what, vm.call, vm.text, os.environ["TAP"])
        flood = None
        if what == "rx":
            vm.until(lambda: "ready" in vm.text())
            flood = flow.Flood(os.environ["GUEST_IP"])
        f.started()
        looks = {
            "bandwidth": lambda: f.ratio("bandwidth", rate, 1.5),
            "ops": lambda: f.ratio("ops", 2 * rate, 1.5),
            "burst": lambda: f.burst_ratio("ops", rate, 3 * rate // 4, 1.5),
        }
        for name, look in looks.items():
            seen = []
            while not seen or not 0.95 <= seen[-1] <= 1.05:
                seen.append(look())
                assert len(seen) < 8, f"{what} {name}: {seen}"
            print(what, name, *("%.3f" % r for r in seen))
        f.patch(ops={"size": 0, "refill_time": 0}, bandwidth={"size": 0, "refill_time": 0})
        n, t = f.now()
        n2, t2 = f.wait(lambda a, b: a > n + 3 * rate)
        assert (n2 - n) / (t2 - t) > 1.5 * rate, "it is still limited"
        if flood:
            flood.stop()
        vm.stop()


def traffic():
    """Pauses amid a download: the bytes are all there and right, and the guest goes on each time."""
    with Vm() as vm:
        put_net(vm)
        root = os.environ["DISK_root"]
        vm.ok("PUT", "/drives/root", {"drive_id": "root", "path_on_host": root, "is_root_device": True, "is_read_only": True})
        vm.ok("PUT", "/boot-source", {"kernel_image_path": IMAGE, "boot_args": f"mayfly.ip={os.environ['GUEST_IP']}/24 -- -p 80"})
        events = Events(vm)
        vm.ok("PUT", "/actions", {"action_type": "InstanceStart"})
        url = f"http://{os.environ['GUEST_IP']}/big"
        vm.until(lambda: fetch(url.removesuffix("big")).returncode == 0)
        # Slowly enough that the pauses come amid it.
        vm.ok("PATCH", "/network-interfaces/n", {"iface_id": "n", "tx_rate_limiter": {"bandwidth": {"size": 200000, "refill_time": 100}}})
        get = subprocess.Popen(["curl", "-sf", "-m", "120", url], stdout=subprocess.PIPE)
        want = open(os.path.join(os.environ["WORK"], "site/big"), "rb").read()
        got = get.stdout.read(len(want) // 10)
        pauses = 0
        while len(got) < len(want):
            vm.ok("PATCH", "/vm", {"state": "Paused"})
            pauses += 1
            eq(vm.state(), "Paused")
            vm.ok("PATCH", "/vm", {"state": "Resumed"})
            more = get.stdout.read(min(len(want) // 10, len(want) - len(got)))
            assert more, "the download broke off"
            got += more
        assert got == want and get.wait() == 0
        assert pauses > 5, pauses
        vm.stop()
        names = events.names()
        eq(names[:4], ["created", "loaded", "first_instruction", "guest_ready"])
        eq((names.count("paused"), names.count("resumed")), (pauses, pauses))


def orderly():
    """SendCtrlAltDel lets the program's SIGTERM handler run, also out of a pause."""
    for paused in (False, True):
        with Vm() as vm:
            vm.boot("wait")
            vm.until(lambda: "waiting" in vm.text())
            if paused:
                vm.ok("PATCH", "/vm", {"state": "Paused"})
            vm.ok("PUT", "/actions", {"action_type": "SendCtrlAltDel"})
            eq(vm.wait(), 17)
            assert "stopped by signal 15" in vm.text(), vm.text()


def stopped():
    """Stopped and continued by job control, before the start and after it: calls that wait go on."""
    with Vm() as vm:
        events = Events(vm)  # what listens makes the API's thread wait with a timeout
        for start in (False, True):
            if start:
                vm.boot()
                vm.until_tick(3)
            vm.call("GET", "/")
            pid = vm.pid()
            wait_for_sleep(pid)
            os.kill(pid, signal.SIGSTOP)
            vm.until(lambda pid=pid: is_stopped(pid))
            os.kill(pid, signal.SIGCONT)
            vm.until(lambda pid=pid: not is_stopped(pid))
            eq(vm.call("GET", "/version").status, 200)
            # A refused body, in the phase's own filter.
            c = vm.connect()
            c.send(b"PUT /vm HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n")
            with contextlib.suppress(BrokenPipeError):  # it does not wait for all of that
                c.send(b"x" * 10000000)
            eq(c.reply().status, 413)
            assert c.closed()
        vm.stop()
        eq(events.names()[-1], "exit")


def is_stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rpartition(") ")[2][0] == "T"


def wait_for_sleep(pid):
    """Until every thread but the vCPU's sleeps in a call."""
    while True:
        states = [open(f"/proc/{pid}/task/{t}/stat").read().rsplit(")", 1)[1].split()[0] for t in os.listdir(f"/proc/{pid}/task") if int(t) != pid]
        if states and all(s == "S" for s in states):
            return
        time.sleep(0.001)


def device_error():
    """A guest that lies to its devices: each lie that breaks one is an event, with the device's name and a time."""
    with Vm() as vm:
        put_net(vm)
        put_disk(vm)
        events = Events(vm)
        vm.boot(os.environ["HOST_IP"])
        eq(vm.wait(), 0)
        every = events.all()
        errors = [e for e in every if e["event"] == "device_error"]
        eq({e["text"].split(":")[0] for e in errors}, {"d", "n"})
        for e in every:
            assert e["t_ns"] > 0 and abs(e["wall_ns"] / 1e9 - time.time()) < 600, e
        eq([e["t_ns"] for e in every], sorted(e["t_ns"] for e in every))
        eq((every[-1]["event"], every[-1]["status"], every[-1]["reason"]), ("exit", 0, "exited"))


def signed():
    """PUT /snapshot/load with a key takes what is signed with it, and nothing else."""
    work = os.environ["WORK"]
    state, mem, key, pub = (os.path.join(work, n) for n in ("s", "m", "k.pem", "k.pub"))
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER", "-out", pub], check=True)
    with Vm() as vm:
        vm.ok("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 8})
        vm.boot()
        vm.until_tick(5)
        vm.ok("PATCH", "/vm", {"state": "Paused"})
        vm.ok("PUT", "/snapshot/create", {"snapshot_path": state, "mem_file_path": mem})
        vm.stop()
    load = {"snapshot_path": state, "mem_file_path": mem, "key": pub, "resume_vm": True}
    with Vm() as vm:
        r = vm.call("PUT", "/snapshot/load", load)
        assert r.status == 400 and "s.sig: No such file" in r.json()["fault_message"], r
        other = vm.file("other.sig", "x" * 64)
        r = vm.call("PUT", "/snapshot/load", {**load, "sig": other})
        assert r.status == 400 and "is not the signature of this snapshot" in r.json()["fault_message"], r
        eq(vm.call("PUT", "/snapshot/load", {"snapshot_path": state, "mem_file_path": mem, "sig": other}).json()["field"], "sig")
        subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", state, "-out", state + ".sig"], check=True)
        vm.ok("PUT", "/snapshot/load", load)
        vm.until_tick(10)
        vm.stop()


def config_file():
    """Firecracker's configuration file starts the VM, and the API is there beside it."""
    out = os.path.join(os.environ["WORK"], "vm.json")
    log, metrics = (os.path.join(os.environ["WORK"], n) for n in ("fc.log", "fc.metrics"))
    config = {
        "boot-source": {"kernel_image_path": IMAGE, "initrd_path": None,
                        "boot_args": f"console=ttyS0 reboot=k panic=1 mayfly.ip={os.environ['GUEST_IP']}/24 -- -p 80"},
        "drives": [{"drive_id": "rootfs", "partuuid": None, "is_root_device": True, "cache_type": "Unsafe", "is_read_only": True,
                    "path_on_host": os.environ["DISK_root"], "io_engine": "Sync", "rate_limiter": None, "socket": None}],
        "machine-config": {"vcpu_count": 2, "mem_size_mib": 64, "smt": False, "track_dirty_pages": False, "huge_pages": "None"},
        "network-interfaces": [{"iface_id": "net1", "host_dev_name": os.environ["TAP"], "guest_mac": "06:00:AC:10:00:02"}],
        "logger": {"log_path": log, "level": "Info", "show_level": True}, "metrics": {"metrics_path": metrics},
        "cpu-config": None, "balloon": None, "vsock": None, "mmds-config": None, "entropy": None, "pmem": [], "memory-hotplug": None,
    }
    with open(out, "w") as f:
        json.dump(config, f)
    with Vm("--config-file", out) as vm:
        vm.until(lambda: fetch(f"http://{os.environ['GUEST_IP']}/").returncode == 0)
        eq(vm.state(), "Running")
        got = vm.ok("GET", "/vm/config").json()
        eq((got["drives"][0]["drive_id"], got["network-interfaces"][0]["iface_id"], got["machine-config"]["mem_size_mib"]), ("rootfs", "net1", 64))
        vm.ok("PATCH", "/drives/rootfs", {"drive_id": "rootfs", "rate_limiter": {"ops": {"size": 100, "refill_time": 100}}})
        vm.stop()
        with open(metrics) as f:
            eq(json.load(f)["mem_size"], 64 << 20)
        assert os.path.exists(log)


def prometheus():
    """What promtool takes as metrics, with devices and without."""
    def judge(text):
        r = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
        # Names are its taste ("no help text", ...); what does not parse is an error.
        assert r.returncode in (0, 3) and b"error while linting" not in r.stderr, r.stderr.decode()

    judge(b"# TYPE a counter\na 1\n")
    assert subprocess.run(["promtool", "check", "metrics"], input=b"a{ 1\n", capture_output=True).returncode not in (0, 3), "it takes anything"
    with Vm("--id", "v") as vm:
        judge(vm.ok("GET", "/metrics").body)
        put_disk(vm)
        put_net(vm)
        vm.boot("disk")
        vm.until_tick(5)
        text = vm.ok("GET", "/metrics").body
        assert b'mayfly_block_read_bytes_total{vm="v",drive="d"}' in text, text.decode()
        judge(text)
        vm.stop()


def own():
    """Firecracker's own client and validator, from configuration to snapshot."""
    work = os.environ["WORK"]
    state, mem = os.path.join(work, "s"), os.path.join(work, "m")
    with Vm() as vm:
        api = own_client.load(vm.sock)
        api.boot.put(kernel_image_path=IMAGE, boot_args="reboot=k panic=1 -- disk")
        api.machine_config.put(vcpu_count=2, mem_size_mib=16, track_dirty_pages=True)
        api.drive.put(drive_id="d", path_on_host=os.environ["DISK_d"], is_root_device=True, is_read_only=False)
        api.network.put(iface_id="n", host_dev_name=os.environ["TAP"], guest_mac="06:00:00:00:00:01")
        api.metrics.put(metrics_path=vm.file("metrics"))
        api.actions.put(action_type="InstanceStart")
        vm.until_tick(5)
        eq(api.describe.get().json()["state"], "Running")
        api.drive.patch(drive_id="d", path_on_host=os.environ["DISK_d"],
                        rate_limiter={"bandwidth": {"size": 1000000, "refill_time": 100}, "ops": {"size": 100, "refill_time": 100}})
        api.network.patch(iface_id="n", tx_rate_limiter={"bandwidth": {"size": 1000000, "refill_time": 100}})
        api.vm_config.get()
        api.machine_config.get()
        api.actions.put(action_type="FlushMetrics")
        assert "after starting the microVM" in own_client.fault(api.boot.put, kernel_image_path=IMAGE)
        assert "unknown field `is_read_only`" in own_client.fault(api.drive.patch, drive_id="d", is_read_only=True)
        api.vm.patch(state="Paused")
        eq(api.describe.get().json()["state"], "Paused")
        api.snapshot_create.put(snapshot_path=state, mem_file_path=mem, snapshot_type="Full")
        api.vm.patch(state="Resumed")
        vm.until_tick(vm.ticks()[-1][0] + 5)
        api.actions.put(action_type="SendCtrlAltDel")
        eq(vm.wait(), 143)
    with Vm() as vm:
        api = own_client.load(vm.sock)
        api.snapshot_load.put(snapshot_path=state, mem_backend={"backend_type": "File", "backend_path": mem}, resume_vm=True,
                              network_overrides=[{"iface_id": "n", "host_dev_name": os.environ["TAP"]}])
        vm.until_tick(10)
        eq(api.vm_config.get().json()["drives"][0]["drive_id"], "d")
        api.actions.put(action_type="SendCtrlAltDel")
        eq(vm.wait(), 143)


try:
    globals()[sys.argv[1]]()
except own_client.Missing as e:
    print(e)
    sys.exit(77)
print("PASS")
