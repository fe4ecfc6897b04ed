#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench.py: the benchmarks that `make bench` runs; a table on stdout and BUILD/bench.json.

A full run has at least 100 rounds of everything that is counted in microseconds; server and disk rows are medians of
a fifth and a tenth as many one-second runs. Needs root (namespaces, taps) and /dev/kvm. BENCH_LANE=hw runs it all
inside the kvm_amd lane instead (tests/lanes/hw-run.sh), whose figures are ratios at best: its KVM is emulated. even_lane()
says what is evened out there.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the tree may be read-only
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from common import Bench, Failed, host_info, in_hw_lane, note  # noqa: E402

# (row, what is to be reached, ours and the row's "vs" -> reached?)
GOALS = (
    ("jail.start", "at most 2.0 ms over bare", lambda o, v: o - v["bare"] <= 2000),
    ("jail.start50", "at most 4.0 ms over bare, each", lambda o, v: o - v["bare"] <= 4000),
    ("jail.pool", "no more than bare", lambda o, v: o <= v["bare"]),
    ("seccomp.cost", "at most 100 us", lambda o, v: o <= 100),
    ("boot.hello", "at most 1.5 times the KVM floor", lambda o, v: o <= 1.5 * v["kvm_floor"]),
    ("boot.hello", "at most 5 times /bin/true", lambda o, v: o <= 5 * v["spawn_true"]),
    ("boot.hello", "ten times faster than QEMU", lambda o, v: 10 * o <= v["qemu_microvm"]),
    ("api.start", "at most 1.2 times the command line", lambda o, v: o <= 1.2 * v["command_line"]),
    ("api.noise", "at least 0.9 of the same noise next door", lambda o, v: o >= 0.9 * v["other_api"]),
    *((f"limit.{where}.{kind}", "within 5 %", lambda o, v: 95 <= o <= 105)
      for where in ("blk.read", "blk.write", "net.rx", "net.tx") for kind in ("bytes", "ops", "burst")),
    ("rewind.16", "at most 0.25 of /bin/true", lambda o, v: o <= 0.25 * v["spawn_true"]),
    ("rewind.64", "at most 0.35 of /bin/true", lambda o, v: o <= 0.35 * v["spawn_true"]),
    ("request.rewound.p50", "at most one /bin/true", lambda o, v: o <= v["spawn_true"]),
    ("request.rewound.p99", "at most 4 times p50", lambda o, v: o <= 4 * v["p50"]),
    ("restore.exec", "at most 1.3 times the KVM floor", lambda o, v: o <= 1.3 * v["kvm_floor"]),
    ("fork.pause", "at most 5 ms", lambda o, v: o <= 5000),
    ("clone.private_kib", "at most 1.5 MiB", lambda o, v: o <= 1536),
    ("mem.pss", "at most 1 MiB", lambda o, v: o <= 1024),
    ("mem.idle_vm", "at most 2 MiB", lambda o, v: o <= 2048),
    ("http.c1.1k", "faster than QEMU", lambda o, v: o > v["qemu_microvm"]),
    ("http.c64.1k", "faster than QEMU", lambda o, v: o > v["qemu_microvm"]),
    ("http.c64.1m", "faster than QEMU", lambda o, v: o > v["qemu_microvm"]),
    ("http.c64.1k", "at least half the native process", lambda o, v: o >= 0.5 * v["native_veth"]),
    ("http.c64.1m", "at least half the native process", lambda o, v: o >= 0.5 * v["native_veth"]),
    ("blk.randread.1", "ahead of QEMU", lambda o, v: o > v["qemu_microvm"]),
    ("blk.randread.32", "ahead of QEMU", lambda o, v: o > v["qemu_microvm"]),
    ("blk.randwrite.32", "ahead of QEMU", lambda o, v: o > v["qemu_microvm"]),
    ("blk.seqread", "ahead of QEMU", lambda o, v: o > v["qemu_microvm"]),
    ("blk.randread.32", "at least 70 % of fio", lambda o, v: o >= 0.7 * v["fio"]),
    ("blk.randwrite.32", "at least 70 % of fio", lambda o, v: o >= 0.7 * v["fio"]),
)


