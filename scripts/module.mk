# What a user types: deps, run, check, install. These targets install missing packages first and then call
# this makefile again, since a fresh machine has not even a compiler when it is read.
PORT ?= 8080
RUN_ALL = $(HOST_PROGS:%=$(BIN)/%) $(O)/examples/httpd

# Anything that compiles says at once what is missing, instead of failing somewhere inside.
NEED_TOOLS := gcc ar ld xz patch dpkg-source
NEED_HEADERS := jansson.h liburing.h seccomp.h zstd.h slirp/libslirp.h linux/kvm.h ../share/include/llhttp/llhttp.h
NO_BUILD_GOALS := deps help clean run check check-hw bench format lint uninstall
ifneq ($(filter-out $(NO_BUILD_GOALS),$(or $(MAKECMDGOALS),all)),)
MISSING_TOOLS := $(shell for t in $(NEED_TOOLS); do command -v $$t >/dev/null || echo $$t; done; \
	for h in $(NEED_HEADERS); do [ -e /usr/include/$$h ] || echo $$h; done)
$(if $(MISSING_TOOLS),$(error missing: $(MISSING_TOOLS). `make deps` installs all that is needed))
endif

.PHONY: run check check-hw install uninstall
deps: ## install the Debian packages that build, run and check need
	$(Q)scripts/deps.sh
run: ## serve examples/site (SITE=dir) on http://localhost:8080 (PORT=n) from a VM
	$(Q)scripts/deps.sh build run
	$(Q)$(MAKE) -j$$(nproc) $(RUN_ALL)
	$(Q)$(MAKE) run-now
.PHONY: run-now
.SECONDEXPANSION:
run-now: $$(RUN_ALL)
	$(Q)scripts/run.sh $(O) '$(SITE)' '$(PORT)'
check: ## build and run all tests
	$(Q)scripts/deps.sh build run check
	$(Q)$(MAKE) -j$$(nproc) check-build
	$(Q)$(MAKE) check-now
check-hw: ## all guest tests in a Debian kernel with kvm_amd under QEMU TCG
	$(Q)scripts/deps.sh build run check
	$(Q)$(MAKE) check-hw-now

# bin/, and the SDK under lib/mayfly (install-sdk has its own rules and files).
INSTALL_BINS = $(filter-out $(SDK_TOOLS),$(HOST_PROGS:%=$(BIN)/%))
DOCS = README.md $(wildcard docs/*.md)
install: all install-sdk ## install under PREFIX= (DESTDIR= for packages)
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/mayfly
	$(Q)install -m 755 $(INSTALL_BINS) $(DESTDIR)$(PREFIX)/bin/
	$(Q)chmod 711 $(DESTDIR)$(PREFIX)/bin/mayfly-monitor # who cannot read it cannot trace it: jailer/exec.c
	$(Q)install -m 644 $(wildcard $(DOCS)) $(DESTDIR)$(PREFIX)/share/doc/mayfly/
uninstall: ## remove what install installed
	rm -f $(patsubst %,$(DESTDIR)$(PREFIX)/bin/%,$(notdir $(INSTALL_BINS) $(SDK_TOOLS)))
	rm -rf $(DESTDIR)$(PREFIX)/lib/mayfly $(DESTDIR)$(PREFIX)/share/doc/mayfly
	rm -f $(DESTDIR)$(PREFIX)/lib/pkgconfig/mayfly.pc

# House style and static analysis. musl's own files under libc/musl keep musl's style.
C_FILES = $(filter-out unikernel-sdk/libc/musl/%,$(shell git ls-files '*.c' '*.h'))
TIDY_HOST = $(filter lib/%.c monitor/%.c jailer/%.c api/%.c tests/lanes/%.c,$(C_FILES))
TIDY_GUEST = $(filter $(GUEST_SRCS),$(C_FILES))
# Each file is looked at alone, with the flags it is built with, and again only when it or a header of its changes.
TIDY_FLAGS = $(if $(filter $(GUEST_SRCS),$(1)),$(filter-out -W%,$(GUEST_CFLAGS)) $($(1)_GCFLAGS),\
	$(filter-out -W% -DMAYFLY%,$(HOST_CFLAGS)) $($(1)_CFLAGS) -DMAYFLY_VERSION=__FILE__ -I$(O)/gen -isystem /usr/share/include)
TIDY_OK = $(patsubst %,$(O)/lint/%.ok,$(TIDY_HOST) $(TIDY_GUEST))
$(O)/lint/%.ok: % .clang-tidy | $$(SDK_HEADERS) $$(API_GEN).h
	@mkdir -p $(@D)
	$(call say,TIDY,$<)
	$(Q)clang-tidy --quiet $< -- $(call TIDY_FLAGS,$<) 2>/dev/null
	$(Q)$(CLANG) $(call TIDY_FLAGS,$<) -MM -MP -MT $@ -MF $@.d $<
	@touch $@
ifneq ($(filter lint-now,$(MAKECMDGOALS)),)
-include $(wildcard $(addsuffix .d,$(TIDY_OK)))
endif
# System headers are not read; their loops have to be known.
CPPCHECK_MACROS = '-Djson_array_foreach(a,i,v)=for (i = 0; i < json_array_size(a); i++)' '-Djson_object_foreach(o,k,v)=for (;;)'
.PHONY: format lint lint-now lint-cppcheck
format: ## clang-format all sources
	$(Q)scripts/deps.sh lint
	$(Q)clang-format -i $(C_FILES)
lint: ## clang-format, clang-tidy and cppcheck find nothing
	$(Q)scripts/deps.sh build lint
	$(Q)$(MAKE) -k -j$$(nproc) lint-now
lint-now: format-check lint-cppcheck $$(TIDY_OK)
lint-cppcheck: | $$(API_GEN).h
	$(call say,CPPCHECK)
	$(Q)cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 -j 2 \
		--suppress=missingIncludeSystem -D_GNU_SOURCE $(CPPCHECK_MACROS) -I. -Iunikernel-sdk/include $(TIDY_HOST)
