# SPDX-License-Identifier: MIT
"""herd.py: many clones in the network namespace that it runs in; bench_snap.py speaks to it by lines of JSON.

In: {"argv": [...], "tap": NAME, "host": ADDRESS} starts a clone and asks it for a page, {} ends them all. Out: a line for
each: the status of its request or what went wrong, "ended". In here, because entering a namespace for each clone costs
more than the clone.
"""

import concurrent.futures
import http.client
import json
import subprocess
import sys
import time

PATIENCE = 300


def say(what):
    sys.stdout.write(f"{what}\n")  # in one piece: several say something
    sys.stdout.flush()


def ask(tap, host):
    """Not before somebody holds the tap: what is sent to nobody is asked for again only after a second."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with open(f"/sys/class/net/{tap}/operstate", encoding="ascii") as f:
                if f.read().strip() != "up":
                    raise OSError("nobody holds the tap")
            c = http.client.HTTPConnection(host, 80, timeout=60)
            c.request("GET", "/index.html")
            r = c.getresponse()
            r.read()
            c.close()
            return r.status
        except OSError as e:
            if time.monotonic() > end:
                return e
            time.sleep(0.002)


def end_all(procs):
    alive = sum(p.poll() is None for p in procs)
    for p in procs:
        p.kill()
    for p in procs:
        p.wait()
    procs.clear()
    return alive


def main():
    procs = []
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for line in sys.stdin:
            order = json.loads(line)
            if not order:
                say(f"{end_all(procs)} ended")
                continue
            procs.append(subprocess.Popen(order["argv"], stdin=subprocess.DEVNULL))  # pylint: disable=consider-using-with
            pool.submit(lambda o=order: say(ask(o["tap"], o["host"])))
        end_all(procs)


if __name__ == "__main__":
    main()
