# mayfly-jailer: no monitor code, static. Sources one per line.
JAILER_SRCS += jailer/apply.c
JAILER_SRCS += jailer/caps.c
JAILER_SRCS += jailer/cgroup.c
JAILER_SRCS += jailer/confine.c
JAILER_SRCS += jailer/exec.c
JAILER_SRCS += jailer/fds.c
JAILER_SRCS += jailer/host.c
JAILER_SRCS += jailer/landlock.c
JAILER_SRCS += jailer/main.c
JAILER_SRCS += jailer/mnt.c
JAILER_SRCS += jailer/netns.c
JAILER_SRCS += jailer/ns.c
JAILER_SRCS += jailer/ns_clone_x86_64.c
JAILER_SRCS += jailer/opts.c
JAILER_SRCS += jailer/path.c
JAILER_SRCS += jailer/plan.c
JAILER_SRCS += jailer/plan_print.c
JAILER_SRCS += jailer/pool.c
JAILER_SRCS += jailer/reap.c
JAILER_SRCS += jailer/record.c
JAILER_SRCS += jailer/rlimit.c
JAILER_SRCS += lib/buf.c
JAILER_SRCS += lib/errtext.c
JAILER_SRCS += lib/filter.c
JAILER_SRCS += lib/log.c
JAILER_SRCS += lib/near.c
JAILER_SRCS += lib/num.c
JAILER_SRCS += lib/opt.c
JAILER_SRCS += lib/opt_parse.c
JAILER_SRCS += lib/relro.c
JAILER_SRCS += $(O)/gen/jailer_policies.c

JAILER_POLICIES = jailer/jailer.policy jailer/program.policy
$(O)/gen/jailer_policies.c: $(BIN)/mayfly-seccomp $(JAILER_POLICIES)
	@mkdir -p $(@D)
	$(call say,SECCOMP,$@)
	$(Q)$(BIN)/mayfly-seccomp c $(JAILER_POLICIES) >$@

mayfly-jailer_SRCS = $(JAILER_SRCS)
# Linked with musl: glibc's start costs more than the whole jail and touches three times as many pages.
mayfly-jailer_LINK = musl
HOST_PROGS += mayfly-jailer

# --- tests: programs for inside ($(O)/jail), and the scripts that put them there, as root ----------------------
JAIL_PROGS = $(O)/jail/probe $(O)/jail/escape $(O)/jail/standin $(O)/jail/tenant
JAIL_CFLAGS = -std=gnu17 -O1 -g $(WARN) -D_GNU_SOURCE -I. -include lib/banned.h
ESCAPE_SRCS += tests/jail/escape.c
ESCAPE_SRCS += tests/jail/escape_file.c
ESCAPE_SRCS += tests/jail/escape_kernel.c
ESCAPE_SRCS += tests/jail/escape_net.c
ESCAPE_SRCS += tests/jail/escape_process.c

$(O)/jail/escape: $(ESCAPE_SRCS) tests/jail/escape.h
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(JAIL_CFLAGS) -static-pie $(ESCAPE_SRCS) -o $@
$(O)/jail/probe $(O)/jail/standin $(O)/jail/tenant: $(O)/jail/%: tests/jail/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(JAIL_CFLAGS) -static-pie $< -o $@
$(O)/jail/bench $(O)/jail/bench_pool: $(O)/jail/%: tests/jail/%.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(JAIL_CFLAGS) $< -o $@
ALL += $(JAIL_PROGS) $(O)/jail/bench $(O)/jail/bench_pool

.PHONY: check-jail bench-jail
check-jail: $(BIN)/mayfly-jailer $(JAIL_PROGS) ## escapes, hostile options and ends of jails (root)
	$(Q)tests/jail/run.sh $(O)
bench-jail: $(BIN)/mayfly-jailer $(O)/jail/probe $(O)/jail/bench ## what a jail costs over the bare program (root)
	$(Q)$(O)/jail/bench $(BIN)/mayfly-jailer $(abspath $(O)/jail/probe) 100 50
CHECKS += check-jail

JAILER_TESTED = $(filter-out jailer/main.c,$(JAILER_SRCS))
UNIT_TESTS += test_jail_opts
test_jail_opts_SRCS = tests/unit/test_jail_opts.c jailer/opts.c jailer/path.c lib/errtext.c lib/near.c lib/num.c lib/opt.c lib/opt_parse.c
UNIT_TESTS += test_jail_plan
test_jail_plan_SRCS = tests/unit/test_jail_plan.c $(JAILER_TESTED)
FUZZERS += fuzz_jail_opts
fuzz_jail_opts_SRCS = tests/fuzz/fuzz_jail_opts.c $(JAILER_TESTED)
