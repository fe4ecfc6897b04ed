#!/bin/sh
# SPDX-License-Identifier: MIT
#
# hw-build.sh: makes build/hw/{vmlinux,initrd,modules,hwctl,kvm-probe} for the kvm_amd lane from Debian's own
# packages (kernel, busybox-static), unpacked without root. Does nothing when they are there and newer than their
# sources. Needs the network once; APT's lists are taken from the host or, when those are too old,
# from a private copy under build/hw/apt.
set -eu
cd "$(dirname "$0")/../.."
hw=build/hw apt=build/hw/apt src=tests/lanes
new() { # new OUTPUT INPUT...: is the output newer than all inputs?
	out=$1
	shift
	[ -e "$out" ] || return 1
	for in in "$@"; do [ "$out" -nt "$in" ] || return 1; done
}
die() {
	echo "hw-build: $*" >&2
	exit 2
}
new $hw/initrd $src/hw-init $src/hwctl.c $src/kvm-probe.c $src/hw-build.sh && exit 0
mkdir -p $hw $apt/lists/partial $apt/cache/archives/partial

# Downloads one package into build/hw/apt, by the host's lists or by fresh private ones.
private="-o Dir::State::lists=$PWD/$apt/lists -o Dir::Cache=$PWD/$apt/cache -o APT::Sandbox::User=root"
kernel_package() { # the real package behind the metapackage
	# shellcheck disable=SC2086
	apt-cache $1 depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }'
}
fetch() { # fetch kernel|busybox-static
	for opts in "-o APT::Sandbox::User=root" "$private"; do
		if [ "$opts" = "$private" ]; then
			# shellcheck disable=SC2086
			apt-get $opts -qq update >$apt/update.log 2>&1 || true
		fi
		pkg=$1
		[ "$1" != kernel ] || pkg=$(kernel_package "$opts")
		# shellcheck disable=SC2086
		if [ -n "$pkg" ] && (cd $apt && apt-get $opts -qq download "$pkg") 2>$apt/download.log; then
			return
		fi
	done
	die "cannot download the Debian package $1 (network? see $apt/download.log)"
}
set -- "$apt"/linux-image-*.deb
[ -e "$1" ] || { fetch kernel && set -- "$apt"/linux-image-*.deb; }
kernel=$1
set -- "$apt"/busybox-static_*.deb
[ -e "$1" ] || { fetch busybox-static && set -- "$apt"/busybox-static_*.deb; }
busybox=$1

# Unpack: the kernel image, and of its modules those that a headless machine with KVM can use.
if [ ! -e $hw/vmlinux ] || [ ! -e $hw/modules ]; then
	rm -rf $hw/tree $hw/modules
	mkdir -p $hw/tree
	dpkg-deb --fsys-tarfile "$kernel" | tar -x -C $hw/tree --wildcards './boot/*' '*/kernel/arch/*' \
		'*/kernel/crypto/*' '*/kernel/fs/*' '*/kernel/lib/*' '*/kernel/net/*' '*/kernel/virt/*' \
		'*/kernel/drivers/block/*' '*/kernel/drivers/char/*' '*/kernel/drivers/net/*.ko' \
		'*/kernel/drivers/crypto/ccp/*' '*/kernel/drivers/vhost/*' '*/kernel/drivers/virtio/*' '*/modules.order' '*/modules.builtin*' \
		2>/dev/null || [ -n "$(ls $hw/tree/boot/vmlinuz-* 2>/dev/null)" ] || die "cannot unpack $kernel"
	version=$(cd $hw/tree/lib/modules && echo *)
	# The uncompressed kernel has a PVH note: no decompression under TCG.
	bz=$hw/tree/boot/vmlinuz-$version
	setup=$(od -An -tu1 -j497 -N1 "$bz")
	off=$(od -An -tu4 -j584 -N4 "$bz")
	tail -c "+$(((setup + 1) * 512 + off + 1))" "$bz" | xz -dc --single-stream >$hw/vmlinux.tmp 2>/dev/null ||
		[ -s $hw/vmlinux.tmp ] || die "the kernel of $kernel is not compressed by xz"
	mv $hw/vmlinux.tmp $hw/vmlinux
	mkdir -p $hw/root/bin
	dpkg-deb --fsys-tarfile "$busybox" | tar -xO ./bin/busybox >$hw/root/bin/busybox
	chmod 755 $hw/root/bin/busybox
	$hw/root/bin/busybox depmod -b $hw/tree "$version"
	mv $hw/tree/lib/modules $hw/modules
	rm -rf $hw/tree
fi

# initrd: busybox, the command channel, and the few modules that hw-init loads with what they depend on.
version=$(cd $hw/modules && echo *)
root=$hw/root mods=lib/modules/$version
rm -rf ${root:?}/lib && mkdir -p $root/$mods
dep() { # prints the module files that $1 needs, itself included
	awk -v m="$1" '{ n = $1; sub(/.*\//, "", n); sub(/\.ko:$/, "", n); gsub(/-/, "_", n)
		if (n == m) { sub(/:$/, "", $1); print; exit } }' "$hw/modules/$version/modules.dep" | tr ' ' '\n'
}
for m in virtio_mmio 9pnet_virtio 9p overlay virtio_console virtio_blk ext4 tun kvm_amd crc32c_generic crc32c_intel; do
	[ -n "$(dep $m)" ] || die "no module $m in $kernel"
	dep $m
done | sort -u | while read -r ko; do
	mkdir -p "$root/$mods/$(dirname "$ko")"
	cp "$hw/modules/$version/$ko" "$root/$mods/$ko"
done
$root/bin/busybox depmod -b $root "$version"
for prog in hwctl kvm-probe; do
	${CC:-gcc} -std=gnu17 -O2 -Wall -Wextra -Wshadow -Werror -D_GNU_SOURCE -static $src/$prog.c -o $hw/$prog
done
cp $hw/hwctl $root/hwctl
install -m 755 $src/hw-init $root/init
(cd $root && find . | cpio -o -H newc --quiet) >$hw/initrd.tmp
mv $hw/initrd.tmp $hw/initrd
