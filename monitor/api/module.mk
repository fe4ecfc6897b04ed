# The REST API. Its tables are made out of docs/openapi.yaml.
API_GEN = $(O)/gen/api_tables
$(API_GEN).c $(API_GEN)_calls.c $(API_GEN).h &: scripts/openapi.py docs/openapi.yaml
	@mkdir -p $(@D)
	$(call say,OPENAPI,$(API_GEN).c)
	$(Q)scripts/openapi.py docs/openapi.yaml $(API_GEN).c $(API_GEN)_calls.c $(API_GEN).h
	@touch $(API_GEN).c $(API_GEN)_calls.c $(API_GEN).h

# What a configuration file in Firecracker's form needs, too; and what knows no VM: for tests and fuzzers.
API_MODEL_SRCS = monitor/api/fault.c monitor/api/file.c monitor/api/model.c monitor/api/schema.c $(API_GEN).c
API_SRCS = $(API_MODEL_SRCS) monitor/api/act.c monitor/api/api.c monitor/api/configure.c monitor/api/info.c \
           monitor/api/snapshots.c $(API_GEN)_calls.c

MONITOR_SRCS += monitor/api/client.c
MONITOR_SRCS += monitor/api/events.c
MONITOR_SRCS += monitor/api/prom.c
MONITOR_SRCS += monitor/api/server.c
MONITOR_SRCS += monitor/api/vm.c
MONITOR_SRCS += $(API_SRCS)
$(foreach s,$(API_SRCS),$(eval $(s)_CFLAGS = -I$(O)/gen))
$(foreach d,obj obj-musl,$(API_SRCS:%.c=$(O)/$(d)/%.o)): $(API_GEN).h
