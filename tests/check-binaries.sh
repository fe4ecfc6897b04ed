#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-binaries.sh PROGRAM...: hardening as it is in the programs, not as it was asked for: position independent, no
# page both writable and executable, no executable stack, and relocated constants that really become read-only.
# Prints "FAIL" lines and "N passed, N failed, N skipped".
passed=0 failed=0 skipped=0
err=$(mktemp) || exit 2
trap 'rm -f "$err"' EXIT

# check WHAT COMMAND...
check() {
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $what"
	fi
}
is_pie() {
	readelf -hW "$1" | grep -q 'Type: *DYN '
}
has_no_wx() {
	! readelf -lW "$1" | grep -E '^  (LOAD|GNU_STACK) .* RWE'
}
has_relro() {
	readelf -lW "$1" | grep -q GNU_RELRO
}
# What protects it, ld.so or lib/relro.c, leaves one call that takes the right to write away.
relro_acts() {
	strace -qq -e trace=mprotect "$1" --version 2>"$err" >/dev/null
	grep -q 'PROT_READ) *= 0' "$err"
}

strace -qq true 2>/dev/null
can_trace=$?
for program; do
	check "$program: position independent" is_pie "$program"
	check "$program: no page is writable and executable" has_no_wx "$program"
	check "$program: has a RELRO segment" has_relro "$program"
	if [ $can_trace -eq 0 ]; then
		check "$program: that segment becomes read-only" relro_acts "$program"
	else
		skipped=$((skipped + 1))
	fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
