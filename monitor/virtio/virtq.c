/* SPDX-License-Identifier: MIT
 *
 * virtq.c: see virtq.h. Memory order: avail.idx is loaded with acquire before the ring entry and
 * the descriptors behind it; used.idx is stored with release after the entries; the two "did the
 * other side look?" decisions each stand behind a full barrier (virtio 1.2, 2.7.7.2 and 2.7.10).
 */
#include "monitor/virtio/virtq.h"

#include <errno.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "rings are little-endian and read in place");

#define DESC_F_NEXT	1u
#define DESC_F_WRITE	2u
#define DESC_F_INDIRECT 4u

#define AVAIL_F_NO_INTERRUPT 1u
#define USED_F_NO_NOTIFY     1u

#define DESC_SIZE 16u

struct desc {
	gpa_t addr;
	uint32_t len;
	uint16_t flags, next;
};

/* The one read of a descriptor: the driver may be rewriting it. */
static struct desc desc_load(const uint64_t *table, unsigned i)
{
	uint64_t w0 = __atomic_load_n(&table[2 * i], __ATOMIC_RELAXED);
	uint64_t w1 = __atomic_load_n(&table[2 * i + 1], __ATOMIC_RELAXED);

	return (struct desc){.addr = w0,
			     .len = (uint32_t)w1,
			     .flags = (uint16_t)(w1 >> 32),
			     .next = (uint16_t)(w1 >> 48)};
}

static void *ring_ptr(const struct gmem *gm, gpa_t gpa, uint64_t len, uint64_t align)
{
	return gpa % align ? NULL : gmem_ptr(gm, gpa, len);
}

int virtq_start(struct virtq *q, const struct gmem *gm, uint64_t features)
{
	unsigned n = q->size;

	if (!n || n > q->size_max || n > VIRTQ_MAX_SIZE || (n & (n - 1)))
		return -EINVAL;
	/* The two event words are part of the rings whether or not EVENT_IDX is on. */
	q->desc = ring_ptr(gm, q->desc_gpa, (uint64_t)DESC_SIZE * n, 16);
	q->avail = ring_ptr(gm, q->avail_gpa, 6 + 2u * n, 2);
	q->used = ring_ptr(gm, q->used_gpa, 6 + 8u * n, 4);
	if (!q->desc || !q->avail || !q->used)
		return -EINVAL;
	q->gm = gm;
	q->event_idx = features & VIRTIO_F_EVENT_IDX;
	q->indirect = features & VIRTIO_F_INDIRECT_DESC;
	q->started = true;
	return 0;
}

void virtq_reset(struct virtq *q)
{
	*q = (struct virtq){.size_max = q->size_max, .size = q->size_max};
}

static uint16_t avail_idx(const struct virtq *q)
{
	return __atomic_load_n(&q->avail[1], __ATOMIC_ACQUIRE);
}

unsigned virtq_pending(const struct virtq *q)
{
	if (!q->started || q->why)
		return 0;
	return (uint16_t)(avail_idx(q) - q->last_avail);
}

static int broken(struct virtq *q, const char *why)
{
	q->why = why;
	return -EPROTO;
}

/* One data descriptor, already in host memory, joins the chain. NULL or what is wrong with it. */
static const char *chain_add(const struct virtq *q, struct virtq_chain *c, const struct desc *d)
{
	void *p = gmem_ptr(q->gm, d->addr, d->len);

	if (!p)
		return "buffer outside RAM";
	if (d->flags & DESC_F_WRITE) {
		c->write_len += d->len;
	} else {
		if (c->nwrite)
			return "readable buffer after a writable one";
		c->read_len += d->len;
	}
	if (c->read_len + c->write_len > UINT64_C(1) << 32)
		return "chain of more than 4 GiB";
	if (!d->len)
		return NULL;
	c->iov[c->nread + c->nwrite] = (struct iovec){.iov_base = p, .iov_len = d->len};
	if (d->flags & DESC_F_WRITE) {
		gmem_mark(q->gm, p, d->len);
		c->nwrite++;
	} else {
		c->nread++;
	}
	return NULL;
}

