/* SPDX-License-Identifier: MIT
 *
 * unpack.c: see packed.h: reading. Everything here is fed by whoever made the file; fuzzed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "lib/errbuf.h"
#include "monitor/snapshot/memfile.h"
#include "monitor/snapshot/tool/packed.h"

/* len bytes from a file or a pipe; -ENODATA: it ends before. */
static int get(int fd, void *data, size_t len)
{
	uint8_t *p = data;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int failed(const struct packed *p, int r, char *err, size_t errlen)
{
	const char *why = r == -ENODATA	  ? "is truncated"
			  : r == -EBADMSG ? "is damaged"
					  : strerror(-r);

	return err_put(err, errlen, r, "%s: %s", p->path, why);
}

/* A piece of exactly len bytes; it can be no larger, whatever the record promises. */
static int get_record(struct packed *p, uint8_t *piece, size_t len)
{
	uint32_t word;
	int r = get(p->fd, &word, sizeof word);

	if (r)
		return r;
	if (word & RECORD_PLAIN)
		return (word & ~RECORD_PLAIN) == len ? get(p->fd, piece, len) : -EBADMSG;
	if (!word || word >= len)
		return -EBADMSG;
	r = get(p->fd, p->buf, word);
	return r ? r : ZSTD_decompressDCtx(p->dctx, piece, len, p->buf, word) == len ? 0 : -EBADMSG;
}

static int get_head(struct packed *p, char *err, size_t errlen)
{
	struct packed_head *h = &p->head;
	int r = get(p->fd, h, sizeof *h);

	if (r && r != -ENODATA)
		return failed(p, r, err, errlen);
	if (memcmp(h->magic, SNAP_PACK_MAGIC, sizeof h->magic) != 0)
		return err_put(err, errlen, -EINVAL, "%s: is no packed snapshot", p->path);
	if (r)
		return failed(p, r, err, errlen);
	if (h->version != PACKED_VERSION || h->head_size != sizeof *h)
		return err_put(err, errlen, -EINVAL,
			       "%s: has packed format version %u, this program reads %u; pack the "
			       "snapshot with this one",
			       p->path, h->version, PACKED_VERSION);
	if (h->state_len < sizeof(struct snap_head) || h->state_len > SNAP_STATE_MAX ||
	    h->has_sig > 1 || h->pad)
		return err_put(err, errlen, -EINVAL, "%s: has a header of nonsense", p->path);
	return 0;
}

static int check_sig(struct packed *p, const char *key, char *err, size_t errlen)
{
	if (!p->head.has_sig)
		return err_put(err, errlen, -EINVAL,
			       "%s: has no signature; sign the state file before it is packed",
			       p->path);
	return snap_verify_bytes(p->state, p->head.state_len, key, p->head.sig, p->path, err,
				 errlen);
}

int packed_open(struct packed *p, int fd, const char *path, const char *key, char *err,
		size_t errlen)
{
	char why[300];

	*p = (struct packed){.fd = fd, .path = path};
	int r = get_head(p, err, errlen);

	if (r)
		return r;
	p->dctx = ZSTD_createDCtx();
	p->buf = malloc((size_t)2 * SNAP_CHUNK);
	p->state = malloc(p->head.state_len);
	if (!p->dctx || !p->buf || !p->state)
		r = -ENOMEM;
	for (uint64_t at = 0; !r && at < p->head.state_len; at += SNAP_CHUNK) {
		uint64_t left = p->head.state_len - at;

		r = get_record(p, (uint8_t *)p->state + at, left < SNAP_CHUNK ? left : SNAP_CHUNK);
	}
	if (r)
		return failed(p, r, err, errlen);
	r = key ? check_sig(p, key, err, errlen) : 0;
	if (r)
		return r;
	r = snap_decode(p->state, p->head.state_len, &p->v, why, sizeof why);
	return r ? err_put(err, errlen, r, "%s: its state file %s", path, why) : 0;
}

static int put_piece(const struct pieces *at, const uint8_t *piece, int out, const char *path,
		     char *err, size_t errlen)
{
	int r = out < 0 ? 0 : memfile_put_chunk(out, piece, at->len, at->at);

	return r ? err_put(err, errlen, r, "%s: %s", path, strerror(-r)) : 0;
}

int packed_contents(struct packed *p, int out, const char *out_path, char *err, size_t errlen)
{
	uint8_t *piece = p->buf + SNAP_CHUNK, more;
	struct pieces at;
	int r;

	pieces_begin(&at, &p->v);
	while (pieces_next(&at)) {
		r = get_record(p, piece, at.len);
		if (r)
			return failed(p, r, err, errlen);
		r = pieces_check(&at, piece, p->path, err, errlen);
		r = r ? r : put_piece(&at, piece, out, out_path, err, errlen);
		if (r)
			return r;
	}
	r = get(p->fd, &more, 1);
	if (r != -ENODATA)
		return r ? failed(p, r, err, errlen)
			 : err_put(err, errlen, -EINVAL, "%s: has bytes too many at its end",
				   p->path);
	r = out < 0 ? 0 : memfile_finish(out, p->v.head, vm_state_disks(p->v.state));
	return r ? err_put(err, errlen, r, "%s: %s", out_path, strerror(-r)) : 0;
}

void packed_close(struct packed *p)
{
	ZSTD_freeDCtx(p->dctx);
	free(p->buf);
	free(p->state);
}

uint64_t packed_room(const struct snap_view *v, uint64_t state_len)
{
	uint64_t pages = 0;

	for (uint64_t i = 0; i < snap_map_words(v->head->mem_size); i++)
		pages += (uint64_t)__builtin_popcountll(v->pages[i]);
	return (pages + 1) * SNAP_PAGE + vm_state_disks(v->state) + state_len;
}
