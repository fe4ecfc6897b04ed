#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-traps.sh FILE...: no instruction of these images or archives traps into a kernel: SYSCALL, SYSENTER,
# INT 0x80. Disassembles them. 0 = clean, 1 = lists what was found, 2 = cannot tell.
set -eu

[ $# -gt 0 ] || { echo "check-traps: usage: check-traps.sh FILE..." >&2; exit 2; }
status=0
for f; do
	dis=$(objdump -d --no-show-raw-insn "$f") || { echo "check-traps: $f: objdump failed" >&2; exit 2; }
	[ "$(printf '%s\n' "$dis" | wc -l)" -gt 10 ] || { echo "check-traps: $f: no code in it" >&2; exit 2; }
	found=$(printf '%s\n' "$dis" | grep -E '	(syscall|sysenter|int +\$0x80)' || true)
	if [ -n "$found" ]; then
		printf '%s: traps into a kernel:\n%s\n' "$f" "$found" >&2
		status=1
	fi
done
exit $status
