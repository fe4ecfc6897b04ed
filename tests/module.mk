# The test targets. `make check` (scripts/module.mk) installs what is missing and comes to check-now. Every
# target in CHECKS prints a closing line "N passed, N failed, N skipped"; tests/check.py adds them up.
CHECKS += check-unit check-guests check-hw-short check-kvm
GUEST_RUN = tests/guest/run.py -O $(O)
HW_LANE = build/hw/initrd

.PHONY: check-now check-hw-now check-unit check-guests check-hw-short check-kvm hw-lane
.SECONDEXPANSION:
check-now: all $$(UNIT_BINS) $$(FUZZ_BINS) hw-lane
	$(Q)tests/check.py '$(MAKE)' $(CHECKS)
check-hw-now: all hw-lane
	$(Q)tests/check.py '$(MAKE)' check-hw-full check-hw-qemu
hw-lane: $(HW_LANE)
$(HW_LANE): $(wildcard tests/lanes/*.c tests/lanes/hw-*)
	$(call say,HWLANE,$@)
	$(Q)tests/lanes/hw-build.sh

check-unit: $$(UNIT_BINS)
	$(Q)tests/run-unit.sh $(UNIT_BINS)
check-guests: all
	$(Q)$(GUEST_RUN) tcg
check-hw-short: all hw-lane
	$(Q)$(GUEST_RUN) hw --short
check-kvm: all
	$(Q)$(GUEST_RUN) kvm
	$(Q)$(GUEST_RUN) kvm-qemu
.PHONY: check-hw-full check-hw-qemu
check-hw-full: all hw-lane
	$(Q)$(GUEST_RUN) hw
check-hw-qemu: all hw-lane
	$(Q)$(GUEST_RUN) hw-qemu
