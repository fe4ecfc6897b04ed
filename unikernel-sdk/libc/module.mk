# musl: fetched, turned into plain calls (prepare-musl.sh), built by its own makefile into $(O)/sdk.
MUSL_VERSION := 1.2.3-1
MUSL_SRC := build/src/musl-$(MUSL_VERSION)
MUSL_BUILD := $(O)/musl
# -Os and frame pointers like the rest of the guest; PIC-safe code, since one archive serves both kinds of image.
MUSL_CFLAGS := -Os -g -fpie -fno-omit-frame-pointer -ffunction-sections -fdata-sections -fno-stack-protector -fcf-protection=none \
               -fno-unwind-tables -fno-asynchronous-unwind-tables
MUSL_FILES := $(shell find unikernel-sdk/libc/musl -type f) unikernel-sdk/libc/prepare-musl.sh
SDK_HEADERS := $(O)/sdk/include/stdio.h
SDK_LIBC := $(O)/sdk/lib/libc.a

$(MUSL_SRC)/.mayfly-source: scripts/fetch-src.sh
	$(call say,FETCH,musl $(MUSL_VERSION))
	$(Q)scripts/fetch-src.sh musl $(MUSL_VERSION) $(MUSL_SRC)
	@touch $@

$(MUSL_BUILD)/config.mak: $(MUSL_SRC)/.mayfly-source $(MUSL_FILES) $(O)/.flags/musl
	$(call say,PATCH,$(MUSL_BUILD))
	$(Q)unikernel-sdk/libc/prepare-musl.sh $(MUSL_SRC) $(MUSL_BUILD)
	$(Q)cd $(MUSL_BUILD) && CC=$(CC) CFLAGS='$(MUSL_CFLAGS)' ./configure --target=x86_64-linux-musl --prefix=/ --disable-shared \
		--disable-wrapper --enable-optimize=no >configure.log 2>&1 || { tail -n 3 configure.log >&2; exit 2; }

# linux/, asm/ and asm-generic/ are the host's (linux-libc-dev): ordinary programs expect them.
$(SDK_HEADERS): $(MUSL_BUILD)/config.mak
	$(call say,INSTALL,$(O)/sdk/include)
	@mkdir -p $(O)/sdk
	$(Q)$(MAKE) -s -C $(MUSL_BUILD) install-headers DESTDIR=$(abspath $(O))/sdk >$(MUSL_BUILD)/install.log
	$(Q)ln -sfn /usr/include/linux $(O)/sdk/include/linux
	$(Q)ln -sfn /usr/include/asm-generic $(O)/sdk/include/asm-generic
	$(Q)ln -sfn $(firstword $(wildcard /usr/include/x86_64-linux-gnu/asm /usr/include/asm)) $(O)/sdk/include/asm
	$(Q)cp unikernel-sdk/include/mayfly.h $(O)/sdk/include/mayfly.h
	@touch $@
$(SDK_HEADERS): unikernel-sdk/include/mayfly.h

$(SDK_LIBC): $(MUSL_BUILD)/config.mak | $(SDK_HEADERS)
	$(call say,MUSL,$@)
	$(Q)$(MAKE) -s -C $(MUSL_BUILD) AR=ar RANLIB=ranlib install-libs DESTDIR=$(abspath $(O))/sdk >$(MUSL_BUILD)/install.log
	$(Q)unikernel-sdk/tools/check-traps.sh $@ || { rm -f $@; exit 2; }
	@touch $@

$(shell mkdir -p $(O)/.flags; printf '%s' '$(CC) $(MUSL_CFLAGS)' | cmp -s - $(O)/.flags/musl || printf '%s' '$(CC) $(MUSL_CFLAGS)' > $(O)/.flags/musl)
