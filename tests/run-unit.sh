#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run-unit.sh PROGRAM...: runs Criterion programs and adds their counts up. A program that fails shows its output.
set -eu
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0 skipped=0
for prog; do
	status=0
	timeout 300 "$prog" --color=never >"$log" 2>&1 || status=$?
	# [====] Synthesis: Tested: 9 | Passing: 8 | Failing: 1 | Crashing: 0
	counts=$(sed -n 's/^\[====\] Synthesis: Tested: \([0-9]*\) | Passing: \([0-9]*\) .*/\1 \2/p' "$log")
	tested=${counts% *} good=${counts#* }
	if [ -z "$counts" ]; then
		tested=1 good=0
	fi
	[ $status = 0 ] || [ "$tested" != "$good" ] || tested=$((tested + 1))
	skipped=$((skipped + $(grep -c '^\[SKIP\]' "$log" || true)))
	passed=$((passed + good))
	failed=$((failed + tested - good))
	if [ "$tested" = "$good" ]; then
		echo "ok   $(basename "$prog") ($good)"
	else
		echo "FAIL $(basename "$prog"): status $status, $good of $tested passed"
		grep -v '^\[====\] Running' "$log" | tail -n 60
	fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
