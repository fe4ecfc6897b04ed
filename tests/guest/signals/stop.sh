#!/bin/sh
# SPDX-License-Identifier: MIT
#
# stop.sh STATUS: boots the guest, waits until it says "waiting", sends the monitor SIGTERM and expects STATUS.
want=$1
mkfifo "$WORK/out" || exit 1
$BOOT >"$WORK/out" &
pid=$!
exec 3<"$WORK/out"
while read -r line <&3; do
	echo "$line"
	case $line in waiting*) kill -TERM "$(cat "$WORK/vmm.pid" 2>/dev/null || echo $pid)" ;; esac
done
wait $pid
got=$?
[ "$got" -eq "$want" ] || { echo "status $got, expected $want"; exit 1; }
