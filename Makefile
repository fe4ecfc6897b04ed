# Mayfly: one non-recursive make. `make help` lists the targets; each folder's module.mk says what it builds.
# Knobs: V=1 shows commands, SAN=1 builds host code with ASan+UBSan, WERROR=0 keeps going on warnings,
# O=dir is the build folder, PREFIX= and DESTDIR= are for install, SITE=dir is what `make run` serves.
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

SAN    ?= 0
V      ?= 0
WERROR ?= 1
O      ?= $(if $(filter 1,$(SAN)),build/san,build)
PREFIX ?= /usr/local
SITE   ?=
VERSION := 0.1.0

CC     = gcc
CLANG  = clang
Q      := $(if $(filter 1,$(V)),,@)
say     = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(2)')

# --- host flags -------------------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wimplicit-fallthrough -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes -Wundef \
        -Wformat=2 -Wcast-qual -Wpointer-arith $(if $(filter 1,$(WERROR)),-Werror)
comma := ,
SANFLAGS := $(if $(filter 1,$(SAN)),-fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined)
HARDEN := -fstack-protector-strong -fcf-protection=full $(if $(filter 1,$(SAN)),,-D_FORTIFY_SOURCE=2)
HOST_CFLAGS := -std=gnu17 -O2 -g -fPIE $(WARN) $(HARDEN) $(SANFLAGS) -D_GNU_SOURCE -DMAYFLY_VERSION='"$(VERSION)"' \
               -I. -Iunikernel-sdk/include -include lib/banned.h
HOST_LDFLAGS := -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code
# Programs on the boot path (LINK = musl) are static-pie with Debian's musl: no dynamic loader, and not glibc, which
# asks CPUID about a hundred times before main, a trap each under every hypervisor. A sanitized build is glibc's.
MUSL_DIR := /usr/lib/x86_64-linux-musl
MUSL_CC_INC := $(shell $(CC) -print-file-name=include)
MUSL_KERNEL_INC := $(O)/obj-musl/include
# Nothing unwinds in these programs: no exceptions, no backtrace(3). Debuggers have .debug_frame.
MUSL_HOST_CFLAGS = -fno-unwind-tables -fno-asynchronous-unwind-tables -nostdinc -isystem lib/musl -isystem $(MUSL_CC_INC) -isystem /usr/include/x86_64-linux-musl -isystem $(MUSL_KERNEL_INC)

# --- guest flags (library OS, musl, lwIP, ext2fs) ---------------------------------------------------------
# Frame pointers: crash reports have backtraces. No red zone is needed by us, but none is lost either: the
# stub runs on its own stack. -fcf-protection=none: no CET in guests, and 4 bytes saved per function.
GUEST_CFLAGS := -std=gnu17 -Os -g -ffreestanding -fno-stack-protector -fcf-protection=none -fno-omit-frame-pointer \
                -fpie -fvisibility=hidden -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections \
                -nostdinc -isystem $(O)/sdk/include $(WARN) -D_GNU_SOURCE -Iunikernel-sdk -Iunikernel-sdk/include -Iunikernel-sdk/core

