#!/bin/sh
# SPDX-License-Identifier: MIT
#
# mkdisk.sh DIR OUT [SIZE]: makes a disk image from a folder: ext4 without a journal, what a Mayfly image mounts.
# Needs no root. Without SIZE the image is as large as its content plus a quarter, at least 4 MiB; SIZE is
# a number with K, M or G. Inodes grow with both. OUT is replaced in one step and stays sparse. `fsck.ext4` and `mount -o loop` take it.
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

# SIZE in KiB; a number without a unit is what mke2fs makes of it, blocks of 4 KiB.
kib_of() {
	n=${1%[KkMmGg]}
	case $n in '' | *[!0-9]*) die "'$1' is not a size like 64M" ;; esac
	case $1 in
	*[Kk]) echo "$n" ;;
	*[Mm]) echo $((n * 1024)) ;;
	*[Gg]) echo $((n * 1024 * 1024)) ;;
	*) echo $((n * 4)) ;;
	esac
}

# Whole blocks of the files, one block and one inode an entry, and room for the metadata.
if [ -z "$size" ]; then
	kib=$(find "$dir" -printf '%s\n' | awk '{ n += int(($1 + 4095) / 4096) * 4 + 4.5 }
		END { n = n * 1.25 + 1024; print int(n < 4096 ? 4096 : n) }')
	size=${kib}K
fi
# One inode for 16 KiB of the disk, as mke2fs has it, but enough for the folder and as much again.
kib=$(kib_of "$size") || exit
inodes=$(find "$dir" | awk -v kib="$kib" 'END { n = int(kib / 16); m = NR * 2 + 128; print (n > m ? n : m) }')
tmp=$out.tmp.$$
trap 'rm -f "$tmp"' EXIT
rm -f "$tmp"
mke2fs -q -t ext4 -O ^has_journal,^resize_inode -b 4096 -m 0 -N "$inodes" -E "root_owner=0:0,lazy_itable_init=0" \
	-L mayfly -d "$dir" "$tmp" "$size" >/dev/null 2>"$out.log" || die "$(tail -n 1 "$out.log")"
rm -f "$out.log"
mv "$tmp" "$out"
