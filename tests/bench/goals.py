# SPDX-License-Identifier: MIT
"""goals.py: what the rows are to reach, and whether they do."""

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
    *((f"http.{load}", "faster than QEMU", lambda o, v: o > v["qemu_microvm"])
      for load in ("c1.1k", "c64.1k", "c1.1m", "c64.1m")),
    ("http.c64.1k", "at least half the native process", lambda o, v: o >= 0.5 * v["native_veth"]),
    ("http.c64.1m", "at least half the native process", lambda o, v: o >= 0.5 * v["native_veth"]),
    ("blk.randread.1", "ahead of QEMU", lambda o, v: o > v["qemu_microvm"]),
    ("blk.randread.32", "ahead of QEMU", lambda o, v: o > v["qemu_microvm"]),
    ("blk.randwrite.32", "ahead of QEMU", lambda o, v: o > v["qemu_microvm"]),
    ("blk.seqread", "ahead of QEMU", lambda o, v: o > v["qemu_microvm"]),
    ("blk.randread.32", "at least 70 % of fio", lambda o, v: o >= 0.7 * v["fio"]),
    ("blk.randwrite.32", "at least 70 % of fio", lambda o, v: o >= 0.7 * v["fio"]),
)


def verdicts(rows):
    """(row, what is to be reached, "reached", "MISSED" or "unknown: ..."), of the rows that are there."""
    by_name = {r["name"]: r for r in rows}
    for name, text, reached in GOALS:
        if not (row := by_name.get(name)):
            continue
        try:
            yield name, text, "reached" if reached(row["ours"], row["vs"]) else "MISSED"
        except KeyError as e:
            yield name, text, f"unknown: no {e.args[0]}"
