#!/bin/sh
# SPDX-License-Identifier: MIT
# run-fuzz.sh SECONDS FUZZER...: run each libFuzzer program that long on its corpus, tests/fuzz/corpus/NAME. What it
# learns stays in the build folder; an input that breaks it is kept there too and named. Ends with one line
# "N passed, N failed, N skipped".
seconds=$1
shift
passed=0
failed=0
for fuzzer; do
	name=${fuzzer##*/}
	work=${fuzzer%/*}/work/$name
	seeds=tests/fuzz/corpus/$name
	mkdir -p "$work/corpus"
	[ -d "$seeds" ] || seeds=
	# shellcheck disable=SC2086  # no seeds is no argument
	if "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=0 -verbosity=0 \
		-artifact_prefix="$work/" "$work/corpus" $seeds >"$work/log" 2>&1; then
		echo "ok $name"
		passed=$((passed + 1))
	else
		echo "FAIL $name"
		tail -n 40 "$work/log"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
