/* SPDX-License-Identifier: MIT
 *
 * fuzz_snap.c: the state file of a snapshot from a hostile hand: the first byte says whether
 * checksum and root are made right first, so that what lies behind them is reached too. Whatever
 * passes is read to its last byte.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/snapshot/hash.h"
#include "monitor/snapshot/store.h"
#include "monitor/snapshot/wset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint64_t sum(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint64_t s = 0;

	while (len--)
		s += *b++;
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static volatile uint64_t sink;
	struct snap_view v;
	char err[256];

	if (!len)
		return 0;
	size_t n = len - 1;
	void *buf = malloc(n ? n : 1); /* exactly as long: a byte too far is seen */
	if (!buf)
		return 0;
	memcpy(buf, data + 1, n);
	if (data[0] & 1)
		snap_seal(buf, n);
	if (data[0] & 2 && n >= sizeof(struct wset_head))
		snap_hash(((struct wset_head *)buf)->checksum,
			  (uint8_t *)buf + sizeof(struct wset_head), n - sizeof(struct wset_head));
	uint32_t nruns = 0;
	const uint8_t *id = n >= sizeof(struct wset_head) ? ((struct wset_head *)buf)->id : NULL;
	const struct wset_run *run = id ? wset_decode(buf, n, id, 4096, &nruns) : NULL;

	for (uint32_t i = 0; run && i < nruns; i++)
		if ((run[i].count & ~WSET_WRITTEN) > 4096 - run[i].first)
			abort();
	if (!snap_decode(buf, n, &v, err, sizeof err)) {
		sink = sum(v.head, sizeof *v.head) + sum(v.state, sizeof *v.state) +
		       sum(v.cpu, sizeof *v.cpu) + strlen(v.config) +
		       sum(v.pages, snap_map_words(v.head->mem_size) * 8) +
		       sum(v.leaves, v.nleaves * SNAP_HASH);
		uint64_t leaves = 0;

		for (uint64_t c = 0; c < v.nchunks; c++)
			leaves += snap_chunk_mask(v.pages, c) != 0;
		if (leaves != v.nleaves || v.state->ndevs > UK_MAX_DEVS)
			abort();
	}
	free(buf);
	return 0;
}