/* Follow the chain from c->head. NULL or what is wrong with it. */
static const char *chain_walk(const struct virtq *q, struct virtq_chain *c)
{
	const uint64_t *table = q->desc;
	unsigned table_len = q->size, i = c->head, count = 0;
	bool indirect = false;
	const char *why;

	for (;;) {
		if (i >= table_len)
			return indirect ? "next outside the indirect table"
					: "descriptor index outside the table";
		struct desc d = desc_load(table, i);

		if (d.flags & DESC_F_INDIRECT) {
			/* 2.7.5.3: WRITE on it is ignored, NEXT is not allowed, and it does not
			 * nest. It may end a chain that began with plain descriptors. */
			if (!q->indirect)
				return "INDIRECT was not negotiated";
			if (indirect)
				return "nested INDIRECT";
			if (d.flags & DESC_F_NEXT)
				return "INDIRECT with NEXT";
			if (!d.len || d.len % DESC_SIZE)
				return "indirect table of a broken length";
			table = ring_ptr(q->gm, d.addr, d.len, 16);
			if (!table)
				return "indirect table misaligned or outside RAM";
			table_len = d.len / DESC_SIZE;
			indirect = true;
			i = 0;
			continue;
		}
		/* A cycle is a chain that is too long. */
		if (++count > q->size)
			return "chain longer than the queue";
		why = chain_add(q, c, &d);
		if (why)
			return why;
		if (!(d.flags & DESC_F_NEXT))
			return NULL;
		i = d.next;
	}
}

int virtq_pop(struct virtq *q, struct virtq_chain *ret_chain)
{
	const char *why;

	if (!q->started || q->why)
		return q->why ? -EPROTO : 0;
	if (q->last_avail == q->avail_seen) {
		uint16_t idx = avail_idx(q);

		if (idx == q->last_avail)
			return 0;
		if ((uint16_t)(idx - q->last_avail) > q->size)
			return broken(q, "avail.idx jumped by more than the queue");
		q->avail_seen = idx;
	}
	uint16_t slot = q->last_avail & (uint16_t)(q->size - 1);

	ret_chain->head = __atomic_load_n(&q->avail[2 + slot], __ATOMIC_RELAXED);
	ret_chain->nread = ret_chain->nwrite = 0;
	ret_chain->read_len = ret_chain->write_len = 0;
	why = chain_walk(q, ret_chain);
	if (why)
		return broken(q, why);
	q->last_avail++;
	return 1;
}

void virtq_unpop(struct virtq *q, unsigned n)
{
	q->last_avail -= (uint16_t)n;
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t len)
{
	uint16_t slot = q->used_idx & (uint16_t)(q->size - 1);
	uint32_t *elem = (uint32_t *)(void *)(q->used + 2) + 2u * slot;

	if (!q->started)
		return;
	gmem_mark(q->gm, elem, 8);
	__atomic_store_n(&elem[0], head, __ATOMIC_RELAXED);
	__atomic_store_n(&elem[1], len, __ATOMIC_RELAXED);
	q->used_idx++;
}

bool virtq_publish(struct virtq *q)
{
	if (!q->started || q->used_idx == q->used_pub)
		return false;
	q->used_pub = q->used_idx;
	gmem_mark(q->gm, q->used, 4);
	__atomic_store_n(&q->used[1], q->used_pub, __ATOMIC_RELEASE);
	/* The driver sets used_event (or flags) and then looks at used.idx; we do it the other way
	 * round: with a full barrier on both sides one of us sees the other. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);

	uint16_t old = q->used_signalled, new = q->used_pub;

	q->used_signalled = new;
	if (!q->event_idx)
		return !(__atomic_load_n(&q->avail[0], __ATOMIC_RELAXED) & AVAIL_F_NO_INTERRUPT);
	uint16_t event = __atomic_load_n(&q->avail[2 + q->size], __ATOMIC_RELAXED);

	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

void virtq_kick_off(struct virtq *q)
{
	/* With EVENT_IDX avail_event simply stays behind; flags must stay 0 then. */
	if (!q->started || q->event_idx || q->no_kick)
		return;
	q->no_kick = true;
	gmem_mark(q->gm, q->used, 2);
	__atomic_store_n(&q->used[0], USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
}

bool virtq_kick_on(struct virtq *q)
{
	if (!q->started || q->why)
		return false;
	if (q->event_idx) {
		gmem_mark(q->gm, &q->used[2 + 4u * q->size], 2);
		__atomic_store_n(&q->used[2 + 4u * q->size], q->last_avail, __ATOMIC_RELAXED);
	} else if (q->no_kick) {
		q->no_kick = false;
		gmem_mark(q->gm, q->used, 2);
		__atomic_store_n(&q->used[0], 0, __ATOMIC_RELAXED);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return avail_idx(q) != q->last_avail;
}
