# Host helpers have no build of their own: programs name the sources they use. `make lint` has this check too.
.PHONY: format-check
format-check: ## clang-format would change nothing
	$(Q)clang-format --dry-run -Werror $(C_FILES)

# Libraries of programs that are linked with musl. The Makefile says how to add one.
$(eval $(call musl_lib,jansson,2.14-2,src,$(addprefix src/,dump error hashtable hashtable_seed load memory \
	pack_unpack strbuffer strconv utf value version),-DHAVE_CONFIG_H))
$(eval $(call musl_lib,liburing,2.3-3,src/include,src/setup src/queue src/register src/syscall,-DLIBURING_INTERNAL))
