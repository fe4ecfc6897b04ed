#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-headers.sh COMPILER-WITH-FLAGS HEADER...: each header compiles alone (it includes what it uses), and a
# source's own header is the first that it includes.
set -eu
cc=$1
shift
passed=0 failed=0
fail() {
	echo "FAIL $*"
	failed=$((failed + 1))
}
for h; do
	# shellcheck disable=SC2086
	if errors=$(printf '#include "%s"\n' "$h" | $cc -w -fsyntax-only -x c - 2>&1); then
		passed=$((passed + 1))
	else
		fail "$h does not compile alone:"
		echo "$errors" | head -n 4
	fi
	c=${h%.h}.c
	[ -e "$c" ] || continue
	first=$(sed -n 's/^#include ["<]\(.*\)[">].*/\1/p' "$c" | head -n 1)
	case $first in # metrics_json.h counts for metrics.c
	"$(basename "$h")" | */"$(basename "$h")" | "$(basename "$h" .h)"_*.h | */"$(basename "$h" .h)"_*.h) passed=$((passed + 1)) ;;
	*) fail "$c includes $first before its own header" ;;
	esac
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
