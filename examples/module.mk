# Example programs: $(O)/examples/NAME is the bootable image (mayfly-cc), $(O)/examples/native/NAME the same sources
# as a Linux process (cc). `make examples-native` needs nothing but a C compiler.
EXAMPLES += hello httpd udp-echo blk-bench kv

EXAMPLE_CFLAGS := -std=gnu17 -O2 -g $(WARN) -D_GNU_SOURCE
EXAMPLES_NATIVE = $(EXAMPLES:%=$(O)/examples/native/%)

example_srcs = $(sort $(wildcard examples/$(1)/*.c))
.SECONDEXPANSION:
$(O)/examples/native/%: $$(call example_srcs,$$*) $$(wildcard examples/$$*/*.h) $(O)/.flags/host
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(EXAMPLE_CFLAGS) $(SANFLAGS) $(call example_srcs,$*) -o $@

.PHONY: examples-native
examples-native: $(EXAMPLES_NATIVE)
