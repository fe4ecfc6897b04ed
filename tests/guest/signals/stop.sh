#!/bin/sh
# SPDX-License-Identifier: MIT
#
# stop.sh STATUS [TEXT]: boots the guest, waits until it says "waiting", sends the monitor SIGTERM and expects STATUS,
# and on standard error TEXT, or nothing of a guest that did not stop.
want=$1 text=$2
mkfifo "$WORK/out" || exit 1
$BOOT >"$WORK/out" 2>"$WORK/err" &
pid=$!
exec 3<"$WORK/out"
while read -r line <&3; do
	echo "$line"
	case $line in waiting*) kill -TERM "$(cat "$WORK/vmm.pid" 2>/dev/null || echo $pid)" ;; esac
done
wait $pid
got=$?
cat "$WORK/err"
[ "$got" -eq "$want" ] || { echo "status $got, expected $want"; exit 1; }
[ -n "$text" ] || ! grep "did not stop" "$WORK/err" || exit 1
grep "$text" "$WORK/err" || [ -z "$text" ]