def print_goals(rows):
    by_name = {r["name"]: r for r in rows}
    for name, text, reached in GOALS:
        row = by_name.get(name)
        if not row:
            continue
        try:
            verdict = "reached" if reached(row["ours"], row["vs"]) else "MISSED"
        except KeyError as e:
            verdict = f"unknown: no {e.args[0]}"
        print(f"goal {name:22} {text}: {verdict}")


def preflight(rows):
    """One line that says what is missing, or None."""
    if all(r.startswith("jail.") for r in rows) and not os.geteuid():
        return None  # they do without KVM: the monitor's part cancels
    if os.environ.get("BENCH_LANE") == "hw" and not in_hw_lane():
        return None
    if not os.path.exists("/dev/kvm"):
        return "no /dev/kvm: load kvm_intel or kvm_amd, or run it in the emulated lane by `make bench BENCH_LANE=hw`"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "no access to /dev/kvm: run as root, or join its group (sudo usermod -aG kvm $USER)"
    if os.geteuid():
        return "network namespaces need root: sudo make bench"
    return None


def run_in_lane(args):
    """The same command inside the kvm_amd lane; the result comes back through the lane's scratch folder."""
    name = f"bench.{os.getpid()}.json"
    inner = f"build/hw/scratch/{name}"
    env = "".join(f"{k}={os.environ[k]} " for k in ("BENCH_VMS",) if k in os.environ)
    command = f"{env}TMPDIR=/var/tmp tests/bench/bench.py -O {args.build} -n {args.rounds} --rows '{args.rows}' --out {inner}"
    r = subprocess.run(["tests/lanes/hw-run.sh", "-t", os.environ.get("BENCH_TIMEOUT", "7200"), command], check=False)
    if os.path.exists(inner):
        shutil.move(inner, args.out)
    return r.returncode


def even_lane(build):
    """Take out what only an emulated CPU pays for. Its translations are found by virtual address: with random ones each
    exec would be translated anew, which favours whoever executes least code once. And programs on the host's file
    system fault page by page over 9p: they are copied. The build folder to use."""
    with open("/proc/sys/kernel/randomize_va_space", "w", encoding="ascii") as f:
        f.write("0")
    for folder in ("bin", "bench", "examples", "guests", "jail"):
        shutil.copytree(f"{build}/{folder}", f"/tmp/build/{folder}", dirs_exist_ok=True)
    return "/tmp/build"


def measure(args):
    import bench_api, bench_blk, bench_boot, bench_http, bench_jail, bench_limit, bench_mem, bench_rewind, bench_snap  # noqa: E401

    host = host_info()
    print("host " + ", ".join(f"{k} {v}" for k, v in host.items()), flush=True)
    with tempfile.TemporaryDirectory(prefix="mayfly-bench-") as work:
        b = Bench(even_lane(args.build) if in_hw_lane() else args.build, args.rounds, args.rows.replace(",", " ").split(), work)
        for part in (bench_boot.boot, bench_api.api, bench_limit.all_of_it, bench_jail.jail, bench_rewind.rewind_all, bench_snap.snap, bench_mem.mem, bench_http.http, bench_blk.blk):
            try:
                part(b)
            except Failed as e:
                b.failed = True
                note(f"{part.__name__}: {e}")
    print_goals(b.rows)
    with open(args.out + ".tmp", "w", encoding="utf-8") as f:
        json.dump({"host": host, "rows": b.rows}, f, indent=1)
        f.write("\n")
    os.replace(args.out + ".tmp", args.out)
    return 1 if b.failed or not b.rows else 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-O", dest="build", default="build", help="build folder")
    p.add_argument("-n", dest="rounds", type=int, default=100, help="rounds (100)")
    p.add_argument("--rows", default="*", help="patterns of row names, separated by commas or blanks (*)")
    p.add_argument("--out", help="result (BUILD/bench.json)")
    p.add_argument("--preflight", action="store_true", help="only say whether it can run here")
    args = p.parse_args()
    args.out = args.out or f"{args.build}/bench.json"
    if args.rounds < 1:
        p.error("-n must be at least 1")
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    problem = preflight(args.rows.replace(",", " ").split())
    if problem:
        note(problem)
        return 2
    if args.preflight:
        return 0
    if os.environ.get("BENCH_LANE") == "hw" and not in_hw_lane():
        return run_in_lane(args)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return measure(args)


if __name__ == "__main__":
    sys.exit(main())
