# The compiler wrapper and what goes with it, in the build folder and for `make install`.
SDK_TOOLS := $(BIN)/mayfly-cc $(BIN)/mayfly-ar
SDK_FILES := $(O)/sdk/lib/mayfly.specs $(O)/sdk/lib/mayfly.ld $(O)/sdk/mayfly-toolchain.cmake $(O)/sdk/pkgconfig/mayfly.pc
ALL += $(SDK_TOOLS) $(SDK_FILES)

$(BIN)/mayfly-%: unikernel-sdk/tools/mayfly-%.in Makefile
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)sed 's/@VERSION@/$(VERSION)/' $< >$@.tmp && chmod 755 $@.tmp && mv $@.tmp $@
$(O)/sdk/lib/mayfly.specs: unikernel-sdk/tools/mayfly.specs
	@mkdir -p $(@D)
	$(Q)cp $< $@
$(O)/sdk/lib/mayfly.ld: unikernel-sdk/arch/x86_64/mayfly.ld
	@mkdir -p $(@D)
	$(Q)cp $< $@
$(O)/sdk/mayfly-toolchain.cmake: unikernel-sdk/tools/mayfly-toolchain.cmake
	@mkdir -p $(@D)
	$(Q)cp $< $@
$(O)/sdk/pkgconfig/mayfly.pc: unikernel-sdk/tools/mayfly.pc.in
	@mkdir -p $(@D)
	$(Q)sed -e 's/@VERSION@/$(VERSION)/' -e 's,@UP@,../..,' -e 's,@SDK@,sdk,' $< >$@

# The SDK by itself, into $(DESTDIR)$(PREFIX)/{bin,lib/mayfly,lib/pkgconfig}.
.PHONY: install-sdk
install-sdk: sdk
	$(call say,INSTALL,$(DESTDIR)$(PREFIX)/lib/mayfly)
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/mayfly/lib $(DESTDIR)$(PREFIX)/lib/pkgconfig
	$(Q)install -m 755 $(SDK_TOOLS) $(DESTDIR)$(PREFIX)/bin/
	$(Q)install -m 644 $(O)/sdk/lib/*.a $(O)/sdk/lib/mayfly.specs $(O)/sdk/lib/mayfly.ld $(DESTDIR)$(PREFIX)/lib/mayfly/lib/
	$(Q)install -m 644 $(O)/sdk/mayfly-toolchain.cmake $(DESTDIR)$(PREFIX)/lib/mayfly/
	$(Q)rm -rf $(DESTDIR)$(PREFIX)/lib/mayfly/include && cp -a $(O)/sdk/include $(DESTDIR)$(PREFIX)/lib/mayfly/include
	$(Q)sed -e 's/@VERSION@/$(VERSION)/' -e 's,@UP@,../..,' -e 's,@SDK@,lib/mayfly,' unikernel-sdk/tools/mayfly.pc.in \
		>$(DESTDIR)$(PREFIX)/lib/pkgconfig/mayfly.pc
