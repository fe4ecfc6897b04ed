/* SPDX-License-Identifier: MIT
 *
 * fuzz_packed.c: a packed snapshot from a hostile hand: head, state and contents. The first byte
 * says what is made right first, so that what lies behind is reached: 1 the head, 2 the state's
 * records (the state then comes plain, and is sealed). What passes is unpacked into a file in
 * memory, which must have the size that the state says.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor/snapshot/tool/packed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int in = -1, out = -1;

static void put(const void *p, size_t len)
{
	if (write(in, p, len) != (ssize_t)len)
		abort();
}

/* The first state_len bytes as a state file whose checksums hold. */
static size_t put_state(const uint8_t *data, size_t len, struct packed_head *h)
{
	size_t n = h->state_len < len ? h->state_len : len;
	uint8_t *state = calloc(1, n + 1);

	if (!state)
		abort();
	memcpy(state, data, n);
	snap_seal(state, n);
	h->state_len = n;
	put(h, sizeof *h);
	for (size_t at = 0; at < n; at += SNAP_CHUNK) {
		uint32_t left = (uint32_t)(n - at < SNAP_CHUNK ? n - at : SNAP_CHUNK);
		uint32_t word = left | RECORD_PLAIN;

		put(&word, sizeof word);
		put(state + at, left);
	}
	free(state);
	return n;
}

static void put_input(const uint8_t *data, size_t len, uint8_t how)
{
	struct packed_head h;
	size_t used = 0;

	if (how & 1 && len >= sizeof h) {
		memcpy(&h, data, sizeof h);
		memcpy(h.magic, SNAP_PACK_MAGIC, sizeof h.magic);
		h.version = PACKED_VERSION;
		h.head_size = sizeof h;
		h.has_sig &= 1;
		h.pad = 0;
		h.state_len %= SNAP_STATE_MAX;
		used = sizeof h;
		if (how & 2)
			used += put_state(data + used, len - used, &h);
		else
			put(&h, sizeof h);
	}
	put(data + used, len - used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct packed p;
	struct stat st;
	char err[512];

	if (in < 0)
		in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
	if (!len || ftruncate(in, 0) || ftruncate(out, 0) || lseek(in, 0, SEEK_SET))
		return 0;
	put_input(data + 1, len - 1, data[0]);
	if (lseek(in, 0, SEEK_SET))
		abort();
	int r = packed_open(&p, in, "in", NULL, err, sizeof err);

	if (!r && !packed_contents(&p, out, "out", err, sizeof err) &&
	    (fstat(out, &st) ||
	     (uint64_t)st.st_size != p.v.head->mem_size + vm_state_disks(p.v.state) + SNAP_PAGE))
		abort();
	packed_close(&p);
	return 0;
}
