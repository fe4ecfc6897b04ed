# SPDX-License-Identifier: MIT
"""bench_boot.py: from exec of the monitor to its end, and to the first instruction of the guest's main."""

import json
import subprocess

from common import Failed, median, run, usable


def time_commands(b, commands, *options):
    """Interleaved runs of {name: (status, argv)}; {name: {"ns": [...], "mark": [...]}}."""
    argv = [f"{b.build}/bench/spawn_time", "-n", str(b.rounds), *options]
    for i, (status, command) in enumerate(commands.values()):
        argv += (["--next"] if i else []) + [str(status), *command]
    return dict(zip(commands, map(json.loads, run(argv).splitlines())))


def try_command(what):
    status, argv = what
    r = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
    if r.returncode != status:
        raise Failed(f"{argv[0]}: status {r.returncode}: {(r.stderr or r.stdout)[-300:]!r}")


def whole(b, commands):
    times = time_commands(b, usable(commands, try_command))
    us = {name: median(t["ns"]) / 1000 for name, t in times.items()}
    b.add("boot.hello", "us", us.pop("ours"), us, b.rounds)


def seccomp(b, on):
    """What both filters cost a start: the median difference of neighbours."""
    pair = {"on": on, "off": (0, on[1] + ["--seccomp", "off"])}
    times = {name: t["ns"] for name, t in time_commands(b, pair).items()}
    cost = median([(on - off) / 1000 for on, off in zip(times["on"], times["off"])])
    b.add("seccomp.cost", "us", cost, {f"boot_{k}": median(t) / 1000 for k, t in times.items()}, b.rounds)


def to_main(b, commands):
    metrics = f"{b.work}/metrics.json"
    del commands["qemu_microvm"]  # has no way to say when main began
    commands["ours"] = (0, b.monitor(b.image("hello"), "--metrics", metrics))
    times = time_commands(b, usable(commands, try_command), "-m", metrics, "-k", "t_guest_main")
    marks = times.pop("ours")["mark"]
    if not all(marks):
        raise Failed("the monitor's metrics have no t_guest_main")
    b.add("boot.main", "us", median(marks) / 1000, {k: median(t["ns"]) / 1000 for k, t in times.items()}, b.rounds)


def boot(b):
    hello = b.image("hello")
    commands = {
        "ours": (0, b.monitor(hello)),
        "spawn_true": (0, ["/bin/true"]),
        "kvm_floor": (0, [f"{b.build}/bench/kvm_floor"]),
        "qemu_microvm": (1, b.qemu(hello)),  # the guest's status s comes out as 2 s + 1
    }
    b.part(["boot.hello"], lambda: whole(b, commands))
    b.part(["seccomp.cost"], lambda: seccomp(b, commands["ours"]))
    b.part(["boot.main"], lambda: to_main(b, dict(commands)))
