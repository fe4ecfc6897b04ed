#!/bin/sh
# SPDX-License-Identifier: MIT
#
# stop.sh RECORD [STATUS | never]: asks the monitor to stop (SIGTERM) when fs-fsync has reported RECORD, and expects that
# the guest ended by its own will, with STATUS (143; several are allowed): a file system marked clean that needs no repair.
# The disks of the cases have a rate limit that lets the first requests through and then one or two a second, so that the
# signal comes in the middle of a file system call or of the last write-back, and the way to the end takes longer than the
# monitor waits for a guest that does nothing. never: the limit lets nothing through any more; expects that the monitor
# gives up, and says so.
record=$1 want=$2 never=
[ "$want" != never ] || never=1
mkfifo "$WORK/out" || exit 1
$BOOT >"$WORK/out" 2>"$WORK/err" &
pid=$!
exec 3<"$WORK/out"
sent=
while read -r line <&3; do
	case $line in
	"synced $record")
		kill -TERM "$(cat "$WORK/vmm.pid")"
		sent=1
		;;
	*FAIL*) echo "$line" ;;
	esac
done
wait $pid
status=$?
cat "$WORK/err"
[ "$sent" ] || { echo "the guest ended by itself: status $status"; exit 1; }
if [ "$never" ]; then
	[ $status -eq 143 ] || { echo "status $status"; exit 1; }
	grep "did not stop within 30 s .*still at work on a disk" "$WORK/err"
	exit
fi
case " ${want:-143} " in *" $status "*) ;; *) false ;; esac || { echo "status $status"; exit 1; }
! grep "did not stop" "$WORK/err" || exit 1
dumpe2fs -h "$DISK_root" 2>/dev/null | grep "^Filesystem state: *clean$" || { echo "not marked clean"; exit 1; }
e2fsck -fn "$DISK_root"