# --- what the folders add ---------------------------------------------------------------------------------
# HOST_PROGS   programs of $(O)/bin: NAME_SRCS, NAME_LINK (musl|dynamic), NAME_LIBS (with glibc: dynamic, or SAN=1),
#              NAME_MUSL_LIBS (names of musl_lib, below)
# TEST_PROGS   the same, not installed, in folder NAME_DIR
# UNIT_TESTS   Criterion programs of $(O)/tests: NAME_SRCS, NAME_LIBS
# FUZZERS      libFuzzer programs of $(O)/fuzz: NAME_SRCS, NAME_LIBS (corpus in tests/fuzz/corpus/NAME)
# GUEST_SRCS   library OS sources, archived into $(O)/sdk/lib/libmayfly.a (FILE_GCFLAGS per file by path)
# EXAMPLES     $(O)/examples/NAME from examples/NAME/*.c by mayfly-cc, and $(O)/examples/native/NAME by cc
# GUESTS       $(O)/guests/NAME from tests/guest/NAME/*.c by mayfly-cc: NAME_GLDFLAGS
# ALL, CHECKS  more files that `all` builds; more targets that `check` runs
HOST_PROGS :=
TEST_PROGS :=
UNIT_TESTS :=
FUZZERS :=
GUEST_SRCS :=
EXAMPLES :=
GUESTS :=
ALL :=
CHECKS :=
BIN := $(O)/bin
# A library for LINK = musl, from Debian's source, is one line in a module.mk:
#   $(eval $(call musl_lib,NAME,VERSION,FOLDER OF ITS HEADERS,FILES without .c,FLAGS))
# NAME is the source package; headers that its configure would make are in lib/musl. A thread of such a program has
# the stack that MUSL_LDFLAGS says.
MUSL_LIB_FLAGS = $(filter-out -W% -I% -DMAYFLY%,$(subst -include lib/banned.h,,$(HOST_CFLAGS))) -w
define musl_lib
MUSL_HOST_CFLAGS += -isystem build/src/$(1)-$(2)/$(3)
MUSL_LIB_STAMPS += build/src/$(1)-$(2)/.mayfly-source
build/src/$(1)-$(2)/.mayfly-source: scripts/fetch-src.sh
	$$(call say,FETCH,$(1) $(2))
	$$(Q)scripts/fetch-src.sh $(1) $(2) build/src/$(1)-$(2)
	@touch $$@
$(4:%=$(O)/obj-musl/$(1)/%.o): $(O)/obj-musl/$(1)/%.o: build/src/$(1)-$(2)/.mayfly-source $(O)/.flags/musl-host | $(MUSL_KERNEL_INC)
	@mkdir -p $$(@D)
	$$(call say,MUSLCC,$(1)/$$*.c)
	$$(Q)$$(CC) $$(MUSL_LIB_FLAGS) $$(MUSL_HOST_CFLAGS) $(5) -c build/src/$(1)-$(2)/$$*.c -o $$@
