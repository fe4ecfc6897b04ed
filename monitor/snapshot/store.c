/* SPDX-License-Identifier: MIT
 *
 * store.c: see store.h. Cheap questions come first: a file of another version or cut short is
 * refused before it is hashed.
 */
#include "monitor/snapshot/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium/crypto_sign_ed25519.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/errbuf.h"
#include "monitor/config.h"
#include "monitor/snapshot/hash.h"

#define SUM_FROM (offsetof(struct snap_head, checksum) + SNAP_HASH)

static uint64_t up8(uint64_t v)
{
	return (v + 7) & ~UINT64_C(7);
}

void snap_root(uint8_t ret_root[SNAP_HASH], const uint64_t *pages, uint64_t mem_size,
	       const uint8_t (*leaves)[SNAP_HASH], uint64_t nleaves)
{
	crypto_generichash_blake2b_state h;

	crypto_generichash_blake2b_init(&h, NULL, 0, SNAP_HASH);
	crypto_generichash_blake2b_update(&h, (const uint8_t *)pages, snap_map_words(mem_size) * 8);
	if (nleaves)
		crypto_generichash_blake2b_update(&h, leaves[0], nleaves * SNAP_HASH);
	crypto_generichash_blake2b_final(&h, ret_root, SNAP_HASH);
}

/* --- packing --- */

void *snap_encode(const struct snap_parts *p, size_t *ret_len)
{
	const uint64_t mem = p->state->mem_size;
	const struct {
		const void *data;
		uint64_t len;
	} part[SNAP_SECTS] = {
		[SNAP_STATE] = {p->state, sizeof *p->state},
		[SNAP_CPU] = {p->cpu, sizeof *p->cpu},
		[SNAP_CONFIG] = {p->config, strlen(p->config) + 1},
		[SNAP_PAGES] = {p->pages, snap_map_words(mem) * 8},
		[SNAP_LEAVES] = {p->leaves, p->nleaves * SNAP_HASH},
	};
	struct snap_head head = p->head;
	uint64_t at = sizeof head;

	memcpy(head.magic, SNAP_MAGIC, sizeof head.magic);
	head.version = SNAP_VERSION;
	head.head_size = sizeof head;
	head.chunk = SNAP_CHUNK;
	head.mem_size = mem;
	for (unsigned i = 0; i < SNAP_SECTS; i++) {
		head.sect[i] = (struct snap_span){at, part[i].len};
		at = up8(at + part[i].len);
	}
	head.file_size = at;
	uint8_t *buf = calloc(1, at);
	if (!buf)
		return NULL;
	memcpy(buf, &head, sizeof head);
	for (unsigned i = 0; i < SNAP_SECTS; i++)
		if (part[i].len)
			memcpy(buf + head.sect[i].off, part[i].data, part[i].len);
	snap_seal(buf, at);
	*ret_len = at;
	return buf;
}

void snap_seal(void *buf, size_t len)
{
	struct snap_head *h = buf;
	const struct snap_span *pages = &h->sect[SNAP_PAGES], *leaves = &h->sect[SNAP_LEAVES];
	uint8_t *bytes = buf;

	if (len < sizeof *h)
		return;
	if (h->mem_size <= CONFIG_MEM_MAX && pages->off % 8 == 0 && pages->off <= len &&
	    snap_map_words(h->mem_size) * 8 <= len - pages->off && leaves->off <= len &&
	    leaves->len <= len - leaves->off)
		snap_root(h->root, (const uint64_t *)(const void *)(bytes + pages->off),
			  h->mem_size, (const uint8_t(*)[SNAP_HASH])(bytes + leaves->off),
			  leaves->len / SNAP_HASH);
	snap_hash(h->checksum, bytes + SUM_FROM, len - SUM_FROM);
}

/* --- judging --- */

