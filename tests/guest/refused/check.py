#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check.py: every way a host can fail a start is status 2 and one line that names the option.

A start that fails takes paths which a start that works never takes, and a filter that forgets one of them kills the
monitor in place of an answer. So each row runs with the filter on, against the real thing: a tap in use, a port in use,
a file that is no file. Runs inside a lane (tests/guest/run.py): O, WORK, TAP and SLOW are its own.
"""

import json
import os
import re
import socket
import subprocess
import sys

MONITOR = os.path.join(os.environ.get("O", "build"), "bin", "mayfly-monitor")
HELLO = os.path.join(os.environ.get("O", "build"), "examples/hello")
WORK, TAP = os.environ["WORK"], os.environ["TAP"]
PATIENCE = 60 * float(os.environ.get("SLOW", "1"))
W = f"{WORK}/refused"


def prepare():
    """Files that are not what they are named for; sockets that hold their names. Keep what is returned."""
    os.makedirs(f"{W}/folder", exist_ok=True)
    for name, data in {
        "empty": b"",
        "text": b"#!/bin/sh\n",
        "cut.elf": open(HELLO, "rb").read()[:100],
        "disk": bytes(65536),
        "bad.json": b'{"kernel": ',
        "key.json": b'{"kernel": "x", "kernle": 1}',
        "state": b"MAYFLY" * 100,
    }.items():
        with open(f"{W}/{name}", "wb") as f:
            f.write(data)
    for link, to in {"loop": "loop", "nowhere": "missing/x"}.items():
        if not os.path.islink(f"{W}/{link}"):
            os.symlink(to, f"{W}/{link}")
    port = socket.create_server(("127.0.0.1", 0))
    taken = socket.socket(socket.AF_UNIX)
    taken.bind(f"{W}/taken.sock")
    taken.listen()
    return port, taken


def rows(port):
    k = ["--kernel", HELLO]
    snap = ["--snapshot", f"path={W}/missing/vm"]
    return [
        # image
        (["--kernel", f"{W}/missing"], "--kernel .*missing: No such file"),
        (["--kernel", f"{W}/folder"], "--kernel .*folder"),
        (["--kernel", f"{W}/empty"], "--kernel .*empty"),
        (["--kernel", f"{W}/text"], "--kernel .*text"),
        (["--kernel", f"{W}/cut.elf"], "--kernel .*cut.elf"),
        (["--kernel", f"{W}/loop"], "--kernel .*loop"),
        (["--kernel", "/dev/null"], "--kernel /dev/null"),
        (["--kernel", "/bin/true"], "--kernel /bin/true.*mayfly-cc"),
        (k + ["--mem", "1M"], "--mem"),
        (k + ["--mem", "17592186044416M"], "--mem"),
        # disks
        (k + ["--block", f"path={W}/missing"], "--block .*missing: No such file"),
        (k + ["--block", f"path={W}/folder"], "--block .*folder"),
        (k + ["--block", "path=/dev/null"], "--block .*/dev/null"),
        (k + ["--block", f"path={W}/nowhere,ro"], "--block .*nowhere"),
        (k + ["--block", f"path={W}/disk,queues=9"], "--block.*queues"),
        # networks
        (k + ["--net", "tap=nosuch0"], "--net .*nosuch0.*ip tuntap add"),
        (k + ["--net", f"tap={TAP}", "--net", f"id=b,tap={TAP}"], f"net .*{TAP}"),
        (k + ["--net", "tap=lo"], "--net .*lo"),
        (k + ["--net", "fd=77"], "--net .*77"),
        (k + ["--net", f"user,fwd={port}:80"], f"{port}"),
        (k + ["--net", "user,fwd=192.0.2.1:8080:80"], "192.0.2.1"),
        # where output goes
        (k + ["--console", f"{W}/missing/c"], "--console .*missing/c"),
        (k + ["--console", f"{W}/folder"], "--console .*folder"),
        (k + ["--metrics", f"{W}/missing/m"], "--metrics .*missing/m"),
        (k + ["--metrics", f"{W}/folder"], "--metrics .*folder"),
        # configuration
        (["--config-file", f"{W}/missing"], "--config-file: .*missing"),
        (["--config-file", f"{W}/folder"], "--config-file: .*folder"),
        (["--config-file", f"{W}/bad.json"], "bad.json.*line 1"),
        (["--config-file", f"{W}/key.json"], "kernle"),
        # snapshots, API, serving, seccomp
        (["--restore", f"path={W}/missing"], "missing: No such file"),
        (["--restore", f"path={W}/folder"], "folder"),
        (["--restore", f"path={W}/empty"], "empty"),
        (["--restore", f"path={W}/state"], "state"),
        (["--kernel", f"{os.environ.get('O', 'build')}/guests/snap"] + snap, "missing/vm"),
        (["--api-sock", f"{W}/missing/s"], "--api-sock .*missing/s"),
        (["--api-sock", f"{W}/taken.sock"], "--api-sock .*taken.sock"),
        (["--api-sock", f"{W}/disk"], "--api-sock .*disk"),
        (["--api-sock", "x" * 200], "--api-sock"),
        (k + ["--serve", str(port)], f"--serve .*{port}"),
        (k + ["--seccomp", "on", "--seccomp-policy", f"{W}/missing"], "--seccomp-policy .*missing"),
        (k + ["--seccomp", "on", "--seccomp-policy", f"{W}/disk"], "--seccomp-policy .*disk"),
    ]


# A user who may not open /dev/kvm, and a host that has none.
HOSTS = [
    ["unshare", "-m", "sh", "-c", f': >{W}/kvm && chmod 600 {W}/kvm && mount --bind {W}/kvm /dev/kvm && exec "$@"', "sh"]
    + ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"],
    ["unshare", "-m", "sh", "-c", 'mount --bind /dev/null /dev/kvm && exec "$@"', "sh"],
]


def judge(args, pattern, host=()):
    """1 unless the monitor says, in one line, what is wrong and ends with 2."""
    r = subprocess.run([*host, MONITOR, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False)
    said = r.stderr.strip()
    if r.returncode == 2 and len(said.splitlines()) == 1 and re.search(pattern, said):
        return 0
    print(f"{' '.join([*host, *args])}: status {r.returncode}, wanted one line with /{pattern}/, got:\n{said}", flush=True)
    return 1


def judge_host():
    """1 unless --check-host, which asks for what nothing else does, says all it has to say on this very host."""
    r = subprocess.run([MONITOR, "--check-host", "--json"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    try:
        wanting = sum(not c["ok"] for c in json.loads(r.stdout)["checks"])
        if r.returncode == (1 if wanting else 0):
            return 0
    except (ValueError, KeyError):
        pass
    print(f"--check-host: status {r.returncode}\n{r.stdout}{r.stderr}", flush=True)
    return 1


def main():
    held = prepare()
    todo = [(args, pattern, ()) for args, pattern in rows(held[0].getsockname()[1])]
    todo += [(["--kernel", HELLO], "/dev/kvm", host) for host in HOSTS]
    bad = sum(judge(*row) for row in todo)
    bad += judge_host()
    print(f"{len(todo) + 1} rows, {bad} wrong")
    sys.exit(1 if bad else 0)


main()
