#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh BUILDDIR [SITE] [PORT]: serves a folder by examples/httpd in a VM of its own, in the foreground: what
# `make run` does once everything is built. The monitor is jailed where this user may make a jail (root, or a user
# namespace), and it says so when not. JAIL=no does without. The network is the user-mode one: no route, no tap.
set -eu
o=$(realpath "$1") site=${2:-examples/site} port=${3:-8080}
case $port in
'' | *[!0-9]*) echo "run: PORT=$port is no port number" >&2 && exit 2 ;;
esac
scripts/mkdisk.sh "$site" "$o/site.img"
base=$(mktemp -d)
trap 'rm -rf "$base"' EXIT
# Ctrl-C reaches the monitor by itself; that is the ordinary end.
trap : INT

# The options of a jail, or why there is none. Root's jail gets a user that nothing else has.
if [ "$(id -u)" = 0 ]; then
	user=$((60000 + $$ % 5000)) group=$user userns=
else
	user=$(id -u) group=$(id -g) userns=--userns
fi
set -- --id "run-$$" --exec-file "$(realpath "$o/bin/mayfly-monitor")" --uid "$user" --gid "$group" --chroot-base-dir "$base" $userns
if [ "${JAIL:-yes}" = no ]; then
	why='JAIL=no'
elif why=$("$o/bin/mayfly-jailer" "$@" -- --version 2>&1 >/dev/null) && [ -z "$why" ]; then
	why=
else
	why=$(printf '%s\n' "$why" | tail -1)
fi

echo "http://localhost:$port/ serves $site; Ctrl-C stops"
status=0
if [ -z "$why" ]; then
	echo "jailed as user $user${userns:+ in a user namespace}: no files, no network, no privileges but the descriptors it is given"
	"$o/bin/mayfly-usernet" --fwd="tcp:127.0.0.1:$port:80" --run "$o/bin/mayfly-jailer" "$@" --fd eth0=3 --fd kernel=4 \
		--fd site=5 -- --kernel /dev/fd/4 --mem 32M --block id=root,path=/dev/fd/5,ro --net id=eth0,fd=3 --boot-timer \
		4<"$o/examples/httpd" 5<"$o/site.img" || status=$?
else
	echo "not jailed ($why)"
	"$o/bin/mayfly-monitor" --kernel "$o/examples/httpd" --mem 32M --block "id=root,path=$o/site.img,ro" \
		--net "id=eth0,user,fwd=$port:80" --boot-timer || status=$?
fi
[ $status != 130 ] || status=0
exit $status
