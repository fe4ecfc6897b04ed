# libFuzzer programs for whatever reads bytes of others. Each entry: FUZZERS += name, name_SRCS, name_LIBS; seeds are in
# tests/fuzz/corpus/name.

FUZZERS += fuzz_elf
fuzz_elf_SRCS = tests/fuzz/fuzz_elf.c monitor/elf.c

FUZZERS += fuzz_symbols
fuzz_symbols_SRCS = tests/fuzz/fuzz_symbols.c monitor/symbols.c

FUZZERS += fuzz_opts
fuzz_opts_SRCS = tests/fuzz/fuzz_opts.c monitor/opts.c $(CONFIG_SRCS)
fuzz_opts_LIBS = -ljansson

FUZZERS += fuzz_config
fuzz_config_SRCS = tests/fuzz/fuzz_config.c $(CONFIG_SRCS)
fuzz_config_LIBS = -ljansson

FUZZ_SECONDS ?= 30
CHECKS += fuzz-short
.PHONY: fuzz fuzz-short
.SECONDEXPANSION:
fuzz: $$(FUZZ_BINS) ## run every fuzzer for 30 seconds (FUZZ_SECONDS=n)
	$(Q)tests/run-fuzz.sh $(FUZZ_SECONDS) $(FUZZ_BINS)
fuzz-short: $$(FUZZ_BINS)
	$(Q)tests/run-fuzz.sh 3 $(FUZZ_BINS)
