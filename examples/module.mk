# Example programs: $(O)/examples/NAME is the bootable image (mayfly-cc), $(O)/examples/native/NAME the same sources
# as a Linux process (cc). unikernel-sdk/module.mk has the rules.
EXAMPLES += hello httpd udp-echo blk-bench kv function
EXAMPLES_NATIVE = $(EXAMPLES:%=$(O)/examples/native/%)

.PHONY: examples-native
.SECONDEXPANSION:
examples-native: $$(EXAMPLES_NATIVE)
