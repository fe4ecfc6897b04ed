/* SPDX-License-Identifier: MIT
 *
 * cache.c: the buffer cache. Memory comes in 64 KiB slabs on demand up to the limit, so an idle
 * file system costs nothing. Everything runs on the one vCPU; only read-ahead is in flight while
 * other code runs, and its buffers are marked busy meanwhile. Write-back waits for its requests, so
 * it never races a writer.
 */
#include "fs/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"
#include "sys.h"

#define SLAB	   65536u
#define MIN_LIMIT  (2 * SLAB)
#define BATCH	   8u /* requests in flight of one call */
#define AHEAD_REQS 4u /* read-ahead requests in flight */

struct link {
	struct link *prev, *next;
};

struct buf {
	struct link lru, dirty_link;
	struct buf *hash_next;
	uint64_t blk;
	uint8_t *data;
	volatile int busy; /* a read is in flight */
	bool valid, hashed, dirty;
	uint8_t class;
};

#define BUF_OF(p, field) ((struct buf *)(void *)((char *)(p)-offsetof(struct buf, field)))

/* A request together with the buffers that it fills or drains. */
struct group {
	struct uk_blk_req req;
	struct uk_sg sg[UK_BLK_SG];
	struct buf *buf[UK_BLK_SG];
	unsigned n;
	volatile int busy;
	int err;
};

static struct {
	struct uk_blk *disk;
	uk_cache_classify *classify;
	uint32_t bsize, sectors; /* of one block */
	uint32_t nbufs, max_bufs, ndirty;
	uint32_t hash_mask;
	struct buf **hash;
	struct link lru; /* most recently used first */
	struct link dirty[UK_CACHE_NCLASS];
	struct group ahead[AHEAD_REQS];
} c;

/* --- lists and hash ------------------------------------------------------------------ */

static void list_init(struct link *l)
{
	l->prev = l->next = l;
}

