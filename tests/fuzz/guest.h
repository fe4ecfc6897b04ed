/* SPDX-License-Identifier: MIT
 *
 * guest.h: an input as a guest's program: a string of commands that write RAM, build descriptors,
 * offer chains, ring doorbells and touch registers, run against one device. The grammar is loose on
 * purpose: every byte string is a program.
 */
#ifndef TESTS_FUZZ_GUEST_H
#define TESTS_FUZZ_GUEST_H

#include <stddef.h>
#include <stdint.h>

#include "monitor/gmem.h"
#include "monitor/virtio/dev.h"

#define FUZZ_RAM (128u << 10)

struct fuzz_in {
	const uint8_t *p;
	size_t n;
};

/* Little-endian; zeroes when the input is used up. */
uint64_t fuzz_take(struct fuzz_in *in, unsigned bytes);
/* RAM of FUZZ_RAM bytes; the same one every time. */
struct gmem fuzz_ram(void);
/* Reset the device, clear RAM, bring the device up and run the program. host: one host-side event,
 * may be NULL. */
void fuzz_run(struct virtio_dev *dev, struct gmem *gm, struct fuzz_in *in,
	      void (*host)(struct fuzz_in *in));

#endif
