/* SPDX-License-Identifier: MIT
 *
 * blk.c: the virtio-block driver, one queue a disk. Trusts the host with the data but not with our
 * memory: the ring layer checks ids, this file checks the status byte and the length. A device that
 * breaks the ring fails every outstanding request with EIO and stays failed. Runs on the one vCPU;
 * completions run from the poller.
 */
#include "drivers/blk.h"

#include <errno.h>
#include <string.h>

#include "platform.h"
#include "wait.h"

#define DEVICE_ID   2u
#define QUEUE_DEPTH 256u

#define F_SEG_MAX      (1ull << 2)
#define F_RO	       (1ull << 5)
#define F_BLK_SIZE     (1ull << 6)
#define F_FLUSH	       (1ull << 9)
#define F_DISCARD      (1ull << 13)
#define F_WRITE_ZEROES (1ull << 14)
#define F_EVENT_IDX    (1ull << 29)

#define CFG_CAPACITY	0u
#define CFG_SEG_MAX	12u
#define CFG_BLK_SIZE	20u
#define CFG_MAX_DISCARD 36u
#define CFG_MAX_ZEROES	48u

#define RANGE_MAX (1u << 20) /* sectors of one DISCARD or WRITE_ZEROES, at most */

#define STATUS_OK     0
#define STATUS_UNSUPP 2
#define STATUS_NONE   0xff /* ours: the device has not answered */

static const uint32_t op_type[] = {
	[UK_BLK_READ] = 0,     [UK_BLK_WRITE] = 1, [UK_BLK_FLUSH] = 4,
	[UK_BLK_DISCARD] = 11, [UK_BLK_ZERO] = 13,
};

static struct uk_blk disks[UK_BLK_MAX];
static unsigned ndisks;
static bool probed;
static unsigned waiting;

/* --- completion ---------------------------------------------------------------------- */

static void finish(struct uk_blk *b, struct uk_blk_req *req, int err)
{
	*req->link = req->next;
	if (req->next)
		req->next->link = req->link;
	b->inflight--;
	req->done(req, err);
}

