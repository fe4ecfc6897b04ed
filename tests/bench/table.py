#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""table.py [BENCH.JSON]: the figures of a run of `make bench` as README.md has them, in Markdown.

--write puts them into README.md, between its two bench markers; --check says, by status 1, whether those there are those
of the file. --rows prints the names of the rows that a whole run has and this one has not.
"""

import argparse
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from goals import verdicts  # noqa: E402

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../README.md")
BEGIN, END = "<!-- bench: tests/bench/table.py --write -->\n", "<!-- /bench -->\n"
VS = {
    "spawn_true": "/bin/true",
    "kvm_floor": "KVM floor",
    "qemu_microvm": "QEMU",
    "native_veth": "process over veth",
    "bare": "without a jail",
    "other_api": "another VM's API",
    "quiet": "no calls at all",
    "plain": "plain disk",
    "command_line": "command line",
    "boot": "boot of the same image",
}
# (row, what it is; None: not in the table)
ROWS = (
    ("boot.hello", "boot of hello, exec to exit"),
    ("boot.main", "boot of hello, exec to the guest's main"),
    ("seccomp.cost", "of it, both seccomp filters"),
    ("api.start", "InstanceStart by the API to the guest's main"),
    ("restore.exec", "restore from a snapshot in the page cache, exec to exit"),
    ("fork.pause", "pause of a VM of 64 MiB, all touched, while it is copied"),
    ("clone.private_kib", "memory of a clone of httpd, kernel included, {n} alive that each answered"),
    ("mem.pss", "memory of an idle monitor, without the guest's"),
    ("mem.idle_vm", "memory of an idle VM, all of it, {n} alive"),
    ("rewind.16", "a VM put back after 16 dirty pages, to the first guest instruction"),
    ("rewind.64", "after 64"),
    ("rewind.256", "after 256"),
    ("request.rewound.p50", "HTTP request to a VM that is clean each time, p50"),
    ("request.rewound.p99", "p99"),
    *((f"http.c{c}.{size}{suffix}", f"{text} of {size[0]} {size[1].upper()}iB, {c} connection{'s' if c > 1 else ''}{what}")
      for size in ("1k", "1m") for c in (1, 64)
      for suffix, text, what in (("", "HTTP", ""), (".p50", "HTTP", ", p50"), (".p99", "HTTP", ", p99"))),
    ("blk.randread.1", "disk, reads of 4 KiB, one at a time"),
    ("blk.randread.32", "reads of 4 KiB, 32 at once"),
    ("blk.randwrite.32", "writes of 4 KiB, 32 at once"),
    ("blk.seqread", "reads of 1 MiB in a row, huge pages"),
    *((f"blk.overlay.{kind}.rand{op}.32", f"{op}s through an overlay in {where}")
      for op in ("read", "write") for kind, where in (("mem", "memory"), ("file", "a file"))),
    ("jail.start", "a jail made on the spot, start to the guest's first byte"),
    ("jail.start50", "fifty at once, each"),
    ("jail.pool", "out of a pool of jails that wait"),
    ("jail.pool50", "fifty at once, each"),
    *((f"limit.{where}.{kind}", None)
      for where in ("blk.read", "blk.write", "net.rx", "net.tx") for kind in ("bytes", "ops", "burst")),
    ("api.noise", "HTTP while the VM's own API is hammered"),
)


def figure(v, unit):
    if unit == "us" and v >= 1000:
        return f"{v / 1000:.2f} ms" if v < 100000 else f"{v / 1000:.0f} ms"
    if unit == "KiB" and v >= 1024:
        return f"{v / 1024:.1f} MiB"
    return f"{v:.0f} {unit}" if v >= 100 else f"{v:.1f} {unit}"


def line(row, text, goals):
    seen = [f"{VS.get(k, k)} {figure(v, row['unit'])}, {row['ours'] / v:.2f}x" for k, v in row["vs"].items() if v and row["name"] != "seccomp.cost"]
    n = f"{row['n']}" if row["n"] < 10000 else f"{row['n'] // 1000}k"
    return f"| `{row['name']}` | {text.format(n=n)} | {figure(row['ours'], row['unit'])} | {'; '.join(seen)} | {'; '.join(goals)} | {n} |"


def goals_of(rows):
    got = {}
    for name, text, verdict in verdicts(rows):
        got.setdefault(name, []).append(text if verdict == "reached" else f"{text}: **{verdict.lower()}**")
    return got


def table(run):
    rows, goals = {r["name"]: r for r in run["rows"]}, goals_of(run["rows"])
    h = run["host"]
    yield f"Commit {h['commit']}, {h['date'][:10]}: {h['cores']} cores of {h['cpu']}, Linux {h['kernel']}, {h['kvm']}; {h['qemu'].split('(')[0].strip()}, {h['fio']}."
    yield ""
    yield "| row | what | ours | beside it, in turns | goal | n |"
    yield "|---|---|---|---|---|---|"
    for name, text in ROWS:
        if text and name in rows:
            yield line(rows[name], text, goals.get(name, []))
    limits = [r for n, r in rows.items() if n.startswith("limit.")]
    if limits:
        low, high = min(r["ours"] for r in limits), max(r["ours"] for r in limits)
        missed = [r["name"] for r in limits if not 95 <= r["ours"] <= 105]
        goal = "within 5 %" + (": **missed by " + ", ".join(missed) + "**" if missed else "")
        yield f"| `limit.*` | {len(limits)} rate limits, achieved to configured | {low:.1f} to {high:.1f} % | | {goal} | {min(r['n'] for r in limits)} |"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("file", nargs="?", default="build/bench.json")
    p.add_argument("--write", action="store_true")
    p.add_argument("--check", action="store_true")
    p.add_argument("--rows", action="store_true")
    args = p.parse_args()
    with open(args.file, encoding="utf-8") as f:
        run = json.load(f)
    if args.rows:
        missing = [n for n, _ in ROWS if not any(r["name"] == n for r in run["rows"])]
        print("\n".join(missing), end="\n" if missing else "")
        return 1 if missing else 0
    text = "\n".join(table(run)) + "\n"
    if not args.write and not args.check:
        print(text, end="")
        return 0
    with open(README, encoding="utf-8") as f:
        readme = f.read()
    head, rest = readme.split(BEGIN)
    old, tail = rest.split(END)
    if args.check:
        return 0 if old == text else f"README.md has other figures than {args.file}: tests/bench/table.py --write {args.file}"
    with open(README, "w", encoding="utf-8") as f:
        f.write(head + BEGIN + text + END + tail)
    return 0


if __name__ == "__main__":
    sys.exit(main())
