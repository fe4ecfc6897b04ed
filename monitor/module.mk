# mayfly-monitor. Sources one per line.
MONITOR_SRCS += lib/buf.c
MONITOR_SRCS += lib/kv.c
MONITOR_SRCS += lib/log.c
MONITOR_SRCS += lib/near.c
MONITOR_SRCS += lib/num.c
MONITOR_SRCS += monitor/config.c
MONITOR_SRCS += monitor/config_field.c
MONITOR_SRCS += monitor/config_json.c
MONITOR_SRCS += monitor/config_print.c
MONITOR_SRCS += monitor/config_value.c
MONITOR_SRCS += monitor/elf.c
MONITOR_SRCS += monitor/image.c
MONITOR_SRCS += monitor/metrics.c
MONITOR_SRCS += monitor/opts.c
MONITOR_SRCS += monitor/symbols.c

mayfly-monitor_SRCS = $(MONITOR_SRCS)
mayfly-monitor_LIBS = -ljansson -luring
HOST_PROGS += $(if $(wildcard monitor/main.c),mayfly-monitor)
