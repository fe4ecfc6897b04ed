#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check.py MAKE TARGET...: what `make check` runs once everything is built.

Runs each target by make, shows its output, and adds up its closing line "N passed, N failed, N skipped" (or one
pass or failure by its exit status when it has none, and one failure when it failed without counting one). Ends
with one such line for all, and non-zero when anything failed or nothing ran. Nothing is trusted but exit statuses.
"""

import re
import subprocess
import sys
import time

CLOSING = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")


def run_target(make, target, unstable):
    """(passed, failed, skipped); the closing lines are taken out of what is shown, UNSTABLE ones are noted."""
    total, counted = [0, 0, 0], False
    proc = subprocess.Popen(
        make + [target],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        close_fds=False,  # make's job server
    )
    for line in proc.stdout:
        m = CLOSING.match(line.strip())
        if m:
            total = [a + int(b) for a, b in zip(total, m.groups())]
            counted = True
        else:
            print(line, end="", flush=True)
            if line.startswith("UNSTABLE "):
                unstable.append(line)
    failed = proc.wait() != 0
    if not counted:
        return [0, 1, 0] if failed else [1, 0, 0]
    if failed and not total[1]:
        total[1] = 1
    return total


def main():
    make, targets = [sys.argv[1]], sys.argv[2:]
    rows, total, unstable = [], [0, 0, 0], []
    for target in targets:
        print(f"--- {target}", flush=True)
        start = time.monotonic()
        counts = run_target(make, target, unstable)
        rows.append((target, counts, time.monotonic() - start))
        total = [a + b for a, b in zip(total, counts)]
    print("---")
    for target, (passed, failed, skipped), seconds in rows:
        print(f"{target:20} ok {passed:5}  FAIL {failed:3}  skip {skipped:3}  {seconds:6.1f} s")
    print("".join(unstable), end="")
    print("{} passed, {} failed, {} skipped".format(*total))
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
