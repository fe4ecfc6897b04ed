#!/bin/sh
# SPDX-License-Identifier: MIT
#
# stop.sh: asks the monitor to stop (SIGTERM) while fs-fsync writes, and expects a disk that needs no repair.
mkfifo "$WORK/out" || exit 1
$BOOT >"$WORK/out" &
pid=$!
exec 3<"$WORK/out"
sent=
while read -r line <&3; do
	case $line in
	"synced 20")
		kill -TERM "$(cat "$WORK/vmm.pid")"
		sent=1
		;;
	*FAIL*) echo "$line" ;;
	esac
done
wait $pid
status=$?
[ "$sent" ] || { echo "the guest ended by itself: status $status"; exit 1; }
[ $status -lt 128 ] || [ $status -eq 143 ] || { echo "status $status"; exit 1; }
e2fsck -fn "$DISK_root"
