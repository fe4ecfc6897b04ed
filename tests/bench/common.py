# SPDX-License-Identifier: MIT
"""common.py: what the benchmarks share: the machine's description, how a guest is started by us and by QEMU, rows.

A row is {"name", "unit", "ours", "vs": {competitor: value}, "n"}. Every competitor is measured in turn with ours, round
by round, in one run. A competitor that does not work here is left out of "vs", with a line on stderr; when ours does
not work the row is "lost", the others go on, and the run fails in the end.
"""

import fnmatch
import os
import platform
import re
import select
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import qemu  # noqa: E402

MEM = "16M"
MAC = "02:00:00:00:00:02"
READY_TIMEOUT = 300  # only so that a guest that hangs ends the run


class Failed(Exception):
    pass


def note(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def minutes(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def median(values):
    return statistics.median(values)


def read_file(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def run(argv, **kw):
    """The standard output of a command that must succeed."""
    r = subprocess.run(argv, **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **kw})
    if r.returncode:
        raise Failed(f"{' '.join(argv[:4])}...: status {r.returncode}: {(r.stderr or r.stdout).strip()[-300:]}")
    return r.stdout


class Bench:
    """Settings of this run, its rows, and those that it lost: {name: why}. keep(bench) is called for each of either."""

    def __init__(self, build, rounds, patterns, work, keep=lambda bench: None):
        self.build, self.rounds, self.patterns, self.work, self.keep = build, rounds, patterns, work, keep
        self.rows, self.lost, self.began = [], {}, time.monotonic()

    def part(self, names, measure):
        """measure() adds the rows of these names, as far as they are wanted. Those that it does not are lost."""
        names = [n for n in names if self.wanted(n)]
        if not names:
            return
        start, why = time.monotonic(), "it gave no figure"
        note(f"{minutes(start - self.began)} {' '.join(names)}")
        try:
            measure()
        except Exception as e:  # pylint: disable=broad-except  # whatever is wrong with one, the others go on
            why = str(e) if isinstance(e, Failed) else repr(e)
        for n in names:
            if n not in (r["name"] for r in self.rows):
                self.lost[n] = why
                note(f"{n} LOST: {why}")
        self.keep(self)

    def image(self, name):
        return f"{self.build}/examples/{name}"

    def monitor(self, image, *options, cmdline=""):
        argv = [f"{self.build}/bin/mayfly-monitor", "--kernel", image, "--mem", MEM, *options]
        return argv + (["--cmdline", cmdline] if cmdline else [])

    def qemu(self, image, *devices, cmdline=""):
        """The same image with the same devices on QEMU's smallest machine, as fast as its options make it."""
        return qemu.machine("kvm", image, MEM, cmdline) + [*devices]

    def wanted(self, *names):
        return any(fnmatch.fnmatch(n, p) for n in names for p in self.patterns)

    def add(self, name, unit, ours, vs, n):
        if not self.wanted(name):
            return
        row = {"name": name, "unit": unit, "ours": tidy(ours), "vs": {k: tidy(v) for k, v in vs.items()}, "n": n}
        self.rows.append(row)
        print(show(row), flush=True)
        self.keep(self)


def tidy(v):
    return round(v, 1) if v < 1000 else float(round(v))


def show(row):
    vs = "  ".join(f"{k} {v:g} ({row['ours'] / v:.2f}x)" for k, v in row["vs"].items() if v)
    return f"{row['name']:22} {row['ours']:>10g} {row['unit']:6} {vs}  n={row['n']}"


def usable(competitors, try_one):
    """Those of {name: what} for which try_one(what) works; ours has to."""
    good = {}
    for name, what in competitors.items():
        try:
            try_one(what)
            good[name] = what
        except (Failed, OSError, subprocess.TimeoutExpired) as e:
            if name == "ours":
                raise Failed(str(e)) from e
            note(f"{name} left out: {e}")
    return good


class Guest:
    """A VMM or server that stays; ready when it has printed `ready`."""

    def __init__(self, argv, ready, prefix=()):
        self.proc = subprocess.Popen(
            [*prefix, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.out = b""
        end = time.monotonic() + READY_TIMEOUT
        while ready.encode() not in self.out:
            if not select.select([self.proc.stdout], [], [], max(0, end - time.monotonic()))[0]:
                self.close()
                raise Failed(f"{argv[0]}: no {ready!r} in {self.out[-300:]!r}")
            data = os.read(self.proc.stdout.fileno(), 65536)
            if not data:
                self.close()
                raise Failed(f"{argv[0]} ended with {self.proc.returncode}: {self.out[-300:]!r}")
            self.out += data

    def close(self):
        self.proc.terminate()
        try:
            self.proc.wait(60)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        self.proc.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def kvm_kind():
    for module, kind in (("kvm_pvm", "PVM"), ("kvm_amd", "kvm_amd"), ("kvm_intel", "kvm_intel")):
        if os.path.exists(f"/sys/module/{module}"):
            return kind
    return "KVM"


def in_hw_lane():
    return os.environ.get("MAYFLY_LANE") == "hw"


def tool_version(argv):
    try:
        out = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    except OSError:
        return None
    return out.splitlines()[0].strip() if out else None


def host_info():
    cpu = re.search(r"model name\s*: (.*)", read_file("/proc/cpuinfo"))
    mem = re.search(r"MemTotal:\s*(\d+)", read_file("/proc/meminfo"))
    return {
        "lane": "kvm_amd under QEMU TCG" if in_hw_lane() else kvm_kind(),
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "mem_mib": int(mem.group(1)) // 1024,
        "kernel": platform.release(),
        "kvm": kvm_kind(),
        "qemu": tool_version(["qemu-system-x86_64", "--version"]),
        "fio": tool_version(["fio", "--version"]),
        "commit": tool_version(["git", "-c", "safe.directory=*", "rev-parse", "--short=12", "HEAD"]),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def need(tool):
    if not shutil.which(tool):
        raise Failed(f"{tool} is missing: make deps installs it")