$(O)/obj-musl/lib$(1).a: $(4:%=$(O)/obj-musl/$(1)/%.o)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
include $(sort $(wildcard */module.mk */*/module.mk */*/*/module.mk))

# --- host objects and programs ----------------------------------------------------------------------------
# Flags live in a stamp that changes only when they do: a change of flags rebuilds.
define stamp
$(shell mkdir -p $(O)/.flags; printf '%s' '$(subst ','\'',$(2))' | cmp -s - $(O)/.flags/$(1) || printf '%s' '$(subst ','\'',$(2))' > $(O)/.flags/$(1))
endef
$(call stamp,host,$(CC) $(HOST_CFLAGS) $(HOST_LDFLAGS))
$(call stamp,guest,$(CC) $(GUEST_CFLAGS))
MUSL_LDFLAGS := $(HOST_LDFLAGS) -Wl,--gc-sections -Wl,-z,stack-size=1048576
$(call stamp,musl-host,$(CC) $(HOST_CFLAGS) $(MUSL_HOST_CFLAGS) $(MUSL_LDFLAGS))

HOST_CFLAGS_FOR = $(HOST_CFLAGS) $($(1)_CFLAGS)
$(O)/obj/%.o: %.c $(O)/.flags/host
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HOST_CFLAGS) $($(<)_CFLAGS) -MMD -MP -MF $(@:.o=.d.tmp) -c $< -o $@ && mv $(@:.o=.d.tmp) $(@:.o=.d)

prog = $(or $($(1)_DIR),$(BIN))/$(1)
objs = $(patsubst %.c,$(O)/obj/%.o,$(1))
define host_prog
$(call prog,$(1)): $(call objs,$($(1)_SRCS)) $($(1)_DEPS)
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(HOST_CFLAGS) $$(HOST_LDFLAGS) -pie $(call objs,$($(1)_SRCS)) $($(1)_LIBS) -o $$@
ALL += $(call prog,$(1))
DEPFILES += $(patsubst %.o,%.d,$(call objs,$($(1)_SRCS)))
endef

# The same with musl. Its threads have small stacks unless the program header says otherwise.
$(MUSL_KERNEL_INC):
	@mkdir -p $@
	$(Q)ln -sfn /usr/include/linux $@/linux
	$(Q)ln -sfn /usr/include/asm-generic $@/asm-generic
	$(Q)ln -sfn $(firstword $(wildcard /usr/include/x86_64-linux-gnu/asm /usr/include/asm)) $@/asm
$(O)/obj-musl/%.o: %.c $(O)/.flags/musl-host $(MUSL_LIB_STAMPS) | $(MUSL_KERNEL_INC)
	@mkdir -p $(@D)
	$(call say,MUSLCC,$<)
	$(Q)$(CC) $(HOST_CFLAGS) $(MUSL_HOST_CFLAGS) $($(<)_CFLAGS) -MMD -MP -MF $(@:.o=.d.tmp) -c $< -o $@ && mv $(@:.o=.d.tmp) $(@:.o=.d)

musl_objs = $(patsubst %.c,$(O)/obj-musl/%.o,$(1))
define musl_prog
$(call prog,$(1)): $(call musl_objs,$($(1)_SRCS)) $($(1)_MUSL_LIBS:%=$(O)/obj-musl/lib%.a)
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) -nostdlib -static-pie -Wl,--no-dynamic-linker $$(MUSL_LDFLAGS) $$(MUSL_DIR)/rcrt1.o $$(MUSL_DIR)/crti.o \
		$(call musl_objs,$($(1)_SRCS)) $($(1)_MUSL_LIBS:%=$(O)/obj-musl/lib%.a) $$(MUSL_DIR)/libc.a \
		$(shell $(CC) -print-libgcc-file-name) $$(MUSL_DIR)/crtn.o -o $$@
ALL += $(call prog,$(1))
DEPFILES += $(patsubst %.o,%.d,$(call musl_objs,$($(1)_SRCS)))
endef
define unit_test
$(O)/tests/$(1): $(call objs,$($(1)_SRCS))
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(HOST_CFLAGS) $$(HOST_LDFLAGS) -pie $$^ -lcriterion $($(1)_LIBS) -o $$@
UNIT_BINS += $(O)/tests/$(1)
DEPFILES += $(patsubst %.o,%.d,$(call objs,$($(1)_SRCS)))
endef
FUZZ_CFLAGS = -std=gnu17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -D_GNU_SOURCE \
              -DMAYFLY_VERSION='"fuzz"' -I. -Iunikernel-sdk/include
define fuzzer
$(O)/fuzz/$(1): $($(1)_SRCS) $(O)/.flags/host
	@mkdir -p $$(@D)
	$$(call say,FUZZCC,$$@)
	$$(Q)$$(CLANG) $$(FUZZ_CFLAGS) -MM -MP -MT $$@ $($(1)_SRCS) $(filter-out -l% -Wl%,$($(1)_LIBS)) >$$@.d
	$$(Q)$$(CLANG) $$(FUZZ_CFLAGS) $($(1)_SRCS) $($(1)_LIBS) -o $$@
FUZZ_BINS += $(O)/fuzz/$(1)
DEPFILES += $(O)/fuzz/$(1).d
endef
link_kind = $(if $(and $(filter musl,$($(1)_LINK)),$(filter 0,$(SAN))),musl_prog,host_prog)
$(foreach p,$(HOST_PROGS) $(TEST_PROGS),$(eval $(call $(call link_kind,$(p)),$(p))))
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_test,$(t))))
$(foreach f,$(FUZZERS),$(eval $(call fuzzer,$(f))))
-include $(DEPFILES)

# --- top-level targets ------------------------------------------------------------------------------------
.PHONY: all help deps clean unit
all: $(ALL) ## build everything (default)
unit: $(UNIT_BINS) ## run the Criterion unit tests
	$(Q)set -e; for t in $(UNIT_BINS); do ./$$t --quiet || { echo "$$t failed"; exit 1; }; echo "ok $$t"; done
clean: ## remove the build folder
	rm -rf build
help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n",$$1,$$2}' $(MAKEFILE_LIST)
	@echo "  knobs: V=1 SAN=1 WERROR=0 O=dir SITE=dir PREFIX=/usr/local DESTDIR=dir"
