#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh BUILDDIR [SITE] [PORT]: serves a folder by examples/httpd in a VM of its own, in the foreground: what
# `make run` does once everything is built. Rootless: the network is the monitor's user-mode backend.
set -eu
o=$1 site=${2:-examples/site} port=${3:-8080}
case $port in
'' | *[!0-9]*) echo "run: PORT=$port is no port number" >&2 && exit 2 ;;
esac
scripts/mkdisk.sh "$site" "$o/site.img"
echo "http://localhost:$port/ serves $site; Ctrl-C stops"
# Ctrl-C reaches the monitor by itself; that is the ordinary end.
trap : INT
status=0
"$o/bin/mayfly-monitor" --kernel "$o/examples/httpd" --mem 32M --block "id=root,path=$o/site.img,ro" \
	--net "id=eth0,user,fwd=$port:80" --boot-timer || status=$?
[ $status != 130 ] || status=0
exit $status
