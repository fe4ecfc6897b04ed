# SPDX-License-Identifier: MIT
"""bench_http.py: examples/httpd under load: in our VM on a tap, in QEMU on another tap, as a process behind a veth pair.

All in network namespaces of their own: the client's has both taps and one end of the veth pair, the process' the
other end. Three servers run all the time; http_load visits one after the other, a sixth of a second each, round by round.
A row's requests a second are the median of the visits; p50 and p99 are of all requests of all visits.
"""

import json
import os
import re
import shutil
import subprocess

from common import MAC, Failed, Guest, in_hw_lane, median, need, run, usable

READY = "listening on"
# (row, connections, file)
LOADS = (("http.c1.1k", 1, "1k"), ("http.c64.1k", 64, "1k"), ("http.c1.1m", 1, "1m"), ("http.c64.1m", 64, "1m"))
SIZES = {"1k": 1024, "1m": 1 << 20}
NETS = {"ours": "10.98.1", "qemu_microvm": "10.98.2", "native_veth": "10.98.3"}


class Net:
    """The two namespaces."""

    def __init__(self):
        self.client, self.server = f"mfbench-c{os.getpid()}", f"mfbench-s{os.getpid()}"

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def make(self):
        for ns in (self.client, self.server):
            run(["ip", "netns", "add", ns])
            run(["ip", "-n", ns, "link", "set", "lo", "up"])
        for name, tap in (("ours", "tap0"), ("qemu_microvm", "tap1")):
            run(["ip", "-n", self.client, "tuntap", "add", "dev", tap, "mode", "tap", "vnet_hdr"])
            run(["ip", "-n", self.client, "addr", "add", f"{NETS[name]}.1/24", "dev", tap])
            run(["ip", "-n", self.client, "link", "set", tap, "up"])
        net = NETS["native_veth"]
        # Not every kernel loads it by itself. Should it be missing altogether, `ip` says so.
        for modprobe in (["modprobe"], ["busybox", "modprobe"]):
            if shutil.which(modprobe[0]):
                subprocess.run([*modprobe, "-q", "veth"], stderr=subprocess.DEVNULL, check=False)
                break
        run(["ip", "-n", self.client, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", self.server])
        for ns, host in ((self.client, 1), (self.server, 2)):
            run(["ip", "-n", ns, "addr", "add", f"{net}.{host}/24", "dev", "veth0"])
            run(["ip", "-n", ns, "link", "set", "veth0", "up"])

    def __exit__(self, *exc):
        for ns in (self.client, self.server):
            subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL, check=False)

    def inside(self, server=False):
        return ["ip", "netns", "exec", self.server if server else self.client]


def make_site(b):
    site, disk = f"{b.work}/site", f"{b.work}/site.img"
    os.makedirs(site, exist_ok=True)
    for name, size in SIZES.items():
        with open(f"{site}/{name}", "wb") as f:
            f.write(os.urandom(size))
    run(["scripts/mkdisk.sh", site, disk])
    shutil.copyfile(disk, disk + ".qemu")  # each VMM locks its disk
    return site, disk


def servers(b, net, site, disk):
    """{name: (argv, prefix)}"""
    httpd = b.image("httpd")
    line = {n: f"mayfly.ip={ip}.2/24 mayfly.gw={ip}.1 -- -p 80 -c 128" for n, ip in NETS.items()}
    ours = b.monitor(httpd, "--block", f"id=root,path={disk},ro", "--net", f"id=eth0,tap=tap0,mac={MAC}",
                     cmdline=line["ours"])
    qemu = b.qemu(httpd, "-drive", f"if=none,id=root,format=raw,file={disk}.qemu,readonly=on",
                  "-device", "virtio-blk-device,drive=root",
                  "-netdev", "tap,id=eth0,ifname=tap1,script=no,downscript=no,vnet_hdr=on",
                  "-device", f"virtio-net-device,netdev=eth0,mac={MAC}", cmdline=line["qemu_microvm"])
    native = [f"{b.build}/examples/native/httpd", "-p", "80", "-c", "128", "-r", site]
    return {
        "ours": (ours, net.inside()),
        "qemu_microvm": (qemu, net.inside()),
        "native_veth": (native, net.inside(server=True)),
    }


def fetch(net, name, file, want):
    argv = [*net.inside(), "curl", "-sS", "--fail", "--max-time", "120", f"http://{NETS[name]}.2/{file}"]
    r = subprocess.run(argv, capture_output=True, check=False)
    if r.returncode or r.stdout != want:
        raise Failed(f"{name}: GET /{file}: {r.stderr.decode(errors='replace').strip() or 'wrong bytes'}")


def load(b, prefix, servers, conns, file, rounds, ms=160):
    """http_load's figures of each of {name: address}, visited in turn."""
    ms *= 5 if in_hw_lane() else 1
    # A large file on many connections takes a while, and before that none is in the middle of one.
    warm = ms if conns > 1 and SIZES[file] > 65536 else ms // 5
    out = run([*prefix, f"{b.build}/bench/http_load", "-c", str(conns), "-n", str(rounds), "-t", str(ms), "-w", str(warm),
               f"/{file}", str(SIZES[file]), *servers.values()])
    return dict(zip(servers, map(json.loads, out.splitlines())))


def measure(b, net, names, row, conns, file):
    got = load(b, net.inside(), {n: f"{NETS[n]}.2" for n in names}, conns, file, b.rounds)
    vs = {name: median(g["rps"]) for name, g in got.items()}
    b.add(row, "req/s", vs.pop("ours"), vs, b.rounds)
    for what in ("p50", "p99"):
        vs = {name: g[what] for name, g in got.items()}
        b.add(f"{row}.{what}", "us", vs.pop("ours"), vs, min(g["n"] for g in got.values()))


def http(b):
    loads = {x[0]: (x, [x[0], x[0] + ".p50", x[0] + ".p99"]) for x in LOADS}
    if not b.wanted(*sum((names for _, names in loads.values()), [])):
        return
    for tool in ("ip", "curl"):
        need(tool)
    site, disk = make_site(b)
    content = {}
    for name in SIZES:
        with open(f"{site}/{name}", "rb") as f:
            content[name] = f.read()
    with Net() as net:
        running = {}

        def start(what):
            name = next(n for n, w in every.items() if w is what)
            running[name] = Guest(what[0], READY, what[1])
            for file, want in content.items():
                fetch(net, name, file, want)

        try:
            every = servers(b, net, site, disk)
            names = list(usable(every, start))
            for job, rows in loads.values():
                b.part(rows, lambda job=job: measure(b, net, names, *job))
        finally:
            for g in running.values():
                g.close()
