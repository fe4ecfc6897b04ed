/* SPDX-License-Identifier: MIT
 *
 * mem.c: the network stack's heap: size classes in spans of pages, bounded by a share of the
 * guest's memory. Empty spans go back to the page allocator once a quarter of the bound lies idle.
 * Large classes stop short of the bound, so that a flood of packet data cannot starve the small
 * control structures that drain it. Runs on the one vCPU.
 */
#include "net/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "platform.h"
#include "sys.h"

/* Before every chunk. */
struct head {
	uint32_t cls;	/* or LARGE */
	uint32_t where; /* offset of the chunk in its span; LARGE: number of pages */
};

struct chunk {
	struct head head;
	struct chunk *next;
};

/* At the start of every span; on its class's list while it has free chunks. */
struct span {
	struct span *next, *prev;
	struct chunk *free;
	uint32_t inuse;
	uint32_t pad;
};

struct class
{
	uint32_t size;	/* chunk with its head */
	uint32_t pages; /* of a span */
	struct span *spans;
};

/* 1632 holds a full TCP segment with its pbuf, 5 to two pages; the last three hold long ones of 2,
 * 5 and 11 (tcp_long.c). */
static struct class classes[] = {
	{64, 1, NULL},	 {128, 1, NULL},  {256, 1, NULL},  {576, 1, NULL},  {1008, 1, NULL},
	{1632, 2, NULL}, {2032, 1, NULL}, {4064, 1, NULL}, {8160, 2, NULL}, {16352, 4, NULL},
};
#define NCLASSES  (sizeof(classes) / sizeof(classes[0]))
#define LARGE	  0x4c415247u
#define SMALL_MAX 256u

/* bytes: bound, from the page allocator, in chunks handed out, of these for received data */
static size_t cap, taken, inuse, rx_held;
static uint64_t frees;

void uk__net_mem_init(size_t bytes)
{
	cap = bytes;
}

/* Half for what is sent, three eighths for copies of what was received, the rest for control
 * structures and for the little that everybody may always have. */
size_t uk__net_mem_room(void)
{
	size_t used = inuse - rx_held;

	return used < cap / 2 ? cap / 2 - used : 0;
}

void *uk__net_rx_alloc(size_t len, bool fair)
{
	void *p;

	if (!fair && rx_held >= cap / 8 * 3)
		return NULL;
	rx_held -= inuse;
	p = uk__net_alloc(len);
	rx_held += inuse;
	return p;
}

void uk__net_rx_free(void *p)
{
	rx_held -= inuse;
	uk__net_free(p);
	rx_held += inuse;
}

uint64_t uk__net_mem_frees(void)
{
	return frees;
}

static void *take_pages(unsigned long npages, bool small)
{
	size_t bytes = (size_t)npages * UK_PAGE;
	void *mem;

	if (taken + bytes > (small ? cap : cap - cap / 16))
		return NULL;
	mem = uk__pages_alloc(npages);
	if (mem)
		taken += bytes;
	return mem;
}

static void give_pages(void *mem, unsigned long npages)
{
	taken -= (size_t)npages * UK_PAGE;
	uk__pages_free(mem, npages);
}

static void *large_alloc(size_t len)
{
	uint32_t npages = (uint32_t)((len + sizeof(struct head) + UK_PAGE - 1) / UK_PAGE);
	struct head *h = take_pages(npages, false);

	if (!h)
		return NULL;
	inuse += (size_t)npages * UK_PAGE;
	*h = (struct head){.cls = LARGE, .where = npages};
	return h + 1;
}

static void link_span(struct class *c, struct span *s)
{
	s->prev = NULL;
	s->next = c->spans;
	if (c->spans)
		c->spans->prev = s;
	c->spans = s;
}

static void unlink_span(struct class *c, struct span *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		c->spans = s->next;
	if (s->next)
		s->next->prev = s->prev;
}

static void grow(struct class *c)
{
	size_t bytes = (size_t)c->pages * UK_PAGE;
	struct span *s = take_pages(c->pages, c->size <= SMALL_MAX);

	if (!s)
		return;
	s->free = NULL;
	s->inuse = 0;
	/* Downwards, so that the list hands out ascending addresses. */
	for (size_t n = (bytes - sizeof(*s)) / c->size; n-- > 0;) {
		size_t off = sizeof(*s) + n * c->size;
		struct chunk *k = (struct chunk *)(void *)((uint8_t *)s + off);

		k->head = (struct head){.cls = (uint32_t)(c - classes), .where = (uint32_t)off};
		k->next = s->free;
		s->free = k;
	}
	link_span(c, s);
}

static void *chunk_alloc(struct class *c)
{
	struct span *s;
	struct chunk *k;

	if (!c->spans)
		grow(c);
	s = c->spans; /* spans without a free chunk are not on the list */
	if (!s || !s->free)
		return NULL;
	k = s->free;
	s->free = k->next;
	s->inuse++;
	inuse += c->size;
	if (!s->free)
		unlink_span(c, s);
	return &k->head + 1;
}

void *uk__net_alloc(size_t len)
{
	for (uint32_t i = 0; i < NCLASSES; i++) {
		void *p;

		if (len + sizeof(struct head) > classes[i].size)
			continue;
		/* At the bound a larger class may still have a chunk to spare. */
		p = chunk_alloc(&classes[i]);
		if (p)
			return p;
	}
	return len > UK_NET_MEM_CHUNK ? large_alloc(len) : NULL;
}

void *uk__net_calloc(size_t n, size_t len)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, len, &bytes))
		return NULL;
	p = uk__net_alloc(bytes);
	if (p)
		memset(p, 0, bytes);
	return p;
}

static void chunk_free(struct chunk *k)
{
	struct class *c = &classes[k->head.cls];
	struct span *s = (struct span *)(void *)((uint8_t *)k - k->head.where);

	if (!s->free)
		link_span(c, s);
	k->next = s->free;
	s->free = k;
	inuse -= c->size;
	/* Some idle memory is kept: pages come zeroed, which costs as much as the copy into them.
	 */
	if (--s->inuse == 0 && (s->next || s->prev) && taken - inuse > cap / 4) {
		unlink_span(c, s);
		give_pages(s, c->pages);
	}
}

void uk__net_free(void *p)
{
	struct head *h = (struct head *)p - 1;

	if (!p)
		return;
	frees++;
	if (h->cls < NCLASSES) {
		chunk_free((struct chunk *)(void *)h);
	} else if (h->cls == LARGE) {
		inuse -= (size_t)h->where * UK_PAGE;
		give_pages(h, h->where);
	} else {
		uk__panic("network heap: bad free");
	}
}