static int check_head(const struct snap_head *h, size_t len, char *err, size_t errlen)
{
	if (len < sizeof *h || memcmp(h->magic, SNAP_MAGIC, sizeof h->magic) != 0)
		return err_put(err, errlen, -EINVAL, "is not the state file of a snapshot");
	if (h->version != SNAP_VERSION || h->head_size != sizeof *h)
		return err_put(
			err, errlen, -EINVAL,
			"has format version %u, this monitor reads %u; take the snapshot again "
			"with this monitor",
			h->version, SNAP_VERSION);
	if (h->file_size > len)
		return err_put(err, errlen, -EINVAL, "is truncated: %zu of %lu bytes", len,
			       h->file_size);
	if (h->file_size < len)
		return err_put(err, errlen, -EINVAL, "has %lu bytes too many", len - h->file_size);
	return 0;
}

/* Sections lie one after the other and have the only size that fits the guest. */
static int check_spans(const struct snap_head *h, size_t len, char *err, size_t errlen)
{
	uint64_t at = sizeof *h;

	if (h->mem_size < CONFIG_MEM_MIN || h->mem_size > CONFIG_MEM_MAX ||
	    h->mem_size % SNAP_PAGE || h->chunk != SNAP_CHUNK || h->flags & ~SNAP_DIFF)
		return err_put(err, errlen, -EINVAL, "has a header of nonsense");
	const uint64_t want[SNAP_SECTS] = {
		[SNAP_STATE] = sizeof(struct vm_state),
		[SNAP_CPU] = sizeof(struct snap_cpu),
		[SNAP_CONFIG] = h->sect[SNAP_CONFIG].len,
		[SNAP_PAGES] = snap_map_words(h->mem_size) * 8,
		[SNAP_LEAVES] = h->sect[SNAP_LEAVES].len,
	};
	for (unsigned i = 0; i < SNAP_SECTS; i++) {
		const struct snap_span *s = &h->sect[i];

		if (s->off != at || s->len != want[i] || at > len || s->len > len - at)
			return err_put(
				err, errlen, -EINVAL,
				i == SNAP_STATE && s->off == at
					? "was written by another version of the monitor; take "
					  "the snapshot again with this one"
					: "has a damaged table of contents");
		at = up8(at + s->len);
	}
	if (at != len || !h->sect[SNAP_CONFIG].len || h->sect[SNAP_CONFIG].len > SNAP_CONFIG_MAX ||
	    h->sect[SNAP_LEAVES].len % SNAP_HASH)
		return err_put(err, errlen, -EINVAL, "has a damaged table of contents");
	return 0;
}

static int check_pages(const struct snap_view *v, char *err, size_t errlen)
{
	uint64_t chunks = 0;

	if (v->npages % 64 && v->pages[v->npages / 64] >> v->npages % 64)
		return err_put(err, errlen, -EINVAL, "has pages beyond the guest's memory");
	for (uint64_t c = 0; c < v->nchunks; c++)
		chunks += snap_chunk_mask(v->pages, c) != 0;
	if (chunks != v->nleaves)
		return err_put(err, errlen, -EINVAL, "has %lu hashes for %lu chunks", v->nleaves,
			       chunks);
	return 0;
}

int snap_decode(const void *buf, size_t len, struct snap_view *v, char *err, size_t errlen)
{
	const struct snap_head *h = buf;
	const uint8_t *bytes = buf;
	uint8_t sum[SNAP_HASH];
	char why[160];
	int r = check_head(h, len, err, errlen);

	r = r ? r : check_spans(h, len, err, errlen);
	if (r)
		return r;
	snap_hash(sum, bytes + SUM_FROM, len - SUM_FROM);
	if (memcmp(sum, h->checksum, sizeof sum) != 0)
		return err_put(err, errlen, -EINVAL, "is damaged: its checksum does not match");
	*v = (struct snap_view){
		.head = h,
		.state = (const void *)(bytes + h->sect[SNAP_STATE].off),
		.cpu = (const void *)(bytes + h->sect[SNAP_CPU].off),
		.config = (const char *)(bytes + h->sect[SNAP_CONFIG].off),
		.pages = (const void *)(bytes + h->sect[SNAP_PAGES].off),
		.leaves = (const void *)(bytes + h->sect[SNAP_LEAVES].off),
		.npages = h->mem_size / SNAP_PAGE,
		.nchunks = snap_nchunks(h->mem_size),
		.nleaves = h->sect[SNAP_LEAVES].len / SNAP_HASH,
	};
	if (strnlen(v->config, h->sect[SNAP_CONFIG].len) != h->sect[SNAP_CONFIG].len - 1)
		return err_put(err, errlen, -EINVAL, "has a damaged configuration");
	r = check_pages(v, err, errlen);
	if (r)
		return r;
	snap_root(sum, v->pages, h->mem_size, v->leaves, v->nleaves);
	if (memcmp(sum, h->root, sizeof sum) != 0)
		return err_put(err, errlen, -EINVAL, "is damaged: its hash tree has another root");
	if (v->state->mem_size != h->mem_size)
		return err_put(err, errlen, -EINVAL, "says two memory sizes");
	if (vm_state_check(v->state, why, sizeof why))
		return err_put(err, errlen, -EINVAL, "has a state that no VM can have: %s", why);
	return 0;
}

