# SPDX-License-Identifier: MIT
"""bench_http.py: examples/httpd under wrk: in our VM on a tap, in QEMU on another tap, as a process behind a veth pair.

All in network namespaces of their own: the client's has both taps and one end of the veth pair, the process' the
other end. Three servers run all the time; wrk visits one after the other, round by round.
"""

import os
import re
import shutil
import subprocess

from common import MAC, Failed, Guest, in_hw_lane, median, need, note, run, usable

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


def microseconds(text):
    m = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    if not m:
        raise Failed(f"wrk says {text!r}")
    return float(m.group(1)) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[m.group(2)]


def wrk(net, name, conns, file, seconds):
    out = run([*net.inside(), "wrk", "-t1", f"-c{conns}", f"-d{seconds}s", "--timeout", "30s", "--latency",
               f"http://{NETS[name]}.2/{file}"])
    if "Socket errors" in out or "Non-2xx" in out:
        raise Failed(f"{name}: {re.search('.*(Socket errors|Non-2xx).*', out).group(0).strip()}")
    return {
        "rps": float(re.search(r"Requests/sec: +([\d.]+)", out).group(1)),
        "p50": microseconds(re.search(r"50% +(\S+)", out).group(1)),
        "p99": microseconds(re.search(r"99% +(\S+)", out).group(1)),
    }


def measure(b, net, names, row, conns, file):
    rounds = max(3, b.rounds // 5)
    # Long enough for every connection to finish several files.
    seconds = (2 if file == "1m" else 1) * (5 if in_hw_lane() else 1)
    got = {name: [] for name in names}
    for r in range(rounds + 1):  # the first one warms caches up and is not counted
        for name in names:
            result = wrk(net, name, conns, file, seconds)
            if r:
                got[name].append(result)
    for what, unit, suffix in (("rps", "req/s", ""), ("p50", "us", ".p50"), ("p99", "us", ".p99")):
        vs = {name: median([g[what] for g in v]) for name, v in got.items()}
        b.add(row + suffix, unit, vs.pop("ours"), vs, rounds)


def http(b):
    loads = [x for x in LOADS if b.wanted(x[0], x[0] + ".p50", x[0] + ".p99")]
    if not loads:
        return
    for tool in ("ip", "wrk", "curl"):
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
            for row, conns, file in loads:
                try:
                    measure(b, net, names, row, conns, file)
                except Failed as e:
                    b.failed = True
                    note(f"{row}: {e}")
        finally:
            for g in running.values():
                g.close()
