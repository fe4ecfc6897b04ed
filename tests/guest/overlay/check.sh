#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check.sh WHAT: the cases of this folder that need more than a boot. Called by run.py, see cases.ini.
set -eu
sha256sum "$DISK_root" >"$WORK/sum"
ov=$WORK/root.ov
merge() {
	python3 -B tests/guest/overlay/merge.py "$DISK_root" "$ov" "$WORK/merged.img"
}
refused() { # what is to be said
	status=0
	$BOOT >"$WORK/out" 2>&1 || status=$?
	cat "$WORK/out"
	[ $status = 2 ] && grep -q "$1" "$WORK/out"
}
case $1 in
mem)
	$BOOT
	;;
file)
	$BOOT
	merge
	e2fsck -fn "$WORK/merged.img"
	;;
full)
	status=0
	$BOOT || status=$?
	[ $status = 1 ]
	python3 - "$METRICS" <<-END
		import json, sys
		m = json.load(open(sys.argv[1]))["block"][0]
		assert m["overlay_full"] and 0 < m["overlay_clusters"] <= 128 and m["errors"], m
	END
	;;
two) # at one time, each with what it has written itself
	BOOT_ID=one $BOOT --console "$WORK/one" &
	one=$!
	BOOT_ID=two $BOOT --console "$WORK/two" &
	wait $one
	wait $!
	grep -q '^synced 40' "$WORK/one"
	grep -q '^synced 40' "$WORK/two"
	;;
hostile)
	$BOOT
	cp "$ov" "$WORK/good"
	printf X | dd of="$ov" bs=1 seek=0 conv=notrunc status=none
	refused 'is something else'
	cp "$WORK/good" "$ov"
	printf '\2' | dd of="$ov" bs=1 seek=8 conv=notrunc status=none
	refused 'format version 2'
	cp "$WORK/good" "$ov"
	printf '\377' | dd of="$ov" bs=1 seek=$((4096 + 4095)) conv=notrunc status=none
	refused 'beyond the end of the disk'
	cp "$WORK/good" "$ov"
	printf '\1' | dd of="$ov" bs=1 seek=$((4096 + $(stat -c %s "$DISK_root") / 4096 / 8)) conv=notrunc status=none
	refused 'beyond the end of the disk'
	# A map that promises clusters which the file does not have: zeroes, and the guest finds no file system.
	cp "$WORK/good" "$ov"
	head -c 256 /dev/zero | tr '\0' '\377' | dd of="$ov" bs=4096 seek=1 conv=notrunc status=none
	truncate -s 8192 "$ov"
	status=0
	$BOOT || status=$?
	[ $status = 1 ]
	cp "$WORK/good" "$ov"
	touch -d '1 hour ago' "$DISK_root"
	refused 'was written to since'
	;;
esac
sha256sum -c "$WORK/sum"
