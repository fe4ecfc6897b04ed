#!/bin/sh
# SPDX-License-Identifier: MIT
#
# prepare-musl.sh SRC DEST: copy Debian's musl source tree and turn its system calls into calls of the
# library OS: drop the assembly that traps into a kernel, put our files over it, edit three lines.
# Fails when an edit no longer applies.
set -eu

src=$1 dest=$2 here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$dest"
mkdir -p "$dest"
cp -a "$src/." "$dest/"
rm "$dest"/src/thread/x86_64/*.s "$dest"/src/process/x86_64/vfork.s "$dest"/src/signal/x86_64/restore.s
(cd "$here/musl" && find . -type f) | while read -r f; do
	mkdir -p "$(dirname "$dest/$f")"
	cp "$here/musl/$f" "$dest/$f"
done

# edit FILE SED-COMMAND: must change the file.
edit()
{
	cp "$dest/$1" "$dest/$1.orig"
	sed -i "$2" "$dest/$1"
	if cmp -s "$dest/$1" "$dest/$1.orig"; then
		echo "prepare-musl: $1: the edit '$2' does not apply to this musl" >&2
		exit 2
	fi
	rm "$dest/$1.orig"
}

# No threads: a cancellation point is an ordinary system call, with its constant number visible.
edit src/internal/syscall.h 's/^#define __syscall_cp\([0-6]\)(\([^)]*\)) .*/#define __syscall_cp\1(\2) __syscall\1(\2)/'
# Descriptors 0 to 2 are always open here; the check would pull the file system into every image.
edit src/env/__libc_start_main.c 's/if (__sys_open("\/dev\/null", O_RDWR)<0)/if (1)/'
# The list of directories with shared objects is no use in a static image.
edit Makefile 's/^ALL_TOOLS = .*/ALL_TOOLS =/'
