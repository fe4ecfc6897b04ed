# libFuzzer programs for whatever reads bytes of others. Each entry: FUZZERS += name, name_SRCS, name_LIBS; seeds are in
# tests/fuzz/corpus/name.

FUZZERS += fuzz_elf
fuzz_elf_SRCS = tests/fuzz/fuzz_elf.c monitor/elf.c

FUZZERS += fuzz_symbols
fuzz_symbols_SRCS = tests/fuzz/fuzz_symbols.c monitor/symbols.c

FUZZERS += fuzz_opts
fuzz_opts_SRCS = tests/fuzz/fuzz_opts.c monitor/opts.c monitor/opts_keys.c lib/opt.c $(CONFIG_SRCS)
fuzz_opts_LIBS = -I$(O)/gen $(CONFIG_LIBS)

FUZZERS += fuzz_config
fuzz_config_SRCS = tests/fuzz/fuzz_config.c $(CONFIG_SRCS)
fuzz_config_LIBS = -I$(O)/gen $(CONFIG_LIBS)

FUZZERS += fuzz_virtq
fuzz_virtq_SRCS = tests/fuzz/fuzz_virtq.c tests/fuzz/guest.c $(VIRTQ_SRCS) lib/log.c

FUZZERS += fuzz_mmio
fuzz_mmio_SRCS = tests/fuzz/fuzz_mmio.c tests/fuzz/guest.c $(VIRTQ_SRCS) lib/log.c

FUZZERS += fuzz_blk
fuzz_blk_SRCS = tests/fuzz/fuzz_blk.c tests/fuzz/guest.c $(VIRTQ_SRCS) $(VBLK_SRCS) $(BACKEND_BLK_SRCS) monitor/confine_use.c lib/log.c
fuzz_blk_LIBS = -luring

FUZZERS += fuzz_overlay
fuzz_overlay_SRCS = tests/fuzz/fuzz_overlay.c tests/fuzz/guest.c $(VIRTQ_SRCS) $(BACKEND_BLK_SRCS) lib/log.c
fuzz_overlay_LIBS = -luring

FUZZERS += fuzz_net
fuzz_net_SRCS = tests/fuzz/fuzz_net.c tests/fuzz/guest.c $(VIRTQ_SRCS) $(VNET_SRCS) $(BACKEND_NET_SRCS) monitor/confine_use.c monitor/signals.c lib/log.c

FUZZERS += fuzz_netpolicy
fuzz_netpolicy_SRCS = tests/fuzz/fuzz_netpolicy.c tests/fuzz/guest.c monitor/virtio/netpolicy.c $(VIRTQ_SRCS) lib/log.c

FUZZERS += fuzz_http_request
fuzz_http_request_SRCS = tests/fuzz/fuzz_http_request.c $(HTTP_SRCS)
fuzz_http_request_LIBS = $(LLHTTP_CFLAGS) -isystem /usr/share/include/llhttp

FUZZERS += fuzz_api
fuzz_api_SRCS = tests/fuzz/fuzz_api.c tests/unit/api_stub.c $(filter-out lib/log.c,$(sort $(API_SRCS) $(HTTP_SRCS) $(CONFIG_SRCS)))
fuzz_api_LIBS = $(LLHTTP_CFLAGS) -isystem /usr/share/include/llhttp -I$(O)/gen -Dopen=fuzz_open $(CONFIG_LIBS)
$(O)/fuzz/fuzz_api $(O)/fuzz/fuzz_config $(O)/fuzz/fuzz_opts: $(API_GEN).h

FUZZERS += fuzz_filter_file
fuzz_filter_file_SRCS = tests/fuzz/fuzz_filter_file.c lib/errtext.c lib/filter.c lib/filter_file.c

FUZZERS += fuzz_policy
fuzz_policy_SRCS = tests/fuzz/fuzz_policy.c lib/errtext.c lib/num.c monitor/seccomp/names.c monitor/seccomp/policy.c

FUZZ_SECONDS ?= 30
CHECKS += fuzz-short
.PHONY: fuzz fuzz-short
.SECONDEXPANSION:
fuzz: $$(FUZZ_BINS) ## run every fuzzer for 30 seconds (FUZZ_SECONDS=n)
	$(Q)tests/run-fuzz.sh $(FUZZ_SECONDS) $(FUZZ_BINS)
fuzz-short: $$(FUZZ_BINS)
	$(Q)tests/run-fuzz.sh 3 $(FUZZ_BINS)
