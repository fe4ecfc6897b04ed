#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check.py [--linux PROGRAM] PATTERN...: the cases whose names match, on one VM for all of a family (or, to compare, on
Linux: as root, in a network namespace of its own). Prints what each did; status 1 when one failed.
"""

import fnmatch
import sys
import traceback

import cases_flow
import cases_ip
import cases_tcp
import net
import tcp

MODULES = (cases_tcp, cases_flow, cases_ip)


def cases(patterns):
    for module in MODULES:
        for name, fn in vars(module).items():
            if callable(fn) and fn.__module__ == module.__name__ and any(fnmatch.fnmatch(name, p) for p in patterns):
                yield name, fn


def boot(program):
    link = net.Linux(program) if program else net.Guest()
    return tcp.Bench(link, net.Remote(link))


def stop(bench):
    link = bench.link
    link.proc.kill()
    out = link.proc.stdout.read().decode(errors="replace")
    link.proc.wait()
    if not bench.is_linux:
        link.sock.close()
    return out


def one(bench, name, fn):
    """True when the case holds and the program still answers."""
    try:
        fn(bench)
        bench.remote.expect(-9, "close", 99)  # EBADF: it lives
        print(f"ok   {name}", flush=True)
        return True
    except net.Fail as e:
        where = traceback.extract_tb(e.__traceback__)
        line = [f.lineno for f in where if f.name == name or f.filename.endswith(f"{fn.__module__}.py")]
        print(f"FAIL {name}:{line}: {e}", flush=True)
        return False


def main():
    program = sys.argv.pop(2) if sys.argv[1] == "--linux" else None
    if program:
        sys.argv.pop(1)
    bench, failed = boot(program), 0
    for name, fn in cases(sys.argv[1:]):
        bench.link.waiting.clear()
        if one(bench, name, fn):
            continue
        failed += 1
        print(f"  {stop(bench)[-2000:]}")
        if program:
            break  # the namespace still has the tap's name
        bench = boot(program)
    stop(bench)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
