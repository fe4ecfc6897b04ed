#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_guests.py: ten VMs of ten users side by side, each jailed with limits of its own: two burn CPU, two want more memory
than they have, two write to a disk and two to a network as fast as they can, and two have work to do, which gets done. What
each took is read from the kernel's accounts, or counted by us at the other end of a wire. Needs /dev/kvm."""
import os, shutil, socket, subprocess, threading, time

from harness import *
from test_ten import DISK_RATE, SLACK, cpu_share, disk_rate, wait_for_news

KINDS = ["work", "cpu", "memory", "disk", "net"] * 2
UIDS = 30300
GUEST = 16  # MiB of memory
BOUND = 48 << 20  # of a jail
GREEDY = 96  # MiB of a guest that wants more than its jail has
CPU_SHARE = 0.05  # quota over period: less than what is left of two processors by nine others
NET_RATE = 200_000  # bytes a second, which the monitor keeps
ROUNDS = 5  # of work


def cgroups(kind, device):
    """--cgroup options; the working ones have a bound, too, which they never reach."""
    rows = {"memory": ([f"memory.limit_in_bytes={BOUND}"], [f"memory.max={BOUND}"]), "pids": (["pids.max=8"], ["pids.max=8"])}
    if kind == "cpu":
        quota = int(20000 * CPU_SHARE)
        rows["cpu"] = (["cpu.cfs_period_us=20000", f"cpu.cfs_quota_us={quota}"], [f"cpu.max={quota} 20000"])
    if kind == "disk" and os.path.exists(f"/sys/dev/block/{device}"):
        rows["blkio"] = ([f"blkio.throttle.write_bps_device={device} {DISK_RATE}"], [])
        rows["io"] = ([], [f"io.max={device} wbps={DISK_RATE}"])
    found = []
    for name, by_version in rows.items():
        version = controller(name)[1]
        for option in by_version[version - 1] if version else []:
            found += ["--cgroup", option]
    return found


class Vm:
    def __init__(self, w, i, kind):
        self.i, self.kind, self.id, self.uid, self.group = i, kind, f"vm-{i}", UIDS + i, w.group
        self.what = f"VM {i} ({kind})"
        self.home = w.directory(f"home-{i}", 0o700, self.uid)
        self.lines, self.got, self.started = 0, 0, None
        with open(f"{self.home}/disk", "wb") as f:
            f.truncate(4 << 20)
        os.chown(f"{self.home}/disk", self.uid, self.uid)
        device = os.stat(self.home).st_dev
        self.wire, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        args = ["--kernel", "/image", "--mem", f"{GREEDY if kind == 'memory' else GUEST}M",
                "--block", "id=d,path=/home/disk" + (",direct" if kind == "disk" else ""),
                "--net", f"id=eth0,fd={theirs.fileno()},tx-bw={NET_RATE}B/1s", "--cmdline", f"mayfly.ip=10.0.0.2/24 -- {kind}"]
        argv = w.argv(self.id, "--bind", f"{w.image}:/image:ro", "--bind", f"{self.home}:/home", "--fd", f"eth0={theirs.fileno()}",
                      *cgroups(kind, f"{os.major(device)}:{os.minor(device)}"), exec_file=w.monitor, args=args)
        argv[argv.index("--uid") + 1] = argv[argv.index("--gid") + 1] = str(self.uid)
        self.err = open(w.path(f"err-{i}"), "w+b")
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.err, pass_fds=(theirs.fileno(),))
        theirs.close()
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.read_lines, self.read_frames)]
        for t in self.threads:
            t.start()

    def read_lines(self):
        for _ in self.proc.stdout:
            self.lines += 1

    def read_frames(self):
        while frame := self.wire.recv(65536):
            self.started = self.started or time.monotonic()
            self.got += len(frame)

    def up(self):
        return self.lines > 0 or self.proc.poll() is not None

    def said(self):
        self.err.seek(0)
        return self.err.read().decode(errors="replace")[-300:]


def work(vms, when):
    for vm in vms:
        before = vm.lines
        wait_for_news(f"{vm.what} works {when}", lambda: vm.lines >= before + ROUNDS or vm.proc.poll() is not None)
    ok(all(vm.proc.poll() is None for vm in vms), f"work is done {when}", [vm.said() for vm in vms])


def net_rate(vm):
    wait_for_news(f"{vm.what} sends", lambda: vm.got > 2 * NET_RATE or vm.proc.poll() is not None)
    got, seconds = vm.got, time.monotonic() - (vm.started or 0)
    ok(got <= NET_RATE * (1 + seconds) * SLACK, f"{vm.what} is held to its rate", f"{got} bytes in {seconds}")


def memory_bound(vm):
    if not controller("memory")[1]:
        return skip(f"{vm.what} memory", "no memory controller")
    wait_for_news(f"{vm.what} is ended", lambda: vm.proc.poll() is not None)
    return ok(vm.proc.wait(DEADLINE) == 137, f"{vm.what} is killed by its own bound", (vm.proc.returncode, vm.said()))


def drive(vms):
    of = {kind: [vm for vm in vms if vm.kind == kind] for kind in KINDS}
    for vm in vms:
        wait_for_news(f"{vm.what} starts", vm.up)
    ok(all(vm.lines for vm in vms), "ten guests are up", [vm.said() for vm in vms if not vm.lines])
    work(of["work"], "beside eight that burn")
    for vm in of["cpu"]:
        cpu_share(vm, CPU_SHARE)
    for vm in of["memory"]:
        memory_bound(vm)
    for vm in of["disk"]:
        disk_rate(vm)
    for vm in of["net"]:
        net_rate(vm)
    work(of["work"], "after they burnt for a while")
    alive = [vm for vm in vms if vm.kind != "memory"]
    ok(all(vm.proc.poll() is None for vm in alive), "the others' jails have not ended", [vm.said() for vm in alive if vm.proc.poll() is not None])
    return alive


def main():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        skip("ten VMs", "no /dev/kvm")
        finish()
    w = World("/var/tmp")  # a disk, where there is one
    w.monitor, w.image = w.path("mayfly-monitor"), w.path("image")
    shutil.copyfile(f"{BUILD}/bin/mayfly-monitor", w.monitor)
    shutil.copyfile(f"{BUILD}/guests/burn", w.image)
    os.chmod(w.monitor, 0o711)
    os.chmod(w.image, 0o644)
    vms = [Vm(w, i, kind) for i, kind in enumerate(KINDS)]
    alive = []
    try:
        alive = drive(vms)
    finally:
        for vm in vms:
            vm.proc.terminate()
        codes = [vm.proc.wait(DEADLINE) for vm in alive]
    ok(alive and set(codes) == {143}, "SIGTERM ends those that are left", codes)
    left = [x for vm in vms for x in w.left(vm.id)]
    ok(not left, "nothing is left", left)
    w.remove()
    finish()


main()
