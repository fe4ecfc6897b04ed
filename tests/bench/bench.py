#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench.py: the benchmarks that `make bench` runs; a table on stdout, progress on stderr, and BUILD/bench.json.

A full run has 100 rounds or more of every row, ours and its competitors in turn, and takes half an hour. What is measured is
in the file at once: Ctrl-C keeps it, and a row that is lost takes no other along. The status is 1 then. Needs root (namespaces, taps) and /dev/kvm. BENCH_LANE=hw runs it all
inside the kvm_amd lane instead (tests/lanes/hw-run.sh), whose figures are ratios at best: its KVM is emulated. even_lane()
says what is evened out there.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the tree may be read-only
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from common import Bench, Failed, host_info, in_hw_lane, minutes, note  # noqa: E402
from goals import verdicts  # noqa: E402

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


def parts():
    import bench_api, bench_blk, bench_boot, bench_http, bench_jail, bench_limit, bench_mem, bench_rewind, bench_snap  # noqa: E401

    return (bench_boot.boot, bench_api.api, bench_snap.snap, bench_mem.mem, bench_rewind.rewind_all, bench_http.http,
            bench_blk.blk, bench_jail.jail, bench_limit.all_of_it)


def keep(out, host, b):
    """All there is so far."""
    with open(out + ".tmp", "w", encoding="utf-8") as f:
        json.dump({"host": host, "seconds": round(time.monotonic() - b.began), "rows": b.rows, "lost": b.lost}, f, indent=1)
        f.write("\n")
    os.replace(out + ".tmp", out)


def measure(args):
    host, status = host_info(), 0
    print("host " + ", ".join(f"{k} {v}" for k, v in host.items()), flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="mayfly-bench-") as work:
        b = Bench(even_lane(args.build) if in_hw_lane() else args.build, args.rounds, args.rows.replace(",", " ").split(), work,
                  lambda b: keep(args.out, host, b))
        try:
            for part in parts():
                try:
                    part(b)
                except Failed as e:
                    b.lost[part.__name__] = str(e)
                    note(f"all of {part.__name__} LOST: {e}")
        except KeyboardInterrupt:
            status = 130
            note("interrupted")
    keep(args.out, host, b)
    for row, text, verdict in verdicts(b.rows):
        print(f"goal {row:22} {text}: {verdict}")
    note(f"{len(b.rows)} rows in {minutes(time.monotonic() - b.began)}" + (", lost: " + " ".join(b.lost) if b.lost else ""))
    return status or (1 if b.lost or not b.rows else 0)


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
