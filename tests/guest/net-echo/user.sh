#!/bin/sh
# SPDX-License-Identifier: MIT
# net-echo behind the user-mode network: its address comes by DHCP, requests through a forwarded port.
set -eu
"$BOOT" >"$WORK/console" &
guest=$!
trap 'kill $guest 2>/dev/null || :' EXIT
curl -sSf -o "$WORK/body" --retry 100 --retry-delay 0 --retry-all-errors -m "$((20 * SLOW))" http://127.0.0.1:18080/3000000
cat "$WORK/console"
grep -q '^mayfly: eth0 10\..* gw 10\.' "$WORK/console" || { echo "no address by DHCP"; exit 1; }
python3 -c 'import sys; sys.stdout.buffer.write((bytes((i // 7 + i) & 255 for i in range(1792)) * 1675)[:3000000])' |
	cmp - "$WORK/body"
