#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check.py DIR [NAME]: runs the example programs of DIR as Linux processes against real clients.

NAME selects the cases whose name contains it. Ends with the line "N passed, N failed, N skipped"; exit status 1
when anything failed.
"""

import sys

sys.dont_write_bytecode = True  # the tree may be read-only

import lib  # noqa: E402


def main():
    if not 2 <= len(sys.argv) <= 3:
        print(__doc__, file=sys.stderr)
        return 2
    lib.DIR = sys.argv[1]
    total = [0, 0, 0]
    import check_small, check_http, check_http_load, check_kv  # noqa: E401

    for suite in (check_small.suite, check_http.suite, check_http_load.suite, check_kv.suite):
        total = [a + b for a, b in zip(total, suite.run(*sys.argv[2:]))]
    print("{} passed, {} failed, {} skipped".format(*total))
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
