# Snapshots: state of a VM, its files, rewinding in place, the freeze point. Sources one per line.
# SNAP_READ_SRCS: what judges and opens the files, without a VM; SNAP_FILE_SRCS: and writes them.
SNAP_READ_SRCS += monitor/snapshot/files_read.c
SNAP_READ_SRCS += monitor/snapshot/memfile_read.c
SNAP_READ_SRCS += monitor/snapshot/state_check.c
SNAP_READ_SRCS += monitor/snapshot/store.c

SNAP_FILE_SRCS = $(SNAP_READ_SRCS)
SNAP_FILE_SRCS += monitor/snapshot/files.c
SNAP_FILE_SRCS += monitor/snapshot/memfile.c
SNAP_FILE_SRCS += monitor/snapshot/newfile.c

MONITOR_SRCS += $(SNAP_FILE_SRCS)
MONITOR_SRCS += monitor/config_snapshot.c
MONITOR_SRCS += monitor/snapshot/config.c
MONITOR_SRCS += monitor/snapshot/cpu.c
MONITOR_SRCS += monitor/snapshot/dirty.c
MONITOR_SRCS += monitor/snapshot/disks.c
MONITOR_SRCS += monitor/snapshot/lazy.c
MONITOR_SRCS += monitor/snapshot/msrs.c
MONITOR_SRCS += monitor/snapshot/restore.c
MONITOR_SRCS += monitor/snapshot/snapshot.c
MONITOR_SRCS += monitor/snapshot/wset.c
MONITOR_SRCS += monitor/snapshot/wset_file.c
MONITOR_SRCS += monitor/snapshot/clock.c
MONITOR_SRCS += monitor/snapshot/fork.c
MONITOR_SRCS += monitor/snapshot/freeze.c
MONITOR_SRCS += monitor/snapshot/rewind.c
MONITOR_SRCS += monitor/snapshot/state.c

UNIT_TESTS += test_snap_files
test_snap_files_SRCS = tests/unit/test_snap_files.c tests/unit/snap.c $(SNAP_FILE_SRCS)
test_snap_files_LIBS = -lsodium

UNIT_TESTS += test_snap_parts
test_snap_parts_SRCS = tests/unit/test_snap_parts.c monitor/snapshot/cpu.c monitor/snapshot/newfile.c monitor/snapshot/wset_file.c
test_snap_parts_LIBS = -lsodium

UNIT_TESTS += test_snap_crash
test_snap_crash_SRCS = tests/unit/test_snap_crash.c tests/unit/snap.c $(SNAP_TOOL_SRCS)
test_snap_crash_LIBS = -lzstd -lsodium -ljansson

FUZZERS += fuzz_snap
fuzz_snap_SRCS = tests/fuzz/fuzz_snap.c monitor/snapshot/newfile.c monitor/snapshot/wset_file.c monitor/snapshot/state_check.c monitor/snapshot/store.c
fuzz_snap_LIBS = -lsodium

GUESTS += snap

# The long form of the guest case snap-clone: no two of so many clones are alike. On this host's KVM, else in the lane.
CLONES ?= 1000
.PHONY: clones
clones: all hw-lane ## restore CLONES=1000 clones of one snapshot: no two share a random number, an ISN or a MAC
	$(Q)if [ -w /dev/kvm ]; then set -- sh -c; else set -- tests/lanes/hw-run.sh -t 3600; fi; \
	"$$@" 'O=$(O) IMAGE=$(O)/guests/snap WORK=/var/tmp/clones SLOW=10 python3 -B tests/guest/snap/check.py clone $(CLONES)'

UNIT_TESTS += test_snap_config
test_snap_config_SRCS = tests/unit/test_snap_config.c tests/unit/snap.c monitor/opts.c monitor/opts_keys.c lib/opt.c $(sort $(CONFIG_SRCS) $(SNAP_FILE_SRCS))
test_snap_config_LIBS = $(CONFIG_LIBS)
