#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py: runs the guest tests of cases.ini in one lane.

Lanes: tcg (QEMU microvm by TCG), kvm (mayfly-monitor on this host's /dev/kvm), kvm-qemu (QEMU microvm there),
hw and hw-qemu (the same two in the nested kvm_amd machine; all cases in one boot of it).
One line a case, and "N passed, N failed, N skipped" at the end; logs in BUILD/test-logs/LANE.
"""

import argparse
import concurrent.futures
import fnmatch
import os
import shlex
import signal
import subprocess
import sys
import threading
import time

import caselist
import lane as lanes

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def parse_args():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("lane", choices=caselist.LANES)
    p.add_argument("cases", nargs="*", help="names or patterns (default: all of the lane)")
    p.add_argument("-O", dest="build", default="build", help="build folder")
    p.add_argument("-j", dest="jobs", type=int, default=0, help="cases at one time (default: 2)")
    p.add_argument("--short", action="store_true", help="leave out the cases with short = no")
    p.add_argument("--jailed", action="store_true", help="run the monitor in a jail (monitor lanes, root)")
    p.add_argument("--again", type=int, default=0, metavar="N", help="run up to N failed cases once more, alone: what then passes is told, and counted as passed")
    p.add_argument("--list", action="store_true", help="print the names and stop")
    p.add_argument("--running", action="store_true", help="hw: use the machine of hw-run.sh --start")
    p.add_argument("--logs", help="folder for logs (default BUILD/test-logs)")
    p.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # we are inside the nested machine
    return p.parse_intermixed_args()


def sanitized(build):
    with open(f"{build}/bin/mayfly-monitor", "rb") as f:
        return b"__asan_init" in f.read()


def usable(lane, here, jailed, build):
    """None, or why the lane cannot run here."""
    if jailed and sanitized(build):
        return "a sanitized monitor needs the loader that a jail lacks"
    if jailed and lanes.is_qemu(lane):
        return "only our monitor is jailed"
    if jailed and os.geteuid() and (here or not lane.startswith("hw")):
        return "jails with device nodes need root"
    if lane.startswith("hw") and not here:
        return None
    if lane != "tcg" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm is not usable here"
    return None


def run_nested(args, names):
    """Runs this program again in the nested machine; its output is ours."""
    logs = f"{ROOT}/build/hw/scratch/test-logs"
    inner = ["python3", "-B", "tests/guest/run.py", args.lane, "-O", args.build, "--here", "--logs", logs] + names
    inner += ["--jailed"] if args.jailed else []
    inner += ["--again", str(args.again)] if args.again else []
    argv = ["tests/lanes/hw-run.sh", "-t", "3600"] + (["--exec"] if args.running else [])
    return subprocess.run(argv + [shlex.join(inner)], cwd=ROOT).returncode


def kill_group(proc):
    try:
        os.killpg(proc.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    proc.wait()


def boot(setting, argv, seconds, log):
    """Returns the exit status or None when it hung; stdout goes to log.out, stderr to log.err."""
    with open(log + ".out", "wb") as out, open(log + ".err", "wb") as err:
        proc = subprocess.Popen(
            setting.inside(argv),
            cwd=ROOT,
            env=setting.env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            return proc.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            kill_group(proc)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read().replace("\r", "")


def judge(case, lane, status, log):
    """None when all is as expected, or what is not."""
    out, err = read(log + ".out"), read(log + ".err")
    mask = 0x7F if lanes.is_qemu(lane) and status != 125 else 0xFF
    want = 0 if case.script else case.status
    if status & mask != want & mask:
        return f"status {status}, expected {want}"
    for pattern in case.stdout:
        if not pattern.search(out):
            return f"console output has no /{pattern.pattern}/"
    for pattern in case.output:
        if not pattern.search(out) and not pattern.search(err):
            return f"output has no /{pattern.pattern}/"
    for pattern in case.never:
        if pattern.search(out) or pattern.search(err):
            return f"output has /{pattern.pattern}/"
    return None


def run_case(case, lane, build, logs, number, jailed):
    """("ok" | "FAIL" | "skip", reason)"""
    if jailed and not case.jail:
        return "skip", case.why_no_jail
    log = f"{logs}/{case.name}"
    work = f"{'/var/tmp' if lane.startswith('hw') else logs}/{case.name}.work"
    try:
        with lanes.Setting(case, lane, build, work, number, jailed) as setting:
            argv = ["/bin/sh", "-c", case.script] if case.script else [setting.env["BOOT"]]
            status = boot(setting, argv, case.timeout * lanes.slow(lane), log)
            if status is None:
                return "FAIL", f"hung: no end after {case.timeout * lanes.slow(lane):.0f} s"
            if case.script and status == 77:
                return "skip", (read(log + ".out").strip().splitlines() or ["no reason given"])[-1]
            why = judge(case, lane, status, log)
            if why:
                return "FAIL", why
            if case.after:
                setting.sh(case.after, "after")
        return "ok", ""
    except lanes.Skip as e:
        return "skip", str(e)
    except (OSError, RuntimeError, subprocess.SubprocessError) as e:
        return "FAIL", str(e)


class Reporter:
    def __init__(self, lane, logs):
        self.lane, self.logs, self.lock = lane, logs, threading.Lock()
        self.count = {"ok": 0, "FAIL": 0, "skip": 0}
        self.failed = []

    def tell(self, case, verdict, why, seconds, number):
        with self.lock:
            self.count[verdict] += 1
            if verdict == "FAIL":
                self.failed.append((number, case))
            print(f"{verdict:4} {self.lane} {case.name} ({seconds:.1f} s){': ' if why else ''}{why}", flush=True)
            if verdict == "FAIL":
                self.show_tail(case)

    def show_tail(self, case):
        for end in ("out", "err"):
            path = f"{self.logs}/{case.name}.{end}"
            if os.path.exists(path):
                for line in read(path).splitlines()[-12:]:
                    print(f"     | {line[:200]}", flush=True)

    def passed_again(self, case):
        print(f"UNSTABLE {self.lane} {case.name}: failed once, passed alone", flush=True)
        self.count["FAIL"] -= 1

    def summary(self):
        print("{ok} passed, {FAIL} failed, {skip} skipped".format(**self.count), flush=True)
        return 1 if self.count["FAIL"] else 0


def run_all(args, cases, logs):
    reporter = Reporter(args.lane + (" jailed" if args.jailed else ""), logs)

    def one(numbered):
        number, case = numbered
        start = time.monotonic()
        verdict, why = run_case(case, args.lane, args.build, logs, number, args.jailed)
        reporter.tell(case, verdict, why, time.monotonic() - start, number)
        return verdict

    jobs = args.jobs or 2
    together = [nc for nc in enumerate(cases) if not nc[1].alone]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, together))
    for numbered in enumerate(cases):
        if numbered[1].alone:
            one(numbered)
    if len(reporter.failed) <= args.again:
        run_again(reporter, one)
    return reporter.summary()


def run_again(reporter, one):
    """What failed beside another case, once more and alone; what fails then has failed."""
    failed, reporter.failed = reporter.failed, []
    for number, case in failed:
        if one((number, case)) == "ok":
            reporter.passed_again(case)
        else:
            reporter.count["FAIL"] -= 1  # it is counted once


def main():
    args = parse_args()
    os.chdir(ROOT)
    sys.stdout.reconfigure(line_buffering=True)
    args.build = os.path.abspath(args.build)
    try:
        cases = [c for c in caselist.load(ROOT) if args.lane in c.lanes]
    except caselist.CaseError as e:
        print(f"run.py: {e}", file=sys.stderr)
        return 2
    if args.cases:
        cases = [c for c in cases if any(fnmatch.fnmatch(c.name, p) for p in args.cases)]
    if args.short:
        cases = [c for c in cases if c.short]
    if args.list:
        print("\n".join(c.name for c in cases))
        return 0
    if not cases:
        print(f"run.py: no such case in lane {args.lane}", file=sys.stderr)
        return 2
    why = usable(args.lane, args.here, args.jailed, args.build)
    if why:
        print(f"skip {args.lane}: {why}\n0 passed, 0 failed, {len(cases)} skipped")
        return 0
    if args.lane.startswith("hw") and not args.here:
        return run_nested(args, [c.name for c in cases])
    logs = os.path.abspath(os.path.join(args.logs or f"{args.build}/test-logs", args.lane + ("-jailed" if args.jailed else "")))
    os.makedirs(logs, exist_ok=True)
    return run_all(args, cases, logs)


if __name__ == "__main__":
    sys.exit(main())
