# The test targets. `make check` (scripts/module.mk) installs what is missing and comes to check-now. Every
# target in CHECKS prints a closing line "N passed, N failed, N skipped"; tests/check.py adds them up.
CHECKS += check-headers-host check-headers-guest check-unit check-guests check-hw-short check-kvm
# A case that fails once and then passes alone is told as UNSTABLE, and check.py tells all of those once more at its end.
GUEST_RUN = tests/guest/run.py -O $(O) --again 3
HW_LANE = build/hw/initrd

.PHONY: check-hw-jailed-short check-build check-now check-hw-now check-unit check-guests check-hw-short check-kvm hw-lane
.SECONDEXPANSION:
check-build: all $$(UNIT_BINS) $$(FUZZ_BINS) hw-lane
check-now: check-build
	$(Q)tests/check.py '$(MAKE)' $(CHECKS)
check-hw-now: all hw-lane
	$(Q)tests/check.py '$(MAKE)' check-hw-full check-hw-qemu check-hw-jail
hw-lane: $(HW_LANE)
$(HW_LANE): $(wildcard tests/lanes/*.c tests/lanes/hw-*)
	$(call say,HWLANE,$@)
	$(Q)tests/lanes/hw-build.sh

HOST_HEADERS = $(wildcard $(addsuffix /*.h,lib monitor monitor/* monitor/*/* jailer api tests/unit))
GUEST_HEADERS = $(wildcard $(addsuffix /*.h,$(addprefix unikernel-sdk/,core drivers fs net arch/x86_64 include)))
# Folders that some guest source is given for third-party headers.
GUEST_SRC_FLAGS = $(sort $(foreach s,$(GUEST_SRCS),$($(s)_GCFLAGS)))
GUEST_INC = $(addprefix -isystem ,$(filter-out -%,$(GUEST_SRC_FLAGS))) $(filter -I%,$(GUEST_SRC_FLAGS))
.PHONY: check-headers check-headers-host check-headers-guest
check-headers: check-headers-host check-headers-guest ## each header compiles alone, and its source includes it first
check-headers-host:
	$(Q)tests/check-headers.sh '$(CC) $(filter-out -W%,$(HOST_CFLAGS))' $(HOST_HEADERS)
check-headers-guest: $$(SDK_HEADERS)
	$(Q)tests/check-headers.sh '$(CC) $(filter-out -W%,$(GUEST_CFLAGS)) $(GUEST_INC)' $(GUEST_HEADERS)
check-unit: $$(UNIT_BINS)
	$(Q)tests/run-unit.sh $(UNIT_BINS)
check-guests: all
	$(Q)$(GUEST_RUN) tcg
check-hw-short: all hw-lane
	$(Q)$(GUEST_RUN) hw --short
# The same guests with the monitor in a jail: here a few of each kind, all of them in check-hw.
CHECKS += check-hw-jailed-short
JAILED_SHORT = hello crash-wild fs-basic-small fs-stop net-echo-user net-client-refused liar-user stop-default blk-raw image-write
check-hw-jailed-short: all hw-lane
	$(Q)$(GUEST_RUN) hw --jailed $(JAILED_SHORT)
check-kvm: all
	$(Q)$(GUEST_RUN) kvm
	$(Q)$(GUEST_RUN) kvm --jailed
	$(Q)$(GUEST_RUN) kvm-qemu
.PHONY: check-hw-full check-hw-qemu check-hw-jail
# Escapes, options and ends of jails on cgroup v2, with the Landlock of another kernel; then on a host that has v1 only.
check-hw-jail: all hw-lane
	$(Q)tests/lanes/hw-run.sh -t 2400 'tests/jail/run.sh $(O)'
	$(Q)HW_CGROUP=v1 tests/lanes/hw-run.sh -t 2400 'tests/jail/run.sh $(O)'
check-hw-full: all hw-lane
	$(Q)$(GUEST_RUN) hw
	$(Q)$(GUEST_RUN) hw --jailed
check-hw-qemu: all hw-lane
	$(Q)$(GUEST_RUN) hw-qemu

# Sizes are the host's business; boot and request counts are guest cases (tests/guest/budget).
CHECKS += check-sizes check-binaries
.PHONY: check-sizes
check-sizes: all
	$(Q)O=$(O) tests/budget.py sizes
.PHONY: check-binaries
check-binaries: $(BIN)/mayfly-monitor $(BIN)/mayfly-jailer $(BIN)/mayfly-usernet $(BIN)/mayfly-snapshot
	$(Q)tests/check-binaries.sh $^
