#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh: all tests of the jailer, in the build folder $1. They make cgroups, namespaces and device nodes: root only.
set -eu
cd "$(dirname "$0")/../.."
if [ "$(id -u)" != 0 ]; then
	echo "jail tests # SKIP not root"
	exit 0
fi
O=${1:-build}
export O
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for t in options state fuzz life pool ten guests escape; do
	if timeout 600 python3 "tests/jail/test_$t.py" >"$log" 2>&1; then
		echo "ok jail/$t ($(grep -c '^ok' "$log") cases)"
	else
		grep -v '^ok' "$log"
		echo "jail/$t failed"
		exit 1
	fi
done
