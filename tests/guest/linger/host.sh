#!/bin/sh
# SPDX-License-Identifier: MIT
#
# host.sh MODE: the host's side of linger, with $BOOT, $WORK, $IMAGE and $DISK_d from run.py.
set -eu
mode=$1
up() { # the guest said that it is up
	until grep -q ^up "$WORK/out" 2>/dev/null; do
		kill -0 "$vmm" 2>/dev/null || { cat "$WORK/out"; exit 1; }
		sleep 0.05
	done
}
pass() {
	wait "$vmm" || { echo "status $?"; cat "$WORK/out"; exit 1; }
	cat "$WORK/out"
	grep -q ^PASS "$WORK/out"
}
case $mode in
image-write | image-truncate | image-replace)
	# The image on a tmpfs, where files can be leased; somebody else writes to it while the VM runs.
	dir=$(mktemp -d /dev/shm/linger.XXXXXX)
	trap 'rm -rf "$dir"' EXIT
	cp "$IMAGE" "$dir/image"
	chown -R "$MONITOR_UID:$MONITOR_UID" "$dir"
	at=$dir
	[ "$MONITOR_UID" = "$(id -u)" ] || at=/leased # a jail's /dev is its own
	MONITOR_BIND=$dir:$at "$MONITOR" --kernel "$at/image" --cmdline '-- image' --mem 16M --metrics "$WORK/m.json" >"$WORK/out" &
	vmm=$!
	up
	kill -USR1 "$vmm"
	until [ -s "$WORK/m.json" ]; do sleep 0.05; done
	grep '"image"' "$WORK/m.json"
	case $mode in
	image-write) dd if=/dev/zero of="$dir/image" bs=4096 count=20 conv=notrunc status=none ;;
	image-truncate) : >"$dir/image" ;;
	image-replace) cp /bin/sh "$dir/image.new" && mv "$dir/image.new" "$dir/image" ;;
	esac
	kill -TERM "$vmm"
	pass
	grep '"image"' "$WORK/m.json"
	;;
disk-shrink)
	"$BOOT" >"$WORK/out" &
	vmm=$!
	up
	truncate -s 512K "$DISK_d"
	kill -TERM "$(cat "$WORK/vmm.pid")"
	pass
	;;
flood)
	status=0
	"$BOOT" >"$WORK/out" || status=$?
	size=$(stat -c %s "$WORK/out")
	echo "status $status, $size bytes of console"
	# All of it would be 64 MiB; a MiB at once and 256 KiB a second are allowed.
	[ $status = 7 ] && [ "$size" -ge 1048576 ] && [ "$size" -lt 33554432 ]
	;;
slow-reader)
	# Nobody reads the console: the guest must end all the same.
	mkfifo "$WORK/pipe"
	exec 9<>"$WORK/pipe"
	status=0
	"$BOOT" >"$WORK/pipe" 9<&- || status=$?
	echo "status $status"
	[ $status = 7 ]
	;;
esac