/* --- files --- */

static int read_fd(int fd, size_t size, uint8_t *buf)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, buf + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EIO;
		n += (size_t)got;
	}
	return 0;
}

int snap_read(const char *path, size_t max, void **ret_buf, size_t *ret_len, char *err,
	      size_t errlen)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = 0;
	void *buf = NULL;

	if (fd < 0 || fstat(fd, &st)) {
		r = -errno;
	} else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > max) {
		close(fd);
		snprintf(err, errlen, "%s: is %s", path,
			 S_ISREG(st.st_mode) ? "too large for what it should be"
					     : "no regular file");
		return -EINVAL;
	} else {
		buf = malloc((size_t)st.st_size + 1);
		r = buf ? read_fd(fd, (size_t)st.st_size, buf) : -ENOMEM;
	}
	if (fd >= 0)
		close(fd);
	if (r || !buf) {
		free(buf);
		snprintf(err, errlen, "%s: %s", path, strerror(-r));
		return r ? r : -EIO;
	}
	*ret_buf = buf;
	*ret_len = (size_t)st.st_size;
	return 0;
}

static int read_key(const char *path, uint8_t ret_key[32], char *err, size_t errlen)
{
	/* SubjectPublicKeyInfo of RFC 8410: nothing in it varies but the key. */
	static const uint8_t der[12] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
					0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
	void *buf;
	size_t len;
	int r = snap_read(path, 4096, &buf, &len, err, errlen);

	if (r)
		return r;
	const uint8_t *key = len == 32 ? buf
			     : len == sizeof der + 32 && memcmp(buf, der, sizeof der) == 0
				     ? (uint8_t *)buf + sizeof der
				     : NULL;
	if (key)
		memcpy(ret_key, key, 32);
	else
		r = err_put(err, errlen, -EINVAL,
			    "%s: is no Ed25519 public key (32 bytes, or DER: openssl pkey -pubout "
			    "-outform DER)",
			    path);
	free(buf);
	return r;
}

static int no_signature(const char *where, const char *key, char *err, size_t errlen)
{
	return err_put(err, errlen, -EINVAL,
		       "%s: is not the signature of this snapshot by the key in %s", where, key);
}

int snap_verify_bytes(const void *buf, size_t len, const char *key, const uint8_t sig[SNAP_SIG],
		      const char *where, char *err, size_t errlen)
{
	uint8_t pub[32];
	int r = read_key(key, pub, err, errlen);

	if (r)
		return r;
	return crypto_sign_ed25519_verify_detached(sig, buf, len, pub)
		       ? no_signature(where, key, err, errlen)
		       : 0;
}

int snap_verify(const void *buf, size_t len, const char *key, const char *sig, char *err,
		size_t errlen)
{
	void *s;
	size_t slen;
	int r = snap_read(sig, 4096, &s, &slen, err, errlen);

	if (r)
		return r;
	r = slen == SNAP_SIG ? snap_verify_bytes(buf, len, key, s, sig, err, errlen)
			     : no_signature(sig, key, err, errlen);
	free(s);
	return r;
}