static int result(const struct uk_blk_req *req, uint32_t len)
{
	if (len > req->bytes)
		return -EIO;
	switch (req->status) {
	case STATUS_OK:
		return 0;
	case STATUS_UNSUPP:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

static bool poll_disk(struct uk_blk *b)
{
	struct uk_blk_req *req;
	uint32_t len;
	bool any = false;

	while ((req = uk__vq_get(&b->vq, &len))) {
		finish(b, req, result(req, len));
		any = true;
	}
	while (b->vq.broken && b->outstanding) {
		finish(b, b->outstanding, -EIO);
		any = true;
	}
	return any;
}

static bool poll_all(void)
{
	bool any = false;

	for (unsigned i = 0; i < ndisks; i++)
		if (disks[i].inflight)
			any |= poll_disk(&disks[i]);
	return any;
}

/* Asked for before idling, so this is where interrupts are armed; a completion that slipped in
 * meanwhile means "do not idle". */
static uint64_t poll_deadline(void)
{
	uint64_t deadline = UK_FOREVER;

	for (unsigned i = 0; i < ndisks; i++)
		if (disks[i].inflight && uk__vq_irq_enable(&disks[i].vq))
			deadline = 0;
	return deadline;
}

/* --- discovery ----------------------------------------------------------------------- */

/* Lower range_max to what a limit of the device allows; false when it allows nothing. */
static bool range_limit(struct uk_blk *b, unsigned cfg)
{
	uint32_t max = uk__virtio_cfg32(&b->dev, cfg);

	if (max == 0)
		return false;
	if (max < b->range_max)
		b->range_max = max;
	return true;
}

void uk__blk_measure(struct uk_blk *b)
{
	b->sectors = uk__virtio_cfg64(&b->dev, CFG_CAPACITY);
	if (b->sectors > INT64_MAX / UK_SECTOR)
		b->sectors = INT64_MAX / UK_SECTOR;
}

static int start(struct uk_blk *b)
{
	const uint64_t wanted =
		F_SEG_MAX | F_RO | F_BLK_SIZE | F_FLUSH | F_DISCARD | F_WRITE_ZEROES | F_EVENT_IDX;
	int r = uk__virtio_begin(&b->dev, wanted);
	uint64_t f;

	if (r < 0)
		return r;
	r = uk__vq_init(&b->vq, &b->dev, 0, QUEUE_DEPTH);
	if (r < 0)
		return r;
	f = b->dev.features;
	uk__blk_measure(b);
	b->block_size = f & F_BLK_SIZE ? uk__virtio_cfg32(&b->dev, CFG_BLK_SIZE) : UK_SECTOR;
	if (b->block_size < UK_SECTOR || b->block_size > 65536 ||
	    b->block_size & (b->block_size - 1))
		b->block_size = UK_SECTOR;
	b->seg_max = f & F_SEG_MAX ? uk__virtio_cfg32(&b->dev, CFG_SEG_MAX) : UK_BLK_SG;
	if (b->seg_max > UK_BLK_SG)
		b->seg_max = UK_BLK_SG;
	/* Header and status take a descriptor each. */
	if (b->seg_max + 2 > b->vq.size)
		b->seg_max = b->vq.size > 2 ? b->vq.size - 2u : 0;
	if (b->seg_max == 0)
		return -ENOTSUP;
	b->range_max = RANGE_MAX;
	b->ro = (f & F_RO) != 0;
	b->can_flush = (f & F_FLUSH) != 0;
	b->can_discard = (f & F_DISCARD) && range_limit(b, CFG_MAX_DISCARD);
	b->can_zero = (f & F_WRITE_ZEROES) && range_limit(b, CFG_MAX_ZEROES);
	uk__virtio_driver_ok(&b->dev);
	return 0;
}

static void probe_all(void)
{
	static struct uk_poller poller = {.poll = poll_all, .deadline = poll_deadline};

	probed = true;
	for (unsigned i = 0; ndisks < UK_BLK_MAX; i++) {
		struct uk_blk *b = &disks[ndisks];
		int r;

		memset(b, 0, sizeof(*b));
		if (uk__virtio_find(DEVICE_ID, i, &b->dev) < 0)
			break;
		r = start(b);
		if (r < 0)
			uk__log("block device %u does not start: error %d", i, -r);
		else
			ndisks++;
	}
	if (ndisks)
		uk__poller_add(&poller);
}

struct uk_blk *uk__blk_get(unsigned n)
{
	if (!probed)
		probe_all();
	return n < ndisks ? &disks[n] : NULL;
}

/* --- submission ---------------------------------------------------------------------- */

static int check(const struct uk_blk *b, enum uk_blk_op op, uint64_t sector, const struct uk_sg *sg,
		 unsigned n)
{
	uint64_t bytes = 0;

	if (b->vq.broken)
		return -EIO;
	if (op != UK_BLK_READ && op != UK_BLK_FLUSH && b->ro)
		return -EROFS;
	if ((op == UK_BLK_DISCARD && !b->can_discard) || (op == UK_BLK_ZERO && !b->can_zero))
		return -EOPNOTSUPP;
	if (op == UK_BLK_FLUSH)
		return n == 0 ? 0 : -EINVAL;
	for (unsigned i = 0; i < n; i++)
		bytes += sg[i].len;
	if (n == 0 || n > b->seg_max || bytes == 0 || bytes % UK_SECTOR)
		return -EINVAL;
	if (sector > b->sectors || bytes / UK_SECTOR > b->sectors - sector)
		return -EIO;
	return 0;
}

int uk__blk_submit(struct uk_blk *b, struct uk_blk_req *req, enum uk_blk_op op, uint64_t sector,
		   const struct uk_sg *sg, unsigned n)
{
	struct uk_sg v[UK_BLK_SG + 2];
	unsigned out = 1, in = 1, k = 1;
	int r = check(b, op, sector, sg, n);

	if (r < 0)
		return r;
	req->hdr.type = op_type[op];
	req->hdr.reserved = 0;
	req->hdr.sector = op == UK_BLK_READ || op == UK_BLK_WRITE ? sector : 0;
	req->status = STATUS_NONE;
	req->bytes = 1;
	v[0] = (struct uk_sg){.p = &req->hdr, .len = sizeof(req->hdr)};
	if (op == UK_BLK_READ || op == UK_BLK_WRITE) {
		memcpy(&v[1], sg, n * sizeof(*sg));
		k += n;
		*(op == UK_BLK_READ ? &in : &out) += n;
		for (unsigned i = 0; op == UK_BLK_READ && i < n; i++)
			req->bytes += sg[i].len;
	} else if (op != UK_BLK_FLUSH) {
		req->range.sector = sector;
		req->range.count = sg[0].len / UK_SECTOR;
		req->range.flags = 0;
		v[k++] = (struct uk_sg){.p = &req->range, .len = sizeof(req->range)};
		out++;
	}
	v[k] = (struct uk_sg){.p = &req->status, .len = 1};
	r = uk__vq_add(&b->vq, v, out, in, req);
	if (r < 0)
		return r == -ENOSPC ? -EAGAIN : r;
	req->next = b->outstanding;
	req->link = &b->outstanding;
	if (req->next)
		req->next->link = &req->next;
	b->outstanding = req;
	b->inflight++;
	return 0;
}

void uk__blk_kick(struct uk_blk *b, bool force)
{
	uk__vq_kick(&b->vq, force);
}

struct word_wait {
	const volatile int *word;
	int while_value;
};

static bool word_changed(void *arg)
{
	const struct word_wait *w = arg;

	return *w->word != w->while_value;
}

void uk__blk_wait(struct uk_blk *b, const volatile int *word, int while_value)
{
	struct word_wait w = {.word = word, .while_value = while_value};

	/* Most devices have answered when the doorbell returns: look before going the long way. */
	poll_disk(b);
	waiting++;
	while (!word_changed(&w)) {
		if (uk__wait(word_changed, &w, UK_FOREVER) == 0)
			break;
		/* A pending signal does not end a disk request. Idle on the disk alone. */
		if (!poll_disk(b) && !uk__vq_irq_enable(&b->vq))
			uk__idle(UK_FOREVER);
		poll_disk(b);
	}
	waiting--;
}

bool uk__blk_waiting(void)
{
	return waiting > 0;
}

int uk__blk_submit_wait(struct uk_blk *b, struct uk_blk_req *req, enum uk_blk_op op,
			uint64_t sector, const struct uk_sg *sg, unsigned n)
{
	int r;

	while ((r = uk__blk_submit(b, req, op, sector, sg, n)) == -EAGAIN) {
		int before = (int)b->inflight;

		/* A chain that cannot fit an empty ring would wait for ever; seg_max excludes it.
		 */
		uk__blk_kick(b, true);
		uk__blk_wait(b, (const volatile int *)&b->inflight, before);
	}
	return r;
}

/* --- synchronous calls --------------------------------------------------------------- */

struct batch {
	volatile int pending;
	int err;
};

static void batch_done(struct uk_blk_req *req, int err)
{
	struct batch *batch = req->arg;

	if (err && !batch->err)
		batch->err = err;
	batch->pending--;
}

static void batch_wait(struct uk_blk *b, struct batch *batch)
{
	int n;

	uk__blk_kick(b, true);
	while ((n = batch->pending) > 0)
		uk__blk_wait(b, &batch->pending, n);
}

static int one(struct uk_blk *b, enum uk_blk_op op, uint64_t sector, const struct uk_sg *sg,
	       unsigned n)
{
	struct batch batch = {.pending = 1};
	struct uk_blk_req req = {.done = batch_done, .arg = &batch};
	int r = uk__blk_submit_wait(b, &req, op, sector, sg, n);

	if (r < 0)
		return r;
	batch_wait(b, &batch);
	return batch.err;
}

#define RW_BATCH 8u

int uk__blk_rw(struct uk_blk *b, bool write, uint64_t sector, void *buf, uint64_t len)
{
	struct uk_blk_req req[RW_BATCH];
	struct batch batch = {.pending = 0};
	uint8_t *p = buf;
	int r = 0;

	while (len > 0 && r == 0 && batch.err == 0) {
		for (unsigned i = 0; i < RW_BATCH && len > 0; i++) {
			struct uk_sg sg = {
				.p = p, .len = len > UK_BLK_IO_MAX ? UK_BLK_IO_MAX : (uint32_t)len};

			req[i] = (struct uk_blk_req){.done = batch_done, .arg = &batch};
			batch.pending++;
			r = uk__blk_submit_wait(b, &req[i], write ? UK_BLK_WRITE : UK_BLK_READ,
						sector, &sg, 1);
			if (r < 0) {
				batch.pending--;
				break;
			}
			p += sg.len;
			len -= sg.len;
			sector += sg.len / UK_SECTOR;
		}
		batch_wait(b, &batch);
	}
	return r < 0 ? r : batch.err;
}

int uk__blk_flush(struct uk_blk *b)
{
	return b->can_flush ? one(b, UK_BLK_FLUSH, 0, NULL, 0) : 0;
}

static int write_zeroes(struct uk_blk *b, uint64_t sector, uint64_t count)
{
	static uint8_t zeroes[UK_PAGE]; /* not const: it stays out of the image file */
	int r = 0;

	while (count > 0 && r == 0) {
		struct uk_sg sg[16];
		unsigned n = 0;
		uint64_t todo = 0;

		for (; n < 16 && n < b->seg_max && todo < count; n++) {
			uint64_t s = count - todo < 8 ? count - todo : 8;

			sg[n] = (struct uk_sg){.p = zeroes, .len = (uint32_t)s * UK_SECTOR};
			todo += s;
		}
		r = one(b, UK_BLK_WRITE, sector, sg, n);
		sector += todo;
		count -= todo;
	}
	return r;
}

int uk__blk_range(struct uk_blk *b, enum uk_blk_op op, uint64_t sector, uint64_t count)
{
	int r = 0;

	if (op == UK_BLK_ZERO && !b->can_zero && !b->ro)
		return write_zeroes(b, sector, count);
	while (count > 0 && r == 0) {
		uint32_t n = count > b->range_max ? b->range_max : (uint32_t)count;
		struct uk_sg sg = {.p = NULL, .len = n * UK_SECTOR};

		r = one(b, op, sector, &sg, 1);
		sector += n;
		count -= n;
	}
	return r;
}
