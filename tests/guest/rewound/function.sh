#!/bin/sh
# SPDX-License-Identifier: MIT
# function.sh: examples/function by curl, then as the CGI program that plain gcc makes of it. Called by run.py.
set -eu
sock=$WORK/f.sock
$BOOT --serve unix:$sock 2>$WORK/err &
pid=$!
trap 'kill $pid 2>/dev/null || true; cat $WORK/err >&2' EXIT
until grep -q 'serving on' $WORK/err; do
	kill -0 $pid
	sleep 0.1
done
post() { curl -sS --fail-with-body --unix-socket $sock -d "$1" http://vm/; }
want() {
	[ "$1" = "$2" ] || { echo "got '$1', wanted '$2'" && exit 1; }
}
for i in 1 2 3; do
	want "$(post '{"a": 1, "b": [2, 3.5]}')" '{"sum": 6.5, "numbers": 3, "served": 1}'
done
want "$(post '{"a": }' || true)" '{"error": "this is no JSON value, at byte 6", "served": 1}'
want "$(post '[1]' || true)" '{"error": "a JSON object is expected, at byte 0", "served": 1}'
deep=$(printf '%040d' 0 | tr 0 '[')
want "$(post "{\"a\": $deep" || true)" '{"error": "nested too deep, at byte 37", "served": 1}'
want "$(curl -sS -o /dev/null -w '%{http_code}' --unix-socket $sock http://vm/)" 405
kill $pid
wait $pid && exit 1
[ $? = 143 ]
got=$(printf '{"x": 40, "y": 2}' | REQUEST_METHOD=POST CONTENT_LENGTH=17 $O/examples/native/function | tr -d '\r' | tail -n 1)
want "$got" '{"sum": 42, "numbers": 2, "served": 1}'
