# mayfly-seccomp compiles the policies of this folder at build time (libseccomp); the monitor gets tables.
SECCOMP_POLICIES += monitor/seccomp/setup.policy
SECCOMP_POLICIES += monitor/seccomp/vcpu.policy
SECCOMP_POLICIES += monitor/seccomp/io.policy
SECCOMP_POLICIES += monitor/seccomp/api.policy
SECCOMP_POLICIES += monitor/seccomp/lazy.policy

SECCOMP_COMPILER_SRCS += lib/errtext.c
SECCOMP_COMPILER_SRCS += lib/filter.c
SECCOMP_COMPILER_SRCS += lib/filter_file.c
SECCOMP_COMPILER_SRCS += lib/near.c
SECCOMP_COMPILER_SRCS += lib/num.c
SECCOMP_COMPILER_SRCS += monitor/seccomp/compile.c
SECCOMP_COMPILER_SRCS += monitor/seccomp/emit.c
SECCOMP_COMPILER_SRCS += monitor/seccomp/explain.c
SECCOMP_COMPILER_SRCS += monitor/seccomp/names.c
SECCOMP_COMPILER_SRCS += monitor/seccomp/policy.c
mayfly-seccomp_SRCS = $(SECCOMP_COMPILER_SRCS) lib/log.c monitor/seccomp/report.c monitor/seccomp/tool.c monitor/seccomp/trace.c
mayfly-seccomp_LIBS = -lseccomp
mayfly-seccomp_LINK = dynamic
HOST_PROGS += mayfly-seccomp

$(O)/gen/policies.c: $(BIN)/mayfly-seccomp $(SECCOMP_POLICIES)
	@mkdir -p $(@D)
	$(call say,SECCOMP,$@)
	$(Q)$(BIN)/mayfly-seccomp c $(SECCOMP_POLICIES) >$@

# What binds the monitor: no compiler, no libseccomp.
SECCOMP_SRCS += $(O)/gen/policies.c
SECCOMP_SRCS += lib/errtext.c
SECCOMP_SRCS += lib/filter.c
SECCOMP_SRCS += lib/filter_file.c
MONITOR_SRCS += $(SECCOMP_SRCS)
MONITOR_SRCS += monitor/confine.c
MONITOR_SRCS += monitor/confine_use.c

# A monitor that was taken over, one row for each thing it must not do (also run in a jail: tests/jail).
COMPROMISED_SRCS = tests/jail/compromised.c tests/jail/compromised_rows.c lib/filter.c $(O)/gen/policies.c
$(O)/jail/compromised: $(COMPROMISED_SRCS) tests/jail/compromised.h lib/filter.h
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu17 -O1 -g $(WARN) -D_GNU_SOURCE -I. -include lib/banned.h -static-pie $(COMPROMISED_SRCS) -o $@
ALL += $(O)/jail/compromised
.PHONY: check-seccomp
check-seccomp: $(O)/jail/compromised ## each thing that a monitor's filters must stop
	$(Q)$(O)/jail/compromised >$(O)/jail/compromised.log || { grep '^not ok' $(O)/jail/compromised.log; exit 1; }
	$(Q)echo "$$(grep -c '^ok' $(O)/jail/compromised.log) passed, 0 failed, 0 skipped"
CHECKS += check-seccomp

# Every guest, API and jail test, traced: on this host's KVM in two minutes, else in the nested machine, which takes
# long. No part of `make check`: which rules a run uses is not yet the same each time.
SECCOMP_KVM := $(shell test -w /dev/kvm && echo kvm)
.PHONY: seccomp-report
seccomp-report: all $(if $(SECCOMP_KVM),,hw-lane) ## all tests traced: a rule of a policy that nothing uses is an error
	$(Q)tests/seccomp-report.sh $(O)
