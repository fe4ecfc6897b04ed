#!/bin/sh
# SPDX-License-Identifier: MIT
#
# seccomp-report.sh BUILDDIR [CASE...]: runs the guest tests in the nested machine with every monitor traced
# (--seccomp=trace under mayfly-seccomp trace) and reports which rules of the policies were used. Exit 1 when one was
# not: nobody needs it. Whether a test passes does not matter here, being traced is slow; what kills a monitor does show.
set -eu
cd "$(dirname "$0")/.."
o=$PWD/$1 logs=$PWD/build/hw/scratch/seccomp-trace traced=$PWD/$1/traced
shift
rm -rf "$logs" "$traced"
mkdir -p "$logs" "$traced/bin"
for f in "$o"/*; do
	case ${f##*/} in
	traced | bin) ;;
	*) ln -s "$f" "$traced/${f##*/}" ;;
	esac
done
for f in "$o"/bin/*; do ln -s "$f" "$traced/bin/${f##*/}"; done
rm "$traced/bin/mayfly-monitor"
cat >"$traced/bin/mayfly-monitor" <<END
#!/bin/sh
exec $o/bin/mayfly-seccomp trace $logs $o/bin/mayfly-monitor --seccomp=trace "\$@"
END
chmod 755 "$traced/bin/mayfly-monitor"
python3 -B tests/guest/run.py hw ${RUNNING:+--running} -O "$traced" "$@" || true
"$o/bin/mayfly-seccomp" report monitor/seccomp/setup.policy monitor/seccomp/vcpu.policy monitor/seccomp/io.policy -- "$logs"/*
