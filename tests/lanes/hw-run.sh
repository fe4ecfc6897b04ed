#!/bin/sh
# SPDX-License-Identifier: MIT
#
# hw-run.sh: runs commands in a Debian kernel with kvm_amd under QEMU's TCG: hardware KVM semantics (slow, but
# exact) on any machine, no /dev/kvm and no root needed. Every program of the host is there, at its place
# (the host's root is an overlay's lower layer); the repository is read-only at its own path and always
# fresh; build/hw/scratch is shared read-write; /tmp is a tmpfs, /var/tmp an ext4; all but the scratch is forgotten.
#
#   hw-run.sh [-t SECONDS] 'command line'    boot, run in the repository's folder, power off; its exit status
#   hw-run.sh --start                        boot in the background, to stay
#   hw-run.sh [-t SECONDS] --exec 'command'  run in the machine that --start booted (up to 8 at a time)
#   hw-run.sh --stop                         power it off
#   hw-run.sh --console                      show what its kernel printed
#
# HW_NAME=name makes --start, --exec and --stop mean a machine of that name; HW_SMP, HW_MEM, HW_CPU size it.
# HW_CGROUP=v1 makes a machine with cgroup v1 hierarchies and no v2 one; otherwise it has v2 alone.
# Exit status: the command's; 124 when SECONDS (default 600) are over (the command is killed); 125 lane trouble.
set -eu
cd "$(dirname "$0")/../.."
hw=build/hw scratch=build/hw/scratch ports=8 seconds=600 mode=once
cpu=${HW_CPU:-EPYC,+svm,+npt,+nrip-save} smp=${HW_SMP:-1} mem=${HW_MEM:-3072}
usage() {
	sed -n '/^#   hw-run/,/^# HW_NAME/s/^# \{0,1\}//p' tests/lanes/hw-run.sh >&2
	exit 125
}
while [ $# -gt 0 ]; do
	case $1 in
	-t) seconds=$2 && shift ;;
	--start) mode=start ;;
	--exec) mode=exec ;;
	--stop) mode=stop ;;
	--console) mode=console ;;
	-*) usage ;;
	*) break ;;
	esac
	shift
done
dir=$hw/run${HW_NAME:+-$HW_NAME}
[ $mode != once ] || dir=$hw/run.$$

alive() {
	pid=$(cat $dir/pid 2>/dev/null) && kill -0 "$pid" 2>/dev/null
}
boot() {
	sh tests/lanes/hw-build.sh || exit 125
	rm -rf $dir
	mkdir -p $dir $scratch
	version=$(cd $hw/modules && echo *)
	truncate -s 4G $dir/disk.img
	/sbin/mke2fs -q -F -t ext4 -O ^has_journal -E lazy_itable_init=1,nodiscard $dir/disk.img
	tsc=$($hw/hwctl tsc-khz)
	set --
	i=1
	while [ $i -le $ports ]; do
		set -- "$@" -chardev "socket,id=p$i,path=$dir/port$i,server=on,wait=off" \
			-device "virtserialport,chardev=p$i,nr=$i"
		i=$((i + 1))
	done
	# One CPU: with two (and thread=multi) this machine stopped answering within 150 VMs started one after the other,
	# each time it was tried; with one it never did. The suspect is QEMU 7.2's handling of code that the kernel patches
	# (static keys flip with the first and the last VM). HW_SMP=2 brings the second CPU back.
	# microvm boots the kernel by PVH: no firmware, no decompression. The TSC under TCG is the host's, at the
	# host's rate, and steady: say so rather than have it calibrated against an emulated timer.
	setsid qemu-system-x86_64 -M microvm,x-option-roms=off,acpi=on,rtc=on -accel tcg,tb-size=512 \
		-cpu "$cpu" -smp "$smp" -m "$mem" -nodefaults -no-user-config -display none -no-reboot \
		-global virtio-mmio.force-legacy=false -pidfile "$dir/pid" -daemonize \
		-serial "file:$dir/console.log" -monitor "unix:$dir/monitor,server=on,wait=off" -kernel $hw/vmlinux -initrd $hw/initrd \
		-append "console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable tsc_early_khz=$tsc \
no_timer_check random.trust_cpu=on audit=0 selinux=0 apparmor=0 nowatchdog hw.repo=$PWD hw.scratch=$PWD/$scratch \
hw.ports=$ports hw.modules=$PWD/$hw/modules hw.cgroup=${HW_CGROUP:-v2}" \
		-fsdev "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap" \
		-device virtio-9p-device,fsdev=root,mount_tag=root \
		-fsdev "local,id=repo,path=$PWD,security_model=none,readonly=on,multidevs=remap" \
		-device virtio-9p-device,fsdev=repo,mount_tag=repo \
		-fsdev "local,id=scratch,path=$PWD/$scratch,security_model=none,multidevs=remap" \
		-device virtio-9p-device,fsdev=scratch,mount_tag=scratch \
		-drive "if=none,id=disk,format=raw,cache=unsafe,file=$dir/disk.img" -device virtio-blk-device,drive=disk \
		-object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-device,rng=rng \
		-device "virtio-serial-device,max_ports=$((ports + 1))" "$@" >$dir/qemu.log 2>&1 ||
		{ cat $dir/qemu.log >&2 && exit 125; }
	: "$version"
}
halt() {
	! alive || kill "$pid" || true
	i=0
	while alive && [ $i -lt 100 ]; do
		sleep 0.05
		i=$((i + 1))
	done
	rm -rf $dir
}

case $mode in
start)
	if ! alive; then
		boot
		$hw/hwctl exec $dir 120 'test -c /dev/kvm' || { cat $dir/console.log >&2 && exit 125; }
	fi
	;;
exec)
	[ $# = 1 ] || usage
	alive || { echo "hw-run: no machine runs: tests/lanes/hw-run.sh --start" >&2 && exit 125; }
	exec $hw/hwctl exec $dir "$seconds" "$1"
	;;
stop) halt ;;
console) cat $dir/console.log ;;
once)
	[ $# = 1 ] || usage
	trap halt EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	boot
	status=0
	$hw/hwctl exec $dir "$seconds" "$1" || status=$?
	[ $status != 125 ] || cat $dir/console.log >&2
	exit $status
	;;
esac
