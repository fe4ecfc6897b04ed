/* SPDX-License-Identifier: MIT
 *
 * pack.c: see packed.h: writing. A chunk is read once: what is hashed is what is packed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "lib/errbuf.h"
#include "lib/fullio.h"
#include "monitor/snapshot/tool/packed.h"

struct out {
	int fd, level;
	ZSTD_CCtx *ctx;
	uint8_t *buf; /* room for a record */
	size_t cap;
	uint8_t *piece; /* SNAP_CHUNK */
	uint64_t written;
};

/* To a file or a pipe. */
static int put(struct out *o, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = write(o->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
		o->written += (uint64_t)n;
	}
	return 0;
}

static int put_record(struct out *o, const uint8_t *piece, size_t len)
{
	uint32_t word;
	size_t n = ZSTD_compressCCtx(o->ctx, o->buf + sizeof word, o->cap - sizeof word, piece, len,
				     o->level);

	if (ZSTD_isError(n) || n >= len) {
		n = len;
		word = (uint32_t)len | RECORD_PLAIN;
		memcpy(o->buf + sizeof word, piece, len);
	} else {
		word = (uint32_t)n;
	}
	memcpy(o->buf, &word, sizeof word);
	return put(o, o->buf, sizeof word + n);
}

static int put_head(struct out *o, const struct snapshot *s, const uint8_t *sig)
{
	struct packed_head h = {
		.version = PACKED_VERSION, .head_size = sizeof h, .state_len = s->len};

	memcpy(h.magic, SNAP_PACK_MAGIC, sizeof h.magic);
	if (sig) {
		h.has_sig = 1;
		memcpy(h.sig, sig, sizeof h.sig);
	}
	int r = put(o, &h, sizeof h);

	for (size_t at = 0; !r && at < s->len; at += SNAP_CHUNK) {
		size_t left = s->len - at;

		r = put_record(o, (const uint8_t *)s->buf + at,
			       left < SNAP_CHUNK ? left : SNAP_CHUNK);
	}
	return r;
}

static int put_contents(struct out *o, const struct snapshot *s, const char *path, char *err,
			size_t errlen)
{
	struct pieces p;
	int r = 0;

	pieces_begin(&p, &s->v);
	while (!r && pieces_next(&p)) {
		r = full_read(s->mem, o->piece, p.len, p.at);
		if (r)
			return err_put(err, errlen, r, "%s: %s", s->mem_path, strerror(-r));
		r = pieces_check(&p, o->piece, s->mem_path, err, errlen);
		if (r)
			return r;
		r = put_record(o, o->piece, p.len);
	}
	return r ? err_put(err, errlen, r, "%s: %s", path, strerror(-r)) : 0;
}

int packed_write(const struct snapshot *s, const uint8_t *sig, int level, int out, const char *path,
		 uint64_t *ret_len, char *err, size_t errlen)
{
	struct out o = {.fd = out, .level = level, .ctx = ZSTD_createCCtx()};
	int r = -ENOMEM;

	o.cap = sizeof(uint32_t) + ZSTD_compressBound(SNAP_CHUNK);
	o.buf = malloc(o.cap);
	o.piece = malloc(SNAP_CHUNK);
	if (o.ctx && o.buf && o.piece)
		r = put_head(&o, s, sig);
	r = r ? err_put(err, errlen, r, "%s: %s", path, strerror(-r))
	      : put_contents(&o, s, path, err, errlen);
	if (!r)
		*ret_len = o.written;
	ZSTD_freeCCtx(o.ctx);
	free(o.buf);
	free(o.piece);
	return r;
}
