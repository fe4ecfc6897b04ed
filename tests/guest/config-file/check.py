#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# check.py: a VM that a JSON file describes, by name and by standard input, boots like one of options: its command line,
# its disk and its memory reach the guest; an option wins over the file.
import json
import os
import subprocess
import sys

MONITOR = os.environ["MONITOR"]
JAILED = int(os.environ["MONITOR_UID"]) != os.geteuid()
WORK = os.environ["WORK"]
CONFIG = {
    "kernel": os.environ["IMAGE"],
    "mem": "8M",
    "cmdline": "-- from the file",
    "id": "vm-of-a-file",
    "console": "-",
    "metrics": f"{WORK}/file.json",
    "block": [{"id": "d", "path": os.environ["DISK_d"], "ro": True}],
}


def boot(argv, text=None):
    """(status, console, metrics)"""
    r = subprocess.run([MONITOR, *argv], input=text, stdin=None if text else subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if r.returncode:
        sys.exit(f"{argv}: status {r.returncode}: {r.stdout}{r.stderr}")
    with open(CONFIG["metrics"], encoding="utf-8") as f:
        metrics = json.load(f)
    os.unlink(CONFIG["metrics"])
    return r.stdout, metrics


def expect(what, have, want):
    if have != want:
        sys.exit(f"{what}: {have!r}, wanted {want!r}")


def main():
    path = f"{WORK}/vm.json"
    with open(path, "w", encoding="utf-8") as f:
        json.dump(CONFIG, f)
    os.chmod(path, 0o644)
    for name, argv, text in (("FILE", ["--config-file", path], None), ("-", ["--config-file", "-"], json.dumps(CONFIG))):
        out, metrics = boot(argv, text)
        expect(f"{name}: console", out, "Hello from Mayfly from the file\n")
        # A jailer gives an option, which wins.
        expect(f"{name}: id", metrics["id"] == "vm-of-a-file", not JAILED)
        expect(f"{name}: disks", [d["id"] for d in metrics["block"]], ["d"])
    out, _ = boot(["--config-file", path, "--cmdline", "-- from an option"])
    expect("an option", out, "Hello from Mayfly from an option\n")
    # What --dry-run --json prints is such a file.
    printed = subprocess.run([MONITOR, "--config-file", path, "--dry-run", "--json"], capture_output=True, text=True, check=True).stdout
    out, _ = boot(["--config-file", "-"], printed)
    expect("what --dry-run prints", out, "Hello from Mayfly from the file\n")


main()
