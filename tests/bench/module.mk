# Benchmarks: table on stdout, build/bench.json. BENCH_N=rounds (100), BENCH_ROWS=patterns of row names (all).
# The small C programs are built like the monitor: same optimisation, same static linking.
BENCH_PROGS = $(O)/bench/spawn_time $(O)/bench/kvm_floor
BENCH_N ?= 100
BENCH_ROWS ?= *
GUESTS += bench-idle

$(O)/bench/%: tests/bench/%.c $(O)/.flags/host
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(HOST_CFLAGS) $(HOST_LDFLAGS) $(STATIC_LDFLAGS) $< -o $@

.PHONY: bench bench-now bench-progs
.SECONDEXPANSION:
bench: ## benchmarks against a process, a KVM floor, QEMU and fio (needs /dev/kvm; BENCH_N= BENCH_ROWS=)
	$(Q)tests/bench/bench.py --preflight --rows '$(BENCH_ROWS)'
	$(Q)scripts/deps.sh build run check
	$(Q)$(MAKE) bench-now
bench-progs: $$(BENCH_PROGS) $(BIN)/mayfly-monitor $$(EXAMPLE_IMAGES) $$(EXAMPLES_NATIVE) $(O)/guests/bench-idle $(BIN)/mayfly-jailer $(O)/jail/bench $(O)/jail/probe
bench-now: bench-progs
	$(Q)tests/bench/bench.py -O $(O) -n '$(BENCH_N)' --rows '$(BENCH_ROWS)'
