# SPDX-License-Identifier: MIT
"""check_small.py: hello, udp-echo and blk-bench."""

import hashlib
import json
import os
import socket

from lib import DIR, PATIENCE, Server, Skip, Suite, TempDir, eq, run

suite = Suite()
HELLO, UDP, BLK = (f"{DIR}/{n}" for n in ("hello", "udp-echo", "blk-bench"))


@suite.case
def hello():
    r = run([HELLO])
    eq((r.returncode, r.stdout, r.stderr), (0, b"Hello from Mayfly\n", b""))
    eq(run([HELLO, "a", "b c"]).stdout, b"Hello from Mayfly a b c\n")
    run([HELLO, *["x"] * 1000])  # more words than it has room for


@suite.case
def hello_reports_a_failed_write():
    with open("/dev/full", "w") as full:
        r = run_to(full, [HELLO])
    eq(r, 1)


def run_to(out, argv):
    import subprocess

    return subprocess.run(argv, stdout=out, timeout=PATIENCE).returncode


@suite.case
def udp_echo():
    sizes = [0, 1, 2, 100, 1472, 1473, 9000, 65507]
    with Server([UDP, "-n", str(len(sizes))], "echoing", socket.SOCK_DGRAM) as s:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
            c.settimeout(PATIENCE)
            for n in sizes:
                data = os.urandom(n)
                c.sendto(data, ("127.0.0.1", s.port))
                eq(c.recv(65536) == data, True, n)
        eq(s.proc.wait(PATIENCE), 0, "ends after the count")
        s.proc.returncode = -9  # that it has ended is right here


@suite.case
def udp_echo_survives_a_client_that_left():
    with Server([UDP], "echoing", socket.SOCK_DGRAM) as s:
        for _ in range(5):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
                gone.sendto(b"x", ("127.0.0.1", s.port))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as c:
            c.settimeout(PATIENCE)
            c.sendto(b"still there?", ("127.0.0.1", s.port))
            eq(c.recv(100), b"still there?")


@suite.case
def bad_options():
    for argv in (
        [UDP, "-p", "65536"], [UDP, "-p", "-1"], [UDP, "-n", "x"], [UDP, "-q"],
        [BLK], [BLK, "--file"], [BLK, "--file", "/x", "--op", "y"], [BLK, "--file", "/x", "--bs", "0"],
        [BLK, "--file", "/x", "--depth", "257"], [BLK, "--file", "/x", "--seconds", "nan"],
        [BLK, "--file", "/x", "--size", "9999999999G"], [BLK, "--file", "/nowhere"], [BLK, "--file", "/dev/null"],
        [f"{DIR}/httpd", "-p", "0"], [f"{DIR}/httpd", "-c", "0"], [f"{DIR}/httpd", "x"],
        [f"{DIR}/httpd", "-r", "/nowhere", "-p", "1"], [f"{DIR}/kv", "-k", "0"], [f"{DIR}/kv", "-d", "/nowhere"],
    ):
        r = run(argv)
        eq(r.returncode, 2, argv)
        assert r.stderr, argv
    for name in ("httpd", "udp-echo", "kv", "blk-bench"):
        r = run([f"{DIR}/{name}", "--help"])
        eq((r.returncode, r.stderr), (0, b""))
        assert r.stdout.startswith(b"usage: " + name.encode())


def bench(*args):
    r = run([BLK, "--json", *args])
    eq((r.returncode, r.stderr), (0, b""), args)
    return json.loads(r.stdout)


@suite.case
def blk_bench_every_operation():
    with TempDir() as d:
        path = f"{d}/disk"
        with open(path, "wb") as f:
            f.write(b"\1" * (1 << 20))
        for op in ("randread", "randwrite", "seqread", "seqwrite"):
            for depth in (1, 2, 32, 256):
                r = bench("--file", path, "--op", op, "--depth", str(depth), "--count", "300", "--bs", "4K")
                eq((r["op"], r["depth"], r["requests"], r["bs"]), (op, depth, 300, 4096))
                lat = r["lat_us"]
                assert 0 < lat["min"] <= lat["mean"] <= lat["max"], lat
                assert lat["p50"] <= lat["p99"] <= lat["max"] * 1.02, lat
                assert r["iops"] > 0 and abs(r["mb_s"] - r["iops"] * 4096 / 1e6) < 0.01 * r["mb_s"] + 0.01
        eq(os.path.getsize(path), 1 << 20)


@suite.case
def blk_bench_stays_in_its_region():
    with TempDir() as d:
        path = f"{d}/disk"
        with open(path, "wb") as f:
            f.write(os.urandom(1 << 20))
        digest = tail_digest(path)
        for depth in ("1", "16"):
            bench("--file", path, "--op", "randwrite", "--size", "64K", "--count", "500", "--depth", depth)
        eq(tail_digest(path), digest, "bytes behind --size")
        with open(path, "rb") as f:
            eq(f.read(65536), b"\x5a" * 65536, "every block of the region is written")


def tail_digest(path):
    with open(path, "rb") as f:
        f.seek(65536)
        return hashlib.sha256(f.read()).hexdigest()


@suite.case
def blk_bench_direct_and_by_time():
    with TempDir() as d:
        path = f"{d}/disk"
        with open(path, "wb") as f:
            f.write(bytes(1 << 20))
        try:
            os.close(os.open(path, os.O_RDWR | os.O_DIRECT))
        except OSError:
            raise Skip("no O_DIRECT in the temporary directory") from None
        for depth in ("1", "32"):
            r = bench("--file", path, "--direct", "--depth", depth, "--seconds", "0.2")
            assert r["direct"] and r["requests"] > 0 and r["seconds"] >= 0.2, r
