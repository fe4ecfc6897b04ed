/* SPDX-License-Identifier: MIT
 *
 * fuzz_virtq.c: the ring reader on RAM that is all input. Whatever it hands out must lie in RAM and
 * add up.
 */
#include <stdlib.h>

#include "monitor/virtio/virtq.h"
#include "tests/fuzz/guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct gmem *gm, const struct virtq_chain *c)
{
	uint64_t sum[2] = {0, 0};

	if (c->nread + c->nwrite > VIRTQ_MAX_SIZE)
		abort();
	for (unsigned i = 0; i < c->nread + c->nwrite; i++) {
		uint8_t *p = c->iov[i].iov_base;

		if (p < gm->base || c->iov[i].iov_len > gm->size ||
		    p + c->iov[i].iov_len > gm->base + gm->size)
			abort();
		sum[i >= c->nread] += c->iov[i].iov_len;
	}
	if (sum[0] != c->read_len || sum[1] != c->write_len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {.p = data, .n = size};
	struct gmem gm = fuzz_ram();
	static struct virtq_chain c;
	uint64_t features = fuzz_take(&in, 1) << 28;
	struct virtq q = {.size_max = VIRTQ_MAX_SIZE,
			  .size = (uint16_t)(1u << (fuzz_take(&in, 1) % 9))};

	gm.size = 4096;
	q.desc_gpa = fuzz_take(&in, 2);
	q.avail_gpa = fuzz_take(&in, 2);
	q.used_gpa = fuzz_take(&in, 2);
	q.last_avail = q.avail_seen = (uint16_t)fuzz_take(&in, 2);
	memset(gm.base, 0, gm.size);
	memcpy(gm.base, in.p, in.n < gm.size ? in.n : gm.size);
	if (virtq_start(&q, &gm, features))
		return 0;
	for (unsigned i = 0; i < 600 && virtq_pop(&q, &c) > 0; i++) {
		check(&gm, &c);
		if (i % 7 == 3) {
			virtq_unpop(&q, 1);
			continue;
		}
		virtq_push(&q, c.head, (uint32_t)c.write_len);
		if (i % 5 == 0)
			virtq_publish(&q);
		virtq_kick_off(&q);
	}
	virtq_kick_on(&q);
	virtq_publish(&q);
	return 0;
}
