# SPDX-License-Identifier: MIT
"""bench_blk.py: one file, O_DIRECT, read and written by examples/blk-bench in our VM and in QEMU, and by fio on the host; and
by our VM through an overlay. A sample is a fifth of a second, with a fresh VM each."""

import json
import os
import subprocess

from common import Failed, median, need, run, usable

SIZE = 256 << 20
SAMPLE_MS = 200
# (row, operation, block size, depth, unit)
JOBS = (
    ("blk.randread.1", "randread", 4096, 1, "IOPS"),
    ("blk.randread.32", "randread", 4096, 32, "IOPS"),
    ("blk.randwrite.32", "randwrite", 4096, 32, "IOPS"),
    ("blk.seqread", "seqread", 1 << 20, 1, "MB/s"),
)


def make_disk(path):
    """Random bytes on the disk and none in the page cache: a write in O_DIRECT that finds its page there has to throw it
    out first, for which io_uring takes a worker thread, until all have gone."""
    with open(path, "wb") as f:
        for _ in range(SIZE >> 20):
            f.write(os.urandom(1 << 20))
        f.flush()
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def guest_args(op, bs, depth, until=f"--seconds {SAMPLE_MS / 1000}"):
    return f"-- --file /dev/vda --op {op} --bs {bs} --depth {depth} {until} --direct --json"


def guest_result(out, unit):
    for line in out.splitlines():
        if line.startswith("{"):
            r = json.loads(line)
            return r["iops"] if unit == "IOPS" else r["mb_s"]
    raise Failed(f"no result: {out[-300:]!r}")


def run_ours(b, disk, job, how="direct", *until):
    argv = b.monitor(b.image("blk-bench"), "--block", f"id=disk,path={disk},{how}", cmdline=guest_args(*job[:3], *until))
    return guest_result(run(argv), job[3])


def run_qemu(b, disk, job):
    argv = b.qemu(b.image("blk-bench"), "-drive", f"if=none,id=disk,format=raw,file={disk},cache=none,aio=native",
                  "-device", "virtio-blk-device,drive=disk", cmdline=guest_args(*job[:3]))
    # QEMU's status for a guest's 0 is 1.
    return guest_result(run(["/bin/sh", "-c", '"$@"; [ $? = 1 ]', "sh", *argv]), job[3])


def run_fio(_, disk, job, memory="malloc"):
    op, bs, depth, unit = job
    rw = {"seqread": "read"}.get(op, op)
    argv = ["fio", "--name=host", f"--filename={disk}", f"--rw={rw}", f"--bs={bs}", f"--iodepth={depth}", f"--size={SIZE}"]
    argv += ["--ioengine=libaio", "--direct=1", f"--runtime={SAMPLE_MS}ms", "--time_based", f"--mem={memory}"]
    if "write" in op:
        argv.append("--end_fsync=1")  # as blk-bench does
    out = run(argv + ["--output-format=json"])
    side = json.loads(out[out.index("{"):])["jobs"][0]["write" if "write" in op else "read"]
    return side["iops"] if unit == "IOPS" else side["bw_bytes"] / 1e6


class HugePages:
    """A few of the host's, for fio."""

    FILE = "/proc/sys/vm/nr_hugepages"

    def __enter__(self):
        with open(self.FILE, "r+", encoding="ascii") as f:
            self.before = int(f.read())
            f.seek(0)
            f.write(str(self.before + 4))
        return self

    def __exit__(self, *exc):
        with open(self.FILE, "w", encoding="ascii") as f:
            f.write(str(self.before))


def in_turns(runners, rounds):
    """Medians of {name: function}, called in turn; those that do not work are left out."""
    good = usable(runners, lambda f: f())
    got = {name: [] for name in good}
    for _ in range(rounds):
        for name, f in good.items():
            got[name].append(f())
    return {name: median(v) for name, v in got.items()}


def one_row(b, disk, row, job):
    need("fio")
    runners = {"ours": lambda: run_ours(b, disk, job), "qemu_microvm": lambda: run_qemu(b, disk, job)}
    # For a MiB at a time the size of pages is all: both VMMs have huge ones.
    runners["fio"] = lambda: run_fio(b, disk, job, "shmhuge" if job[0] == "seqread" else "malloc")
    with HugePages():
        vs = in_turns(runners, b.rounds)
    b.add(row, job[3], vs.pop("ours"), vs, b.rounds)


def overlay_rows(b, disk, op):
    """An overlay over the disk beside a disk of its own, all through the page cache, as an overlay has it. In memory it
    begins empty each time, the file is filled from the second time on. So many writes and the flush that ends them count
    as a whole: a sixth of a second of writes would take seconds to flush."""
    job, plain, over = (op, 4096, 32, "IOPS"), f"{b.work}/plain.img", f"{b.work}/overlay.{op}"
    until = ["--count 2000"] if op == "randwrite" else []
    make_disk(plain)
    for path in (plain, disk):  # into the page cache
        run(["cat", path], stdout=subprocess.DEVNULL)
    got = in_turns({
        "ours": lambda: run_ours(b, plain, job, "queues=1", *until),
        "mem": lambda: run_ours(b, disk, job, f"overlay=mem,overlay-max={SIZE >> 20}M", *until),
        "file": lambda: run_ours(b, disk, job, f"overlay={over}", *until),
    }, b.rounds)
    os.unlink(plain)
    for kind in ("mem", "file"):
        if kind in got:
            b.add(f"blk.overlay.{kind}.{op}.32", "IOPS", got[kind], {"plain": got["ours"]}, b.rounds)


def blk(b):
    disk = f"{b.work}/disk.img"
    overlays = {op: [f"blk.overlay.{kind}.{op}.32" for kind in ("mem", "file")] for op in ("randread", "randwrite")}
    if not b.wanted(*(row for row, *_ in JOBS), *sum(overlays.values(), [])):
        return
    make_disk(disk)
    for row, *job in JOBS:
        b.part([row], lambda row=row, job=job: one_row(b, disk, row, job))
    for op, rows in overlays.items():
        b.part(rows, lambda op=op: overlay_rows(b, disk, op))
    os.unlink(disk)
