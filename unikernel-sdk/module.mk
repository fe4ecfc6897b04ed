# The library OS, and the images made with it. GUEST_SRCS, EXAMPLES and GUESTS are complete only when every
# module.mk has been read, hence the second expansion.
GUEST_SRCS += unikernel-sdk/core/start.c
GUEST_SRCS += unikernel-sdk/core/cmdline.c
GUEST_SRCS += unikernel-sdk/core/sys.c
GUEST_SRCS += unikernel-sdk/core/freeze.c
unikernel-sdk/core/freeze.c_GCFLAGS = -D__mayfly__=1
GUEST_SRCS += unikernel-sdk/core/fd.c
GUEST_SRCS += unikernel-sdk/core/file.c
GUEST_SRCS += unikernel-sdk/core/console.c
GUEST_SRCS += unikernel-sdk/core/pool.c
GUEST_SRCS += unikernel-sdk/core/mem.c
GUEST_SRCS += unikernel-sdk/core/mmap.c
GUEST_SRCS += unikernel-sdk/core/time.c
GUEST_SRCS += unikernel-sdk/core/wait.c
GUEST_SRCS += unikernel-sdk/core/sig.c
GUEST_SRCS += unikernel-sdk/core/poll.c
GUEST_SRCS += unikernel-sdk/core/epoll.c
GUEST_SRCS += unikernel-sdk/core/event.c
GUEST_SRCS += unikernel-sdk/core/pipe.c
GUEST_SRCS += unikernel-sdk/core/proc.c
GUEST_SRCS += unikernel-sdk/core/random.c

# Names of the system calls, for the console: one string, NUL after each, in the order of their numbers.
SYSCALL_NAMES := $(O)/sdk/gen/uk_syscall_names.h
$(SYSCALL_NAMES): $(SDK_HEADERS)
	@mkdir -p $(@D)
	$(Q)awk '/^#define __NR_/ { name[$$3] = substr($$2, 6); if ($$3 > max) max = $$3 + 0 } \
		END { print "static const char uk_syscall_names[] ="; \
		for (i = 0; i <= max; i++) printf "\t\"%s\\0\"\n", name[i]; print "\t;" }' $(O)/sdk/include/bits/syscall.h >$@
$(O)/sdk/obj/unikernel-sdk/core/sys.o: $(SYSCALL_NAMES)
unikernel-sdk/core/sys.c_GCFLAGS = -I$(O)/sdk

SDK_LIBMAYFLY := $(O)/sdk/lib/libmayfly.a
guest_objs = $(patsubst %,$(O)/sdk/obj/%.o,$(basename $(1)))
# Every archive of the SDK that some module.mk asked for: an image may need any of them.
SDK_ARCHIVES = $(sort $(SDK_LIBC) $(SDK_LIBMAYFLY) $(filter $(O)/sdk/lib/%.a,$(ALL)))
SDK_ALL = $(SDK_HEADERS) $(SDK_ARCHIVES) $(SDK_TOOLS) $(SDK_FILES)
EXAMPLE_IMAGES = $(EXAMPLES:%=$(O)/examples/%)
NATIVE_EXAMPLES = $(EXAMPLES:%=$(O)/examples/native/%)
GUEST_IMAGES = $(GUESTS:%=$(O)/guests/%)

.PHONY: sdk images
.SECONDEXPANSION:
sdk: $$(SDK_ALL) ## the SDK alone: sysroot, library OS, mayfly-cc
images: $$(EXAMPLE_IMAGES) $$(NATIVE_EXAMPLES) $$(GUEST_IMAGES) ## examples and test guests
all: sdk images

$(O)/sdk/obj/%.o: %.c $(O)/.flags/guest | $(SDK_HEADERS)
	@mkdir -p $(@D)
	$(call say,GUESTCC,$<)
	$(Q)$(CC) $(GUEST_CFLAGS) $($(<)_GCFLAGS) -MMD -MP -MF $(@:.o=.d).$$$$ -c $< -o $@ && mv $(@:.o=.d).$$$$ $(@:.o=.d)
$(O)/sdk/obj/%.o: %.S $(O)/.flags/guest | $(SDK_HEADERS)
	@mkdir -p $(@D)
	$(call say,GUESTAS,$<)
	$(Q)$(CC) $(GUEST_CFLAGS) $($(<)_GCFLAGS) -MMD -MP -MF $(@:.o=.d).$$$$ -c $< -o $@ && mv $(@:.o=.d).$$$$ $(@:.o=.d)
$(SDK_LIBMAYFLY): $$(call guest_objs,$$(GUEST_SRCS)) $$(call list_stamp,guest-srcs,$$(GUEST_SRCS))
	@mkdir -p $(@D)
	$(call say,AR,$@)
	$(Q)rm -f $@.$$$$ && ar rcs $@.$$$$ $(call guest_objs,$(GUEST_SRCS)) && mv $@.$$$$ $@

# list_stamp NAME,WORDS: a file that changes when the words do.
list_stamp = $(shell mkdir -p $(O)/.flags; printf '%s' '$(2)' | cmp -s - $(O)/.flags/$(1) || printf '%s' '$(2)' >$(O)/.flags/$(1))$(O)/.flags/$(1)

# The stamps above are made while make runs, behind the back of its directory cache.
$(O)/.flags/image-%: ;
$(O)/.flags/guest-%: ;
.PRECIOUS: $(O)/.flags/image-% $(O)/.flags/guest-%

# Images: NAME_GCFLAGS compiles, NAME_GLDFLAGS links. Native: the same sources as a Linux process.
IMAGE_CFLAGS := -O2 $(WARN)
image_flags = $(IMAGE_CFLAGS) $($(1)_GCFLAGS)
$(O)/examples/%: $$(wildcard examples/$$*/*.[ch]) $$(SDK_ALL) $$(call list_stamp,image-$$*,$$(call image_flags,$$*) $$($$*_GLDFLAGS))
	@mkdir -p $(@D)
	$(call say,IMAGE,$@)
	$(Q)$(BIN)/mayfly-cc $(call image_flags,$*) -o $@ $(filter examples/%.c,$^) $($*_GLDFLAGS)
$(O)/examples/native/%: $$(wildcard examples/$$*/*.[ch]) $(O)/.flags/host
	@mkdir -p $(@D)
	$(call say,NATIVE,$@)
	$(Q)$(CC) $(call image_flags,$*) -Iunikernel-sdk/include -o $@ $(filter examples/%.c,$^) $($*_NLDFLAGS)
$(O)/guests/%: $$(wildcard tests/guest/$$*/*.[ch]) $$(SDK_ALL) $$(call list_stamp,guest-$$*,$$(call image_flags,$$*) $$($$*_GLDFLAGS))
	@mkdir -p $(@D)
	$(call say,IMAGE,$@)
	$(Q)$(BIN)/mayfly-cc $(call image_flags,$*) -o $@ $(filter tests/guest/%.c,$^) $($*_GLDFLAGS)

-include $(shell find $(O)/sdk/obj -name '*.d' 2>/dev/null)
