#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# kill.py: kill -9 the VMM under fs-fsync at a random record, several times, and look at the disk. What was
# reported as synced must be there after e2fsck -fy: the log up to that record, the file of that round, and
# `current` with that record or a later one. With OVERLAY=FILE the disk is the image that
# boots with that overlay, merged. Between kills the disk is repaired by e2fsck or, in every other
# round, left to the guest's own recovery. The random numbers are printed, so that a failure can be repeated.
import os
import random
import re
import shutil
import signal
import subprocess
import sys

ROUNDS = 6 if float(os.environ.get("SLOW", "1")) < 5 else 2
DISK = os.environ["DISK_root"]
WORK = os.environ["WORK"]
OVERLAY = os.environ.get("OVERLAY")

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/overlay")
import merge  # noqa: E402


def record(n):
    return f"record {n:08d} of the log, with some text in it\n"


def run_and_kill(after):
    """Boot, kill -9 when record `after` was reported. The last number that was reported."""
    vm = subprocess.Popen([os.environ["BOOT"]], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    last = 0
    for line in vm.stdout:
        m = re.search(r"synced (\d+)", line)
        if m:
            last = int(m.group(1))
        elif "FAIL" in line:
            sys.exit("guest: " + line)
        if last >= after:
            break
    else:
        sys.exit(f"the guest ended by itself after record {last}")
    with open(f"{WORK}/vmm.pid", encoding="utf-8") as f:
        os.kill(int(f.read()), signal.SIGKILL)
    # What it had written before it died counts too.
    for line in vm.stdout:
        m = re.fullmatch(r"synced (\d+)\n", line)
        if m:
            last = int(m.group(1))
    vm.wait()
    return last


def fsck(path, *options):
    r = subprocess.run(["e2fsck", *options, path], capture_output=True, text=True)
    return r.returncode, r.stdout


def cat(path, name):
    r = subprocess.run(["debugfs", "-R", f"cat {name}", path], capture_output=True, text=True)
    return r.stdout


def check(path, last):
    log = cat(path, "/log").splitlines(keepends=True)
    want = [record(n) for n in range(1, last + 1)]
    # A log that a previous run began stays in front.
    joined = "".join(log)
    if "".join(want) not in joined:
        sys.exit(f"the log lacks records: {len(log)} lines, {last} were synced")
    if cat(path, f"/files/{last % 500}") not in (record(last), record(last + 500)):
        sys.exit(f"/files/{last % 500} is not as synced")
    m = re.fullmatch(r"record (\d+) .*\n", cat(path, "/current"))
    if not m or int(m.group(1)) < last or cat(path, "/current") != record(int(m.group(1))):
        sys.exit(f"/current is {cat(path, '/current')!r}, at least {last} was synced")


def main():
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print("seed", seed, flush=True)
    rng = random.Random(seed)
    for i in range(ROUNDS):
        last = run_and_kill(rng.randrange(1, 60))
        copy = f"{WORK}/copy.img"
        if OVERLAY:
            merge.merge(DISK, OVERLAY, copy)
        else:
            shutil.copyfile(DISK, copy)
        code, text = fsck(copy, "-fy")
        if code & ~3:
            sys.exit(f"e2fsck -fy gave up ({code}):\n{text}")
        if fsck(copy, "-fn")[0]:
            sys.exit("the repaired disk is not clean")
        check(copy, last)
        if i % 2 == 0 and not OVERLAY:
            shutil.copyfile(copy, DISK)
        print(f"round {i}: {last} records synced, all there", flush=True)


main()
