# Host helpers have no build of their own: programs name the sources they use.
.PHONY: format-check
format-check: ## clang-format would change nothing (part of lint)
	$(Q)clang-format --dry-run -Werror $(C_FILES)

# Libraries of programs that are linked with musl. The Makefile says how to add one.
$(eval $(call musl_lib,jansson,2.14-2,src,$(addprefix src/,dump error hashtable hashtable_seed load memory \
	pack_unpack strbuffer strconv utf value version),-DHAVE_CONFIG_H))
$(eval $(call musl_lib,liburing,2.3-3,src/include,src/setup src/queue src/register src/syscall,-DLIBURING_INTERNAL))
# Of libsodium only BLAKE2b and Ed25519's verification; what the rest of utils and core asks for is dropped with them.
$(eval $(call musl_lib,libsodium,1.0.18-1+deb12u1,src/libsodium/include,$(addprefix src/libsodium/,sodium/core sodium/utils \
	crypto_generichash/blake2b/ref/blake2b-ref crypto_generichash/blake2b/ref/blake2b-compress-ref \
	crypto_generichash/blake2b/ref/generichash_blake2b crypto_sign/ed25519/ref10/open crypto_sign/ed25519/ref10/sign \
	crypto_core/ed25519/ref10/ed25519_ref10 crypto_hash/sha512/cp/hash_sha512_cp crypto_verify/sodium/verify),\
	-Ibuild/src/libsodium-1.0.18-1+deb12u1/src/libsodium/include/sodium -DCONFIGURED=1 -DSODIUM_STATIC=1 \
	-DNATIVE_LITTLE_ENDIAN=1 -DHAVE_TI_MODE=1 -DHAVE_EXPLICIT_BZERO=1 -DHAVE_WEAK_SYMBOLS=1 -ffunction-sections -fdata-sections))
