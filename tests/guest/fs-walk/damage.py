#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# damage.py: overwrites random pieces of the disk's metadata and boots fs-walk on it, several times. The guest may
# report any number of errors but must come to its end: a crash or a hang fails. Seeds are printed.
import os
import random
import re
import shutil
import subprocess
import sys

ROUNDS = int(os.environ.get("ROUNDS", "12"))
DISK = os.environ["DISK_root"]
WORK = os.environ["WORK"]


def metadata():
    """(offset, length) of superblock, descriptors, tables, and of all directory and extent blocks."""
    text = subprocess.run(["dumpe2fs", DISK], capture_output=True, text=True).stdout
    bs = int(re.search(r"Block size:\s+(\d+)", text).group(1))
    areas = [(1024, 1024), (bs if bs > 1024 else 2048, bs)]
    for first, last in re.findall(r"Inode table at (\d+)-(\d+)", text):
        areas.append((int(first) * bs, (min(int(last), int(first) + 3) + 1 - int(first)) * bs))
    for blk in re.findall(r"(?:Block|Inode) bitmap at (\d+)", text):
        areas.append((int(blk) * bs, bs))
    for name in ("/", "/dir", "/dir/deep"):
        out = subprocess.run(["debugfs", "-R", f"blocks {name}", DISK], capture_output=True, text=True).stdout
        areas += [(int(b) * bs, bs) for b in out.split()]
    return areas


def main():
    areas = metadata()
    good = f"{WORK}/good.img"
    shutil.copyfile(DISK, good)
    # Without checksums damage gets further.
    plain = f"{WORK}/plain.img"
    shutil.copyfile(DISK, plain)
    subprocess.run(["tune2fs", "-O", "^metadata_csum", plain], check=True, capture_output=True)
    base = int(os.environ.get("SEED", random.randrange(1 << 30)))
    for i in range(ROUNDS):
        rng = random.Random(base + i)
        shutil.copyfile(good if i % 4 == 0 else plain, DISK)
        with open(DISK, "r+b") as f:
            for _ in range(rng.randrange(1, 12)):
                off, length = rng.choice(areas)
                n = rng.choice((1, 2, 4, 16))
                f.seek(off + rng.randrange(length - n))
                f.write(rng.choice((rng.randbytes(n), b"\xff" * n, b"\0" * n)))
        try:
            r = subprocess.run([os.environ["BOOT"]], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        except subprocess.TimeoutExpired:
            sys.exit(f"seed {base + i}: hangs")
        out = r.stdout.decode(errors="replace")
        if r.returncode or "walked" not in out:
            sys.exit(f"seed {base + i}: status {r.returncode}\n{out[-2000:]}{r.stderr.decode(errors='replace')[-2000:]}")
        print(f"seed {base + i}:", re.search(r"walked.*", out).group(0))


main()
