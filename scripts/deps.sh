#!/bin/sh
# SPDX-License-Identifier: MIT
#
# deps.sh [GROUP...]: installs the Debian 12 packages that the groups need (default: all). Asks dpkg once
# and does nothing, fast and offline, when all are there; otherwise one apt-get update and install, by sudo when not root.
# Exit 2 with one line that names the packages when they cannot be installed.
# --list prints the packages of the groups, --check only says (exit 2) what is missing.
set -eu

# group  package                 why
packages() {
	cat <<-END
	build  gcc                     host programs and images
	build  libc6-dev               libc of tests, of the SDK's build tools and of mayfly-usernet
	build  linux-libc-dev          linux/kvm.h, and linux/ headers for programs in images
	build  binutils                ar, objdump: the check that an image has no system call instruction
	build  make                    the build
	build  dpkg-dev                dpkg-source: musl, lwIP and e2fsprogs are built from Debian's sources
	build  debian-archive-keyring  apt checks those sources
	build  ca-certificates         mirrors by https
	build  xz-utils                unpacks them
	build  patch                   applies Debian's patches
	build  libjansson-dev          JSON in tests and in SAN=1 (the monitor has it from source, with musl)
	build  liburing-dev            deep block queues, likewise
	build  node-llhttp             HTTP parser, as C sources (no JavaScript runs)
	build  python3                 turns docs/openapi.yaml into tables
	build  python3-yaml            reads it
	build  libsodium-dev           hashes and signatures of snapshots, likewise
	build  libzstd-dev             packed snapshots (mayfly-snapshot)
	build  libslirp-dev            rootless network
	build  libglib2.0-dev          libslirp's own dependency, at link time
	build  libseccomp-dev          compiles the seccomp filters at build time
	build  pkg-config              finds them
	build  musl-dev                libc of the monitor and the jailer: a start without glibc's CPUID traps
	run    e2fsprogs               mke2fs -d: a disk image from a folder, without root
	check  libcriterion-dev        unit tests
	check  clang                   fuzzers
	check  libclang-rt-14-dev      libFuzzer and the sanitizers
	check  qemu-system-x86         guests on microvm, and the kvm_amd lane
	check  cpio                    that lane's initrd
	check  iproute2                taps and network namespaces
	check  iputils-ping            ICMP tests
	check  curl                    HTTP tests
	check  wrk                     HTTP load
	check  fio                     block figures to compare with
	check  socat                   UDP, and odd ends of sockets
	check  openssl                 signs snapshots, as a user would
	check  libcap-ng0              reads the capabilities of jailed processes
	check  strace                  counts the monitor's system calls
	check  util-linux              flock, unshare, setsid
	check  procps                  ps
	lint   clang-format            house style
	lint   clang-tidy              static analysis
	lint   cppcheck                more of it
	END
}

die() {
	echo "deps: $*" >&2
	exit 2
}
mode=install groups=
for arg; do
	case $arg in
	--list | --check) mode=${arg#--} ;;
	build | run | check | lint) groups="$groups $arg" ;;
	*) die "usage: deps.sh [--list|--check] [build] [run] [check] [lint]" ;;
	esac
done
want=$(packages | while read -r group name _; do
	case " ${groups:-build run check lint} " in *" $group "*) echo "$name" ;; esac
done)
[ $mode != list ] || { echo "$want" && exit 0; }
command -v dpkg-query >/dev/null || die "this is no Debian: install what $0 --list prints"
# shellcheck disable=SC2086
have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $want 2>/dev/null | sed -n 's/ installed$//p') || true
missing=
for name in $want; do
	case "
$have
" in *"
$name
"*) ;; *) missing="$missing $name" ;; esac
done
[ -n "$missing" ] || exit 0
[ $mode != check ] || die "missing packages:$missing (make deps installs them)"
root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || die "not root, and no sudo: apt-get install$missing"
	root=sudo
fi
echo "deps: installing$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt="$root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
# An unreachable third-party source must not stop us: only the installation counts.
$apt update >"$log" 2>&1 || true
# shellcheck disable=SC2086
$apt install -y --no-install-recommends $missing >>"$log" 2>&1 ||
	die "cannot install$missing: $(sed -n 's/^E: //p' "$log" | tail -n 1)"
