# SPDX-License-Identifier: MIT
"""bench_blk.py: one file, O_DIRECT, read and written by examples/blk-bench in our VM and in QEMU, and by fio on the host."""

import json
import os

from common import Failed, median, need, note, run, usable

SIZE = 256 << 20
# (row, operation, block size, depth, unit)
JOBS = (
    ("blk.randread.1", "randread", 4096, 1, "IOPS"),
    ("blk.randread.32", "randread", 4096, 32, "IOPS"),
    ("blk.randwrite.32", "randwrite", 4096, 32, "IOPS"),
    ("blk.seqread", "seqread", 1 << 20, 1, "MB/s"),
)


def make_disk(path):
    with open(path, "wb") as f:
        for _ in range(SIZE >> 20):
            f.write(os.urandom(1 << 20))
        f.flush()
        os.fsync(f.fileno())


def guest_args(op, bs, depth, seconds):
    return f"-- --file /dev/vda --op {op} --bs {bs} --depth {depth} --seconds {seconds} --direct --json"


def guest_result(out, unit):
    for line in out.splitlines():
        if line.startswith("{"):
            r = json.loads(line)
            return r["iops"] if unit == "IOPS" else r["mb_s"]
    raise Failed(f"no result: {out[-300:]!r}")


def run_ours(b, disk, op, bs, depth, seconds, unit):
    argv = b.monitor(b.image("blk-bench"), "--block", f"id=disk,path={disk},direct",
                     cmdline=guest_args(op, bs, depth, seconds))
    return guest_result(run(argv), unit)


def run_qemu(b, disk, op, bs, depth, seconds, unit):
    argv = b.qemu(b.image("blk-bench"), "-drive", f"if=none,id=disk,format=raw,file={disk},cache=none,aio=native",
                  "-device", "virtio-blk-device,drive=disk", cmdline=guest_args(op, bs, depth, seconds))
    # QEMU's status for a guest's 0 is 1.
    return guest_result(run(["/bin/sh", "-c", '"$@"; [ $? = 1 ]', "sh", *argv]), unit)


def run_fio(b, disk, op, bs, depth, seconds, unit):
    rw = {"seqread": "read", "seqwrite": "write"}.get(op, op)
    argv = ["fio", "--name=host", f"--filename={disk}", f"--rw={rw}", f"--bs={bs}", f"--iodepth={depth}", f"--size={SIZE}"]
    argv += ["--ioengine=libaio", "--direct=1", f"--runtime={seconds}", "--time_based", "--output-format=json"]
    if "write" in op:
        argv.append("--end_fsync=1")  # as blk-bench does
    out = run(argv)
    side = json.loads(out[out.index("{"):])["jobs"][0]["write" if "write" in op else "read"]
    return side["iops"] if unit == "IOPS" else side["bw_bytes"] / 1e6


def blk(b):
    jobs = [j for j in JOBS if b.wanted(j[0])]
    if not jobs:
        return
    need("fio")
    disk = f"{b.work}/disk.img"
    make_disk(disk)
    rounds, seconds = max(3, b.rounds // 10), 1
    runners = {"ours": run_ours, "qemu_microvm": run_qemu, "fio": run_fio}
    for row, *job, unit in jobs:
        try:
            good = usable(runners, lambda f: f(b, disk, *job, seconds, unit))
            got = {name: [] for name in good}
            for _ in range(rounds):
                for name, f in good.items():
                    got[name].append(f(b, disk, *job, seconds, unit))
            vs = {name: median(v) for name, v in got.items()}
            b.add(row, unit, vs.pop("ours"), vs, rounds)
        except Failed as e:
            b.failed = True
            note(f"{row}: {e}")
    os.unlink(disk)
