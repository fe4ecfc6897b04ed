# Snapshots: state of a VM, rewinding in place, the freeze point. Sources one per line.
MONITOR_SRCS += monitor/snapshot/clock.c
MONITOR_SRCS += monitor/snapshot/freeze.c
MONITOR_SRCS += monitor/snapshot/rewind.c
MONITOR_SRCS += monitor/snapshot/state.c
MONITOR_SRCS += monitor/snapshot/state_check.c
