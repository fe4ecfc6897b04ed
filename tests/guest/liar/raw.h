/* SPDX-License-Identifier: MIT
 *
 * raw.h: a virtio-mmio driver with no manners, for a guest that lies. It bypasses the library OS's
 * drivers and lets a test write any register and any ring word. It runs in ring 3 on the one vCPU
 * and trusts nobody either: every wait is bounded.
 */
#ifndef LIAR_RAW_H
#define LIAR_RAW_H

#include <stdbool.h>
#include <stdint.h>

#define RING 16 /* entries of a queue here */

enum { F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4 };
enum {
	S_ACK = 1,
	S_DRIVER = 2,
	S_DRIVER_OK = 4,
	S_FEATURES_OK = 8,
	S_NEEDS_RESET = 64,
	S_FAILED = 128
};

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct used_elem {
	uint32_t id, len;
};

/* Laid out as the device wants it; page aligned, in the image's bss. */
struct ring {
	struct desc desc[RING];
	uint16_t avail_flags, avail_idx, avail[RING], used_event;
	uint16_t pad[1];
	_Alignas(4) volatile uint16_t used_flags;
	volatile uint16_t used_idx;
	struct used_elem used[RING];
	uint16_t avail_event;
};

struct raw {
	uint64_t va; /* registers */
	unsigned nqueues;
	struct ring *ring[2];
	uint64_t features; /* what setup negotiates */
};

uint32_t raw_r32(const struct raw *d, unsigned off);
void raw_w32(const struct raw *d, unsigned off, uint32_t v);
/* Reset, negotiate features, give FEATURES_OK; false when the device refused them. */
bool raw_negotiate(struct raw *d, uint64_t features);
/* Program queue q's addresses and size, Ready = 1. */
void raw_queue(struct raw *d, unsigned q);
void raw_driver_ok(struct raw *d);
/* All of it with the device's normal features. */
bool raw_setup(struct raw *d);

/* Publish a chain that starts at descriptor head; notify. */
void raw_post(struct raw *d, unsigned q, uint16_t head);
void raw_notify(struct raw *d, unsigned q);
/* Let the host work until used.idx of q moved past old, bounded by half a minute: slow lanes. */
bool raw_wait(struct raw *d, unsigned q, uint16_t old);
/* Let the host look at everything once. */
void raw_let_host_look(void);
bool raw_broken(const struct raw *d); /* NEEDS_RESET is set */
bool raw_breaks(struct raw *d);	      /* ...or will be, once the host has looked */
void raw_desc(struct raw *d, unsigned q, unsigned i, const void *p, uint32_t len, uint16_t flags,
	      uint16_t next);

extern struct raw blk, net;

/* One honest request on each device: the judge of "still works". Set the device up afresh. */
bool blk_honest(void);
bool net_honest(void);

/* Lies. Each returns NULL or what went wrong. */
struct lie {
	const char *name;
	const char *(*tell)(void);
};
extern const struct lie blk_lies[], net_lies[];

#endif
