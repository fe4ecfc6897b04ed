#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check-sdk.sh BUILD MAKE: the SDK as its users meet it: what mayfly-cc accepts and refuses, installed elsewhere as
# well as in the build folder; what an image contains and what it must not. Prints "ok" or "FAIL" a check.
build=$(cd "$1" && pwd) make=$2
cc=$build/bin/mayfly-cc
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 2
passed=0 failed=0

# check NAME COMMAND...
check()
{
	name=$1
	shift
	if "$@" >out 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL sdk: $name"
		sed 's/^/    /' out | head -n 5
	fi
}
# refuses NAME PATTERN COMMAND...: fails, with one line that matches.
refuses()
{
	name=$1 pattern=$2
	shift 2
	check "$name" sh -c 'pattern=$1; shift; "$@" 2>err && exit 1; cat err; [ "$(wc -l <err)" -eq 1 ] && grep -q -e "$pattern" err' - "$pattern" "$@"
}
elf_type()
{
	readelf -h "$2" | grep -q "Type: *$1 "
}
lacks()
{
	! nm "$1" | grep -E "$2"
}
size_below()
{
	[ "$(stat -c %s "$1")" -lt "$2" ] || { echo "$1 has $(stat -c %s "$1") bytes, not under $2"; false; }
}
repo=$(git -C "$OLDPWD" rev-parse --show-toplevel 2>/dev/null) || repo=$OLDPWD
traps=$repo/unikernel-sdk/tools/check-traps.sh

cat >app.c <<'END'
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <linux/if_ether.h>
#include <asm/types.h>
int main(int argc, char **argv) { return printf("%s %f\n", argv[0], sin(argc)) < 0; }
END
printf 'int answer(void);\nint answer(void) { return 42; }\n' >part.c
printf '#include <sys/socket.h>\nint main(void) { return socket(1, 1, 0); }\n' >net.c
printf '#include <fcntl.h>\nint main(void) { return open("/x", 0); }\n' >fs.c
printf '#include <unistd.h>\n#include <sys/syscall.h>\nint main(void) { __asm__ volatile("syscall"); return 0; }\n' >trap.c

check "one step" $cc -O2 -o app app.c -lm -lpthread -lrt -ldl
check "is ET_EXEC" elf_type EXEC app
check "one step, static-pie" $cc -static-pie -O2 -o pie app.c
check "is ET_DYN" elf_type DYN pie
check "-pie means static-pie" $cc -pie -opie2 app.c
check "is ET_DYN too" elf_type DYN pie2
check "static-pie of separate objects" sh -c "$cc -static-pie -c app.c && $cc -static-pie -o pie3 app.o"
check "a.out" sh -c "$cc app.c && [ -s a.out ]"
check "objects and archives" sh -c "$cc -c app.c part.c && $build/bin/mayfly-ar rcs libp.a app.o part.o && $cc -o arch -L. -lp"
check "-E, -S, -r" sh -c "$cc -E app.c >e && $cc -S -o s app.c && $cc -r -o r.o app.o && [ -s e ] && [ -s s ]"
check "link-time optimisation" $cc -flto -O2 -o lto app.c
check "debug information" sh -c "$cc -g -o dbg app.c && readelf -S dbg | grep -q debug_info && ! readelf -S app | grep -q debug_info"
check "a configure test" sh -c "echo 'char fork(void); int main(void) { return fork(); }' >conftest.c && $cc -o conftest conftest.c"
check "a configure test that must fail" sh -c "echo 'char no_such(void); int main(void) { return no_such(); }' >c2.c && ! $cc -o c2 c2.c"
check "unused code is dropped" sh -c "echo 'int unused_one(void) { return 1; } int main(void) { return 0; }' >u.c && $cc -o u u.c && ! nm u | grep unused_one"
refuses "no arguments" "no input files" $cc
refuses "-shared" "one static program" $cc -shared -o x app.c
refuses "-m32" "64-bit" $cc -m32 app.c
refuses "sanitizers" "native build" $cc -fsanitize=address app.c
check "--version" sh -c "$cc --version | head -n 1 | grep -q '^mayfly-cc [0-9]'"
check "--help" sh -c "$cc --help | grep -q -- -static-pie"
check "--print-sysroot" sh -c "[ -r \"\$($cc --print-sysroot)/include/stdio.h\" ]"
check "-dumpmachine" sh -c "[ \$($cc -dumpmachine) = x86_64-linux-musl ]"

hello=$build/examples/hello
check "hello is small" size_below $hello 65536
check "hello has no network" lacks $hello ' (tcp_|lwip_|pbuf_|uk__net_syscall|uk__need_net)'
check "hello has no file system" lacks $hello ' (ext2fs_|uk__fs_syscall|uk__need_fs)'
check "printf has neither" sh -c "$cc -o app app.c && ! nm app | grep -E ' (tcp_|ext2fs_|uk__need)'"
check "a socket pulls the network in" sh -c "$cc -o net net.c && nm net | grep -q ' [TtW] uk__net_syscall'"
check "but no file system" lacks net ' ext2fs_'
check "a path pulls the file system in" sh -c "$cc -o fs fs.c && nm fs | grep -q ' [TtW] uk__fs_syscall'"
check "but no network" lacks fs ' tcp_'
check "no image traps into a kernel" "$traps" $(find "$build/examples" -maxdepth 1 -type f -perm -u+x) $(for l in c mayfly lwip ext2fs; do echo "$build/sdk/lib/lib$l.a"; done)
check "an image with SYSCALL is found out" sh -c "$cc -o trap trap.c && ! $traps trap"

check "install" $make -s -C "$repo" install-sdk O="$build" DESTDIR="$tmp/dest" PREFIX=/opt/mayfly
mv dest moved
check "installed and moved" moved/opt/mayfly/bin/mayfly-cc -O2 -o app2 app.c
$cc -O2 -o app_ref app.c
check "is its own SDK" sh -c "[ \$(moved/opt/mayfly/bin/mayfly-cc --print-sysroot) = $tmp/moved/opt/mayfly/lib/mayfly ]"
check "the same image" cmp app2 app_ref
if command -v pkg-config >/dev/null; then
	check "pkg-config" sh -c 'cc=$(PKG_CONFIG_PATH=moved/opt/mayfly/lib/pkgconfig pkg-config --variable=cc mayfly) && [ -x "$cc" ]'
fi
if command -v cmake >/dev/null; then
	printf 'cmake_minimum_required(VERSION 3.10)\nproject(t C)\nadd_library(p STATIC part.c)\nadd_executable(t app.c)\ntarget_link_libraries(t p m)\n' >CMakeLists.txt
	check "cmake" sh -c "cmake -S . -B cm -DCMAKE_TOOLCHAIN_FILE=moved/opt/mayfly/lib/mayfly/mayfly-toolchain.cmake && cmake --build cm && readelf -n cm/t | grep -q Mayfly"
fi
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
