#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh BUILDDIR [SITE] [PORT]: serves a folder by examples/httpd in a VM of its own, in the foreground: what
# `make run` does once everything is built. The monitor is jailed where this user may make a jail (root, or a user
# namespace), and it says so when not. JAIL=no does without. The network is the user-mode one: no route, no tap.
set -eu
o=$(realpath "$1") site=${2:-examples/site} port=${3:-8080}
case $port in
'' | *[!0-9]* | ??????*) port=0 ;;
esac
[ "$port" -ge 1 ] && [ "$port" -le 65535 ] || { echo "run: PORT=${3:-} is no port number: say 1 to 65535" >&2 && exit 2; }
scripts/mkdisk.sh "$site" "$o/site.img"
base=$(mktemp -d)
vm=

# What a jail leaves for others of its kind: the folder above its record, and the parent of its cgroups, which is ours alone.
leave() {
	rm -rf "$base"
	for dir in /sys/fs/cgroup/*/mayfly-run-$$ /sys/fs/cgroup/mayfly-run-$$; do
		[ ! -d "$dir" ] || rmdir "$dir" || :
	done
}
trap leave EXIT
# The VM is in a session of its own, so that each signal reaches it once, from here: Ctrl-C, too.
trap '[ -z "$vm" ] || kill -INT "$vm" || :' INT
trap '[ -z "$vm" ] || kill -TERM "$vm" || :' TERM HUP
await() {
	vm=$!
	while :; do
		status=0
		wait "$vm" || status=$?
		kill -0 "$vm" 2>/dev/null || return 0
	done
}

# The options of a jail, or why there is none. Root's jail gets a user that nothing else has.
if [ "$(id -u)" = 0 ]; then
	user=$((60000 + $$ % 5000)) group=$user userns=
else
	user=$(id -u) group=$(id -g) userns=--userns
fi
set -- --id "run-$$" --exec-file "$(realpath "$o/bin/mayfly-monitor")" --uid "$user" --gid "$group" --chroot-base-dir "$base" \
	--parent-cgroup "mayfly-run-$$" $userns
if [ "${JAIL:-yes}" = no ]; then
	why='JAIL=no'
elif why=$("$o/bin/mayfly-jailer" "$@" -- --version 2>&1 >/dev/null) && [ -z "$why" ]; then
	why=
else
	why=$(printf '%s\n' "$why" | tail -1)
fi

# Said when the port is ours.
banner="http://localhost:$port/ serves $site; Ctrl-C stops
"
if [ -z "$why" ]; then
	banner="${banner}jailed as user $user${userns:+ in a user namespace}: no files, no network, no privileges but the descriptors it is given"
	setsid "$o/bin/mayfly-usernet" --fwd="tcp:127.0.0.1:$port:80" --run sh -c 'echo "$0" && exec "$@"' "$banner" \
		"$o/bin/mayfly-jailer" "$@" --fd eth0=3 --fd kernel=4 --fd site=5 -- \
		--kernel /dev/fd/4 --mem 32M --block id=root,path=/dev/fd/5,ro --net id=eth0,fd=3 --boot-timer \
		4<"$o/examples/httpd" 5<"$o/site.img" &
else
	echo "${banner}not jailed ($why)"
	setsid "$o/bin/mayfly-monitor" --kernel "$o/examples/httpd" --mem 32M --block "id=root,path=$o/site.img,ro" \
		--net "id=eth0,user,fwd=$port:80" --boot-timer &
fi
await
[ "$status" != 130 ] || status=0 # Ctrl-C is the ordinary end
exit "$status"
