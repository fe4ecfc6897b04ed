#!/bin/sh
# SPDX-License-Identifier: MIT
#
# seccomp-report.sh BUILDDIR [CASE...]: runs the guest, API and jail tests with every monitor and jailer traced (--seccomp=trace
# under mayfly-seccomp trace) and reports which rules of the policies were used. Exit 1 when one was not: nobody needs it;
# and when one was missing. Whether a test passes does not matter here, being traced is slow. On this host's KVM where
# there is one (KVM_LANE=kvm), else in the nested machine. With CASEs: only these guest tests, and the report's status is
# that of what they need.
set -eu
cd "$(dirname "$0")/.."
o=$PWD/$1 traced=$PWD/$1/traced
shift
lane=${KVM_LANE:-$([ -w /dev/kvm ] && echo kvm || echo hw)}
logs=$PWD/build/hw/scratch/seccomp-trace
rm -rf "$logs" "$traced"
mkdir -p "$logs" "$traced/bin"
for f in "$o"/*; do
	case ${f##*/} in
	traced | bin | test-logs) ;;
	*) ln -s "$f" "$traced/${f##*/}" ;;
	esac
done
for f in "$o"/bin/*; do ln -s "$f" "$traced/bin/${f##*/}"; done
rm "$traced/bin/mayfly-monitor" "$traced/bin/mayfly-jailer"
cat >"$traced/bin/mayfly-monitor" <<END
#!/bin/sh
exec $o/bin/mayfly-seccomp trace $logs $o/bin/mayfly-monitor --seccomp=trace "\$@"
END
# A jail executes the program itself, not a script beside it; a monitor in it is traced with its jailer.
cat >"$traced/bin/mayfly-jailer" <<END
#!/bin/sh
n=\$# more= monitor=
for a; do
	shift
	case \$a in
	*$traced/bin/mayfly-monitor) a=\${a%%$traced/*}$o/bin/mayfly-monitor monitor=1 ;;
	--) more=1 ;;
	esac
	set -- "\$@" "\$a"
done
[ -z "\$monitor" ] || [ -n "\$more" ] || set -- "\$@" --
[ -z "\$monitor" ] || set -- "\$@" --seccomp=trace
exec $o/bin/mayfly-seccomp trace $logs $o/bin/mayfly-jailer --seccomp-trace "\$@"
END
chmod 755 "$traced/bin/mayfly-monitor" "$traced/bin/mayfly-jailer"
python3 -B tests/guest/run.py "$lane" ${RUNNING:+--running} -O "$traced" "$@" | tail -1
if [ $# = 0 ]; then
	m=$traced/bin/mayfly-monitor w=$traced/rare
	mkdir -p "$w"
	"$m" --check-host >"$w/host" || true
	echo "{\"kernel\": \"$o/examples/hello\"}" >"$w/config"
	"$m" --config-file "$w/config" >"$w/hello" || true
	"$m" --config-file - <"$w/config" >>"$w/hello" || true
	truncate -s 1M "$w/disk"
	for idle in exit hlt; do # a copy with a disk in each mode; a snapshot that cannot be written
		"$m" --kernel "$o/guests/snap" --mem 16M --idle $idle --block "id=d,path=$w/disk,ro" --fork n=1 --cmdline '-- who' >"$w/fork" 2>&1 || true
		"$m" --kernel "$o/guests/snap" --mem 16M --idle $idle --snapshot "path=$w/none/vm" --cmdline '-- who' >>"$w/fork" 2>&1 || true
	done
	O=$traced python3 -B tests/api/check.py | tail -1
	if [ "$(id -u)" = 0 ]; then
		# A first process that a fault ends is one that a tracer cannot let end: no test_life.py.
		O=${traced#"$PWD"/} python3 -B tests/jail/test_pool.py | grep -c '^ok'
		for sig in TERM USR1; do
			"$traced/bin/mayfly-jailer" --id rare --exec-file "$o/jail/probe" --uid 30001 --gid 30001 --chroot-base-dir "$w/base" -- term &
			sleep 1
			kill -s $sig $! || true
			sleep 1
			kill -s TERM $! 2>/dev/null || true
			wait $! || true
		done
	fi
fi
cat "$logs/denied" >&2 2>/dev/null || true
"$o/bin/mayfly-seccomp" report monitor/seccomp/setup.policy monitor/seccomp/vcpu.policy monitor/seccomp/io.policy \
	monitor/seccomp/api.policy monitor/seccomp/lazy.policy jailer/jailer.policy -- "$logs"/*.*
[ ! -s "$logs/denied" ]
