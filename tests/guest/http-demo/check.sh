#!/bin/sh
# SPDX-License-Identifier: MIT
# The demo serves the folder it was given, says whether it is jailed, leaves nothing behind and hands on the end.
set -eu
if [ "${JAIL:-yes}" != no ] && grep -q __asan_init "$O/bin/mayfly-monitor"; then
	echo "a sanitized monitor needs the loader that a jail lacks"
	exit 77
fi
want='^jailed as user '
[ "${JAIL:-yes}" != no ] || want='^not jailed (JAIL=no)'
mkdir "$WORK/site"
head -c 300000 "$IMAGE" >"$WORK/site/file"
mkdir "$WORK/o" && ln -s "$O/bin" "$O/examples" "$WORK/o"
TMPDIR=$WORK scripts/run.sh "$WORK/o" "$WORK/site" 18080 >"$WORK/console" 2>&1 &
demo=$!
trap 'kill $demo 2>/dev/null || :' EXIT
curl -sSf -o "$WORK/body" --retry 100 --retry-delay 0 --retry-all-errors -m "$((20 * SLOW))" http://127.0.0.1:18080/file ||
	{ cat "$WORK/console"; exit 1; }
cmp "$WORK/body" "$WORK/site/file"
# What a script runs in the background ignores SIGINT: SIGTERM to its one child, the jailer or the monitor.
pkill -TERM -P "$demo"
wait "$demo" || status=$?
cat "$WORK/console"
[ "${status:-0}" = 143 ] || { echo "ended with ${status:-0}"; exit 1; }
grep -q "$want" "$WORK/console"
[ "$(ls "$WORK" | tr '\n' ' ')" = "body boot console o site " ] || { ls "$WORK"; exit 1; }
