#!/bin/sh
# SPDX-License-Identifier: MIT
#
# mkdisk.sh DIR OUT [SIZE]: makes a disk image from a folder: ext4 without a journal, what a Mayfly image mounts.
# Needs no root. Without SIZE the image is as large as its content plus a quarter, at least 4 MiB; SIZE is
# a number with K, M or G. OUT is replaced in one step and stays sparse. `fsck.ext4` and `mount -o loop` take it.
set -eu
die() {
	echo "mkdisk: $*" >&2
	exit 2
}
[ $# = 2 ] || [ $# = 3 ] || die "usage: mkdisk.sh DIR OUT [SIZE]"
dir=$1 out=$2 size=${3-}
[ -d "$dir" ] || die "$dir is not a folder"
PATH=$PATH:/sbin:/usr/sbin
command -v mke2fs >/dev/null || die "mke2fs is missing: apt-get install e2fsprogs"

# Whole blocks of the files, one block and one inode an entry, and room for the metadata.
if [ -z "$size" ]; then
	kib=$(find "$dir" -printf '%s\n' | awk '{ n += int(($1 + 4095) / 4096) * 4 + 4.5 }
		END { n = n * 1.25 + 1024; print int(n < 4096 ? 4096 : n) }')
	size=${kib}K
fi
inodes=$(find "$dir" | awk 'END { print int(NR * 1.25) + 128 }')
tmp=$out.tmp.$$
trap 'rm -f "$tmp"' EXIT
rm -f "$tmp"
mke2fs -q -t ext4 -O ^has_journal,^resize_inode -b 4096 -m 0 -N "$inodes" -E "root_owner=0:0,lazy_itable_init=0" \
	-L mayfly -d "$dir" "$tmp" "$size" >/dev/null 2>"$out.log" || die "$(tail -n 1 "$out.log")"
rm -f "$out.log"
mv "$tmp" "$out"
