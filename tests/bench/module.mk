# Benchmarks: table on stdout, build/bench.json. BENCH_N=rounds (100), BENCH_ROWS=patterns of row names (all).
# The small C programs are built like the monitor: same optimisation, same C library, static.
BENCH_PROGS = $(O)/bench/kvm_floor $(O)/bench/spawn_time $(O)/bench/http_load
BENCH_N ?= 100
BENCH_ROWS ?= *
GUESTS += bench-freeze bench-idle bench-rewind

kvm_floor_SRCS = tests/bench/kvm_floor.c
spawn_time_SRCS = tests/bench/spawn_time.c
http_load_SRCS = tests/bench/http_load.c
$(foreach p,kvm_floor spawn_time http_load,$(eval $(p)_LINK = musl) $(eval $(p)_DIR = $(O)/bench))
TEST_PROGS += kvm_floor spawn_time http_load

.PHONY: bench bench-now bench-progs
.SECONDEXPANSION:
bench: ## benchmarks against a process, a KVM floor, QEMU and fio (needs /dev/kvm; BENCH_N= BENCH_ROWS=)
	$(Q)tests/bench/bench.py --preflight --rows '$(BENCH_ROWS)'
	$(Q)scripts/deps.sh build run check
	$(Q)$(MAKE) bench-now
bench-progs: $$(BENCH_PROGS) $(BIN)/mayfly-monitor $$(EXAMPLE_IMAGES) $$(EXAMPLES_NATIVE) $(addprefix $(O)/guests/,bench-freeze bench-idle bench-rewind limits snap) $(BIN)/mayfly-jailer $(O)/jail/bench $(O)/jail/bench_pool $(O)/jail/probe $(O)/jail/standin
bench-now: bench-progs
	$(Q)tests/bench/bench.py -O $(O) -n '$(BENCH_N)' --rows '$(BENCH_ROWS)'
