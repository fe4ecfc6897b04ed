#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check.py [NAME]: the tests of the REST API, against the real monitor; those whose name has NAME in it."""

import os
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path[:0] = ["tests/api", "tests/examples"]

import check_file  # noqa: E402
import check_firecracker  # noqa: E402
import check_http  # noqa: E402
import check_openapi  # noqa: E402
import check_own_client  # noqa: E402

total = [0, 0, 0]
for module in (check_openapi, check_http, check_file, check_firecracker, check_own_client):
    counts = module.suite.run(sys.argv[1] if len(sys.argv) > 1 else None)
    total = [a + b for a, b in zip(total, counts)]
print("%d passed, %d failed, %d skipped" % tuple(total))
sys.exit(total[1] != 0)