static void list_del(struct link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

static void list_add_after(struct link *at, struct link *l)
{
	l->prev = at;
	l->next = at->next;
	at->next->prev = l;
	at->next = l;
}

static struct buf **bucket(uint64_t blk)
{
	return &c.hash[(uint32_t)(blk ^ blk >> 17) & c.hash_mask];
}

static struct buf *lookup(uint64_t blk)
{
	struct buf *b = *bucket(blk);

	while (b && b->blk != blk)
		b = b->hash_next;
	return b;
}

static void unhash(struct buf *b)
{
	struct buf **p = bucket(b->blk);

	if (!b->hashed)
		return;
	while (*p != b)
		p = &(*p)->hash_next;
	*p = b->hash_next;
	b->hashed = false;
}

static void set_dirty(struct buf *b, enum uk_cache_class class)
{
	if (b->dirty && b->class == class)
		return;
	if (!b->dirty)
		c.ndirty++;
	list_del(&b->dirty_link);
	b->dirty = true;
	b->class = (uint8_t) class;
	list_add_after(c.dirty[class].prev, &b->dirty_link);
}

static void set_clean(struct buf *b)
{
	if (!b->dirty)
		return;
	b->dirty = false;
	c.ndirty--;
	list_del(&b->dirty_link);
}

/* Forget the content and make the buffer the next one to be reused. */
static void discard(struct buf *b)
{
	set_clean(b);
	unhash(b);
	b->valid = false;
	list_del(&b->lru);
	list_add_after(c.lru.prev, &b->lru);
}

static void wait_buf(struct buf *b)
{
	if (b->busy)
		uk__blk_kick(c.disk, true);
	while (b->busy)
		uk__blk_wait(c.disk, &b->busy, 1);
}

/* --- buffers ------------------------------------------------------------------------- */

static bool grow(void)
{
	uint32_t n = SLAB / c.bsize;
	struct buf *b;
	uint8_t *data;

	if (c.nbufs + n > c.max_bufs)
		return false;
	b = calloc(n, sizeof(*b));
	data = b ? uk__pages_alloc(SLAB / UK_PAGE) : NULL;
	if (!data) {
		free(b);
		c.max_bufs = c.nbufs; /* memory is out: live with what there is */
		return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		b[i].data = data + (size_t)i * c.bsize;
		list_init(&b[i].dirty_link);
		list_add_after(c.lru.prev, &b[i].lru);
	}
	c.nbufs += n;
	return true;
}

static struct buf *coldest(void)
{
	for (struct link *l = c.lru.prev; l != &c.lru; l = l->prev) {
		struct buf *b = BUF_OF(l, lru);

		if (!b->busy && !b->dirty)
			return b;
	}
	return NULL;
}

/* An unused buffer hashed as blk, or NULL: without `must` when that would need disk writes. */
static struct buf *take(uint64_t blk, bool must)
{
	struct buf *b = coldest();

	if ((!b || b->valid) && grow())
		b = coldest();
	if (!b && must) {
		if (uk__cache_writeback() == 0)
			b = coldest();
		for (struct link *l = c.lru.prev; !b && l != &c.lru; l = l->prev) {
			struct buf *busy = BUF_OF(l, lru);

			wait_buf(busy);
			if (!busy->dirty)
				b = busy;
		}
	}
	if (!b)
		return NULL;
	discard(b);
	b->blk = blk;
	b->hashed = true;
	b->hash_next = *bucket(blk);
	*bucket(blk) = b;
	list_del(&b->lru);
	list_add_after(&c.lru, &b->lru);
	return b;
}

static void touch(struct buf *b)
{
	list_del(&b->lru);
	list_add_after(&c.lru, &b->lru);
}

int uk__cache_init(struct uk_blk *disk, uint32_t block_size, uint64_t limit,
		   uk_cache_classify *classify)
{
	uint32_t buckets = 64;

	if (limit < MIN_LIMIT)
		limit = MIN_LIMIT;
	if (limit / block_size > UINT32_MAX / 2)
		limit = (uint64_t)block_size * (UINT32_MAX / 2);
	memset(&c, 0, sizeof(c));
	c.disk = disk;
	c.classify = classify;
	c.bsize = block_size;
	c.sectors = block_size / UK_SECTOR;
	c.max_bufs = (uint32_t)(limit / block_size);
	while (buckets < c.max_bufs / 2)
		buckets *= 2;
	c.hash = calloc(buckets, sizeof(struct buf *));
	if (!c.hash)
		return -ENOMEM;
	c.hash_mask = buckets - 1;
	list_init(&c.lru);
	for (unsigned i = 0; i < UK_CACHE_NCLASS; i++)
		list_init(&c.dirty[i]);
	return grow() ? 0 : -ENOMEM;
}

/* The buffer of blk with its content; NULL on an error. */
static struct buf *get(uint64_t blk)
{
	struct buf *b = lookup(blk);

	if (b)
		wait_buf(b);
	/* A failed read-ahead leaves no buffer behind, and waiting may have recycled this one. */
	if (b && b->hashed && b->blk == blk && b->valid) {
		touch(b);
		return b;
	}
	b = take(blk, true);
	if (!b)
		return NULL;
	if (uk__blk_rw(c.disk, false, blk * c.sectors, b->data, c.bsize) < 0) {
		discard(b);
		return NULL;
	}
	b->valid = true;
	return b;
}

int uk__cache_read(uint64_t blk, uint32_t off, void *dst, uint32_t len)
{
	struct buf *b = get(blk);

	if (!b)
		return -EIO;
	memcpy(dst, b->data + off, len);
	return 0;
}

int uk__cache_write(uint64_t blk, uint32_t off, const void *src, uint32_t len, bool data,
		    bool fresh)
{
	bool whole = len == c.bsize;
	struct buf *b = lookup(blk);
	bool known;

	if (c.disk->ro)
		return -EROFS;
	if (b)
		wait_buf(b);
	known = b && b->hashed && b->blk == blk && b->valid;
	if (!known && !whole && !fresh)
		b = get(blk);
	else if (!known)
		b = take(blk, true);
	if (!b)
		return -EIO;
	touch(b);
	b->valid = true;
	if (fresh && !whole)
		memset(b->data, 0, c.bsize);
	if (!src)
		memset(b->data + off, 0, len);
	else if (known && !b->dirty && memcmp(b->data + off, src, len) == 0)
		return 0; /* the disk has this already */
	else
		memcpy(b->data + off, src, len);
	if (data || fresh || (!known && whole))
		set_dirty(b, UK_CACHE_FRESH);
	else if (!b->dirty)
		set_dirty(b, c.classify(blk));
	return 0;
}

/* --- groups of requests -------------------------------------------------------------- */

static void group_done(struct uk_blk_req *req, int err)
{
	struct group *g = req->arg;

	g->err = err;
	g->busy = 0;
	for (unsigned i = 0; i < g->n; i++) {
		struct buf *b = g->buf[i];

		if (!b)
			continue;
		b->busy = 0;
		if (err)
			discard(b);
		else
			b->valid = true;
	}
}

static int group_submit(struct group *g, enum uk_blk_op op, uint64_t blk)
{
	int r;

	g->req.done = group_done;
	g->req.arg = g;
	g->busy = 1;
	r = uk__blk_submit_wait(c.disk, &g->req, op, blk * c.sectors, g->sg, g->n);
	if (r < 0)
		g->busy = 0;
	return r;
}

static int group_wait(struct group *g)
{
	while (g->busy)
		uk__blk_wait(c.disk, &g->busy, 1);
	return g->err;
}

void uk__cache_readahead(uint64_t blk, uint32_t n)
{
	while (n > 0) {
		struct group *g = NULL;
		uint64_t first;

		while (n > 0 && lookup(blk)) {
			blk++;
			n--;
		}
		for (unsigned i = 0; i < AHEAD_REQS && !g; i++)
			if (!c.ahead[i].busy)
				g = &c.ahead[i];
		if (n == 0 || !g)
			return;
		first = blk;
		for (g->n = 0; n > 0 && g->n < c.disk->seg_max && !lookup(blk); blk++, n--) {
			struct buf *b = take(blk, false);

			if (!b)
				break;
			b->busy = 1;
			g->buf[g->n] = b;
			g->sg[g->n++] = (struct uk_sg){.p = b->data, .len = c.bsize};
		}
		if (g->n == 0)
			return;
		if (group_submit(g, UK_BLK_READ, first) < 0) {
			group_done(&g->req, -EIO);
			return;
		}
	}
	uk__blk_kick(c.disk, false);
}

void uk__cache_cool(uint64_t blk, uint32_t n)
{
	for (; n > 0; blk++, n--) {
		struct buf *b = lookup(blk);

		if (!b || b->dirty || b->busy)
			continue;
		list_del(&b->lru);
		list_add_after(c.lru.prev, &b->lru);
	}
}

void uk__cache_drop(uint64_t blk, uint64_t n)
{
	if (n > c.nbufs) {
		/* Cheaper to look at what there is than at what there could be. */
		for (struct link *l = c.lru.next, *next; l != &c.lru; l = next) {
			struct buf *b = BUF_OF(l, lru);

			next = l->next;
			if (b->hashed && !b->busy && b->blk >= blk && b->blk - blk < n)
				discard(b);
			/* discard() moves to the tail: it is seen again, unhashed */
		}
		return;
	}
	for (; n > 0; blk++, n--) {
		struct buf *b = lookup(blk);

		if (!b)
			continue;
		wait_buf(b);
		if (b->hashed && b->blk == blk)
			discard(b);
	}
}

/* --- straight between disk and caller ------------------------------------------------ */

struct flight {
	struct uk_blk_req req[BATCH];
	unsigned used;
	volatile int pending;
	int err;
};

static void flight_done(struct uk_blk_req *req, int err)
{
	struct flight *f = req->arg;

	if (err && !f->err)
		f->err = err;
	f->pending--;
}

static int flight_wait(struct flight *f)
{
	int n;

	uk__blk_kick(c.disk, true);
	while ((n = f->pending) > 0)
		uk__blk_wait(c.disk, &f->pending, n);
	return f->err;
}

/* One request more; waits for those before when all slots are taken. */
static int flight_add(struct flight *f, enum uk_blk_op op, uint64_t blk, uint32_t n,
		      const uint8_t *p)
{
	struct uk_sg sg = {.p = p, .len = n * c.bsize};
	struct uk_blk_req *req;
	int r;

	if (f->used == BATCH) {
		r = flight_wait(f);
		if (r < 0)
			return r;
		f->used = 0;
	}
	req = &f->req[f->used++];
	*req = (struct uk_blk_req){.done = flight_done, .arg = f};
	f->pending++;
	r = uk__blk_submit_wait(c.disk, req, op, blk * c.sectors, &sg, 1);
	if (r < 0)
		f->pending--;
	return r;
}

/* All are back: r, or what went wrong on the way. */
static int flight_end(struct flight *f, int r)
{
	return flight_wait(f) < 0 && r == 0 ? f->err : r;
}

/* How many blocks from blk on are all absent, or the request limit. */
static uint32_t absent_run(uint64_t blk, uint32_t n)
{
	uint32_t k = 0;

	while (k < n && k < UK_BLK_IO_MAX / c.bsize && !lookup(blk + k))
		k++;
	return k;
}

int uk__cache_read_direct(uint64_t blk, uint32_t n, void *dst)
{
	struct flight f = {.used = 0};
	uint8_t *p = dst;
	int r = 0;

	while (n > 0 && r == 0) {
		uint32_t k = absent_run(blk, n);

		if (k > 0) {
			r = flight_add(&f, UK_BLK_READ, blk, k, p);
		} else {
			k = 1;
			r = uk__cache_read(blk, 0, p, c.bsize);
		}
		blk += k;
		n -= k;
		p += (size_t)k * c.bsize;
	}
	return flight_end(&f, r);
}

int uk__cache_write_direct(uint64_t blk, uint32_t n, const void *src)
{
	struct flight f = {.used = 0};
	const uint8_t *p = src;
	int r = 0;

	uk__cache_drop(blk, n);
	while (n > 0 && r == 0) {
		uint32_t k = n < UK_BLK_IO_MAX / c.bsize ? n : UK_BLK_IO_MAX / c.bsize;

		r = flight_add(&f, UK_BLK_WRITE, blk, k, p);
		blk += k;
		n -= k;
		p += (size_t)k * c.bsize;
	}
	return flight_end(&f, r);
}

/* --- write-back ---------------------------------------------------------------------- */

/* The dirty buffers of one class around b that are adjacent on disk, cleaned and put into g. */
static uint64_t gather(struct group *g, struct buf *b, uint8_t class)
{
	uint64_t first = b->blk;
	struct buf *prev;

	for (unsigned i = 1; i < c.disk->seg_max && first > 0; i++) {
		prev = lookup(first - 1);
		if (!prev || !prev->dirty || prev->class != class)
			break;
		first--;
	}
	g->n = 0;
	for (uint64_t blk = first; g->n < c.disk->seg_max; blk++) {
		b = lookup(blk);
		if (!b || !b->dirty || b->class != class)
			break;
		g->buf[g->n] = b;
		g->sg[g->n++] = (struct uk_sg){.p = b->data, .len = c.bsize};
		set_clean(b);
		b->busy = 1; /* not to be evicted */
	}
	return first;
}

static void write_done(struct uk_blk_req *req, int err)
{
	struct group *g = req->arg;

	g->err = err;
	for (unsigned i = 0; i < g->n; i++) {
		g->buf[i]->busy = 0;
		if (err)
			set_dirty(g->buf[i], g->buf[i]->class);
	}
	g->busy = 0;
}

static int writeback_class(uint8_t class)
{
	static struct group g[BATCH];
	unsigned n = 0;
	int r = 0, err = 0;

	while (c.dirty[class].next != &c.dirty[class] && err == 0) {
		for (n = 0; n < BATCH && c.dirty[class].next != &c.dirty[class]; n++) {
			struct buf *b = BUF_OF(c.dirty[class].next, dirty_link);
			uint64_t first = gather(&g[n], b, class);

			g[n].req.done = write_done;
			g[n].req.arg = &g[n];
			g[n].busy = 1;
			r = uk__blk_submit_wait(c.disk, &g[n].req, UK_BLK_WRITE, first * c.sectors,
						g[n].sg, g[n].n);
			if (r < 0) {
				write_done(&g[n].req, r);
				err = r;
				n++;
				break;
			}
		}
		uk__blk_kick(c.disk, true);
		while (n-- > 0) {
			r = group_wait(&g[n]);
			if (r < 0 && err == 0)
				err = r;
		}
	}
	return err;
}

int uk__cache_writeback(void)
{
	int r = 0;

	for (uint8_t class = 0; class < UK_CACHE_NCLASS && r == 0; class ++)
		r = writeback_class(class);
	return r;
}

bool uk__cache_pressed(void)
{
	return c.ndirty > c.max_bufs / 2;
}

bool uk__cache_dirty(void)
{
	return c.ndirty > 0;
}

uint32_t uk__cache_blocks(void)
{
	return c.max_bufs;
}
