# SPDX-License-Identifier: MIT
"""bench_api.py: from the InstanceStart call, first byte, to the guest's main, beside the same from exec of the monitor with
the same VM on its command line; in turns."""

import json
import os
import socket
import subprocess
import time

from common import Failed, median, run

SPAWNED_S = 60  # only so that a monitor that never listens ends the run


def call(sock, path, body):
    body = json.dumps(body).encode()
    sock.sendall(b"PUT %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (path.encode(), len(body), body))


def answered(sock):
    got = b""
    while b"\r\n\r\n" not in got:
        data = sock.recv(4096)
        if not data:
            raise Failed(f"the monitor closed the API after {got!r}")
        got += data
    if b" 204 " not in got:
        raise Failed(f"the API says {got!r}")


def connect(path, proc):
    end = time.monotonic() + SPAWNED_S
    while time.monotonic() < end and proc.poll() is None:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(path)
            return sock
        except OSError:
            sock.close()
            time.sleep(0.001)
    raise Failed(f"no API: status {proc.poll()}")


def by_api(b, image, metrics):
    """ns from the call to main."""
    path = f"{b.work}/api.sock"
    proc = subprocess.Popen([f"{b.build}/bin/mayfly-monitor", "--api-sock", path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        sock = connect(path, proc)
        for target, body in (
            ("/boot-source", {"kernel_image_path": image}),
            ("/machine-config", {"vcpu_count": 1, "mem_size_mib": 16}),
            ("/metrics", {"metrics_path": metrics}),
        ):
            call(sock, target, body)
            answered(sock)
        start = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        call(sock, "/actions", {"action_type": "InstanceStart"})
        proc.wait(300)
        sock.close()
    finally:
        if proc.poll() is None:
            proc.kill()
            proc.wait()
    with open(metrics, encoding="utf-8") as f:
        main = json.load(f)["times_ns"]["t_guest_main"]
    os.unlink(metrics)
    if proc.returncode or not main:
        raise Failed(f"the guest did not reach main, status {proc.returncode}")
    return main - start


def by_command(b, argv, key, metrics):
    out = run([f"{b.build}/bench/spawn_time", "-n", "1", "-m", metrics, "-k", key, "0", *argv])
    return json.loads(out.splitlines()[0])


def start(b):
    metrics, image = f"{b.work}/api.json", b.image("hello")
    ours, command, spawn = [], [], []
    for _ in range(b.rounds):
        ours.append(by_api(b, image, metrics))
        command.append(by_command(b, b.monitor(image, "--metrics", metrics), "t_guest_main", metrics)["mark"][0])
        spawn.append(json.loads(run([f"{b.build}/bench/spawn_time", "-n", "1", "0", "/bin/true"]).splitlines()[0])["ns"][0])
    b.add("api.start", "us", median(ours) / 1000, {"command_line": median(command) / 1000, "spawn_true": median(spawn) / 1000}, b.rounds)


def api(b):
    b.part(["api.start"], lambda: start(b))
