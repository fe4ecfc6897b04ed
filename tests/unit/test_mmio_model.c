/* SPDX-License-Identifier: MIT
 *
 * test_mmio_model.c: the transport against a second, independent statement of its rules,
 * exhaustively. Two searches over an alphabet of register writes: every sequence up to a depth
 * (plain enumeration), and every reachable state to the fixed point (breadth first, states seen
 * before are not left again), which covers sequences of any length. After every write all readable
 * registers, the queues' addresses, the accepted features and the number of interrupts must be what
 * the model says. MMIO_MODEL_DEPTH sets the depth.
 */
#include <criterion/criterion.h>

#include "tests/unit/guest.h"

#define GOOD_LO	  0x30000000u /* INDIRECT, EVENT_IDX */
#define NOT_OURS  0x80u	      /* a feature that is not offered */
#define DESC_GOOD 0x1000u
#define DESC_BAD  0x1008u
#define SIZE_MAX_ 256u

/* Where a queue's avail and used rings are, once the "rings" letter has programmed them. */
static const uint32_t avail_at[2] = {0x4000, 0x5000}, used_at[2] = {0x6000, 0x8000};

struct letter {
	uint32_t off, val;
};

#define RINGS \
	0xffffu /* not a register: writes the avail and used addresses of the selected queue */

static const struct letter alphabet[] = {
	{0x70, 0},   {0x70, 1},	      {0x70, 2},	 {0x70, 3},	   {0x70, 0xb},
	{0x70, 0xf}, {0x70, 0x80},    {0x70, 0x4f},	 {0x24, 0},	   {0x24, 1},
	{0x24, 2},   {0x20, GOOD_LO}, {0x20, 1},	 {0x20, 0},	   {0x20, NOT_OURS},
	{0x30, 0},   {0x30, 1},	      {0x30, 2},	 {0x38, 8},	   {0x38, 3},
	{0x44, 1},   {0x44, 0},	      {0x80, DESC_GOOD}, {0x80, DESC_BAD}, {0x50, 0},
	{0x50, 1},   {0x50, 2},	      {0x64, 1},	 {0x64, 2},	   {RINGS, 0},
};

#define LETTERS (sizeof alphabet / sizeof alphabet[0])

/* --- the model --- */

struct model_queue {
	uint16_t size;
	uint8_t ready;
	uint8_t rings;	/* programmed */
	uint8_t served; /* its one chain was used */
	uint8_t live;	/* taken into service at DRIVER_OK */
	uint32_t desc;
};

struct model {
	uint8_t status, isr, feat_sel, queue_sel;
	uint8_t irqs; /* raised by the last write */
	uint32_t feat[2], accepted[2];
	struct model_queue q[2];
};

static void model_reset(struct model *m)
{
	memset(m, 0, sizeof *m);
	m->q[0].size = m->q[1].size = SIZE_MAX_;
}

static bool model_running(const struct model *m)
{
	return m->status == 0xf;
}

static void model_interrupt(struct model *m, uint8_t why)
{
	m->isr |= why;
	m->irqs++;
}

static void model_break(struct model *m)
{
	m->status |= 0x40;
	model_interrupt(m, 2);
}

/* Queue 0 has one good chain in its rings, queue 1 an avail.idx that cannot be; unprogrammed rings
 * are empty. */
static void model_serve(struct model *m, unsigned i)
{
	struct model_queue *q = &m->q[i];

	if (!model_running(m) || !q->live || !q->rings || q->served)
		return;
	if (i == 1) {
		model_break(m);
	} else {
		q->served = 1;
		model_interrupt(m, 1);
	}
}

static void model_driver_ok(struct model *m)
{
	for (unsigned i = 0; i < 2; i++) {
		if (m->q[i].ready && m->q[i].desc == DESC_BAD) {
			model_break(m);
			return;
		}
		m->q[i].live = m->q[i].ready;
	}
	model_serve(m, 0);
	model_serve(m, 1);
}

static void model_status(struct model *m, uint32_t val)
{
	static const uint8_t step[4][2] = {{0, 1}, {1, 3}, {3, 0xb}, {0xb, 0xf}};

	if (val == 0) {
		model_reset(m);
		return;
	}
	if (val & 0x80) {
		m->status |= 0x80;
		return;
	}
	val &= ~0x40u;
	for (unsigned i = 0; i < 4; i++) {
		if (m->status != step[i][0] || val != step[i][1])
			continue;
		if (val == 0xb) {
			if (m->feat[1] != 1 || (m->feat[0] & ~GOOD_LO))
				return;
			memcpy(m->accepted, m->feat, sizeof m->accepted);
		}
		m->status = (uint8_t)val;
		if (val == 0xf)
			model_driver_ok(m);
		return;
	}
}

static void model_queue_write(struct model *m, uint32_t off, uint32_t val)
{
	if (m->status != 0xb || m->queue_sel > 1)
		return;
	struct model_queue *q = &m->q[m->queue_sel];

	if (off == 0x44)
		q->ready = val == 1 && q->size != 0;
	else if (q->ready)
		return;
	else if (off == 0x38)
		q->size = val == 8 ? 8 : 0;
	else if (off == 0x80)
		q->desc = val;
	else
		q->rings = 1;
}

static void model_write(struct model *m, uint32_t off, uint32_t val)
{
	m->irqs = 0;
	switch (off) {
	case 0x70:
		model_status(m, val);
		break;
	case 0x24:
		m->feat_sel = (uint8_t)val;
		break;
	case 0x20:
		if (m->status == 3 && m->feat_sel < 2)
			m->feat[m->feat_sel] = val;
		break;
	case 0x30:
		m->queue_sel = (uint8_t)val;
		break;
	case 0x50:
		if (val < 2)
			model_serve(m, val);
		break;
	case 0x64:
		m->isr &= (uint8_t)~val;
		break;
	default:
		model_queue_write(m, off, val);
	}
}

/* --- the device --- */

static struct gmem gm;
static struct virtio_dev dev;
static unsigned irqs;

static void serve(struct virtio_dev *d, unsigned i)
{
	struct virtq_chain c;
	int ret;

	if (!virtio_dev_live(d))
		return;
	while ((ret = virtq_pop(&d->q[i], &c)) > 0)
		virtq_push(&d->q[i], c.head, 0);
	if (ret < 0)
		virtio_dev_broken(d, d->q[i].why);
	virtio_dev_notify(d, &d->q[i]);
}

static void config_read(const struct virtio_dev *d, uint32_t off, void *buf, uint32_t len)
{
	(void)d;
	(void)off;
	memset(buf, 0, len);
}

static void reset(struct virtio_dev *d)
{
	(void)d;
}

static const struct virtio_ops ops = {.name = "model",
				      .device_id = 42,
				      .serve = serve,
				      .config_read = config_read,
				      .reset = reset};

static void irq(void *arg)
{
	(void)arg;
	irqs++;
}

static void dev_write(uint32_t off, uint32_t val)
{
	irqs = 0;
	if (off != RINGS) {
		virtio_mmio_write(&dev, off, val, 4);
		return;
	}
	/* the absent queue swallows them too */
	virtio_mmio_write(&dev, 0x90, avail_at[dev.queue_sel & 1], 4);
	virtio_mmio_write(&dev, 0xa0, used_at[dev.queue_sel & 1], 4);
}

static void dev_init(void)
{
	gm = g_ram(0x20000);
	/* queue 0: one chain, the empty descriptor 0; queue 1: an index that jumped */
	*(uint16_t *)(void *)(gm.base + avail_at[0] + 2) = 1;
	*(uint16_t *)(void *)(gm.base + avail_at[1] + 2) = 0x7777;
	dev = (struct virtio_dev){.ops = &ops,
				  .id = "m",
				  .gm = &gm,
				  .offered = GOOD_LO | VIRTIO_F_VERSION_1,
				  .nqueues = 2,
				  .irq = irq};
	dev.broken_log.count = 1; /* silence: it happens a million times here */
	virtio_mmio_init(&dev);
}

static bool same(const struct model *m)
{
	const struct model_queue *q = m->queue_sel < 2 ? &m->q[m->queue_sel] : NULL;
	bool ok = g_rd(&dev, 0x70) == m->status && g_rd(&dev, 0x60) == m->isr && irqs == m->irqs &&
		  g_rd(&dev, 0x44) == (q ? q->ready : 0) && g_rd(&dev, 0x34) == (q ? SIZE_MAX_ : 0);

	if (m->status & 8)
		ok = ok && dev.features == ((uint64_t)m->accepted[1] << 32 | m->accepted[0]);
	for (unsigned i = 0; i < 2; i++) {
		const struct virtq *v = &dev.q[i];

		ok = ok && v->size == m->q[i].size && v->ready == m->q[i].ready &&
		     v->desc_gpa == m->q[i].desc &&
		     v->avail_gpa == (m->q[i].rings ? avail_at[i] : 0) &&
		     v->used_gpa == (m->q[i].rings ? used_at[i] : 0);
		/* what is in service is what was programmed: CVE-2026-5747 */
		if (model_running(m) && m->q[i].live)
			ok = ok && (uint8_t *)v->desc == gm.base + v->desc_gpa &&
			     (uint8_t *)v->avail == gm.base + v->avail_gpa &&
			     (uint8_t *)v->used == gm.base + v->used_gpa;
	}
	return ok;
}

/* --- every sequence up to a depth --- */

static uint8_t path[64];

static void explain(unsigned n, const struct model *m)
{
	char text[1024];
	size_t at = 0;

	for (unsigned i = 0; i < n && at < sizeof text - 32; i++)
		at += (size_t)snprintf(text + at, sizeof text - at, " %03x=%x",
				       alphabet[path[i]].off, alphabet[path[i]].val);
	cr_assert_fail("after%s: status %x isr %x irqs %u, model %x %x %u", text, dev.status,
		       dev.isr, irqs, m->status, m->isr, m->irqs);
}

static uint64_t enumerate(const struct model *m, unsigned depth, unsigned left)
{
	struct virtio_dev before = dev;
	uint64_t n = 0;

	for (unsigned i = 0; left && i < LETTERS; i++) {
		struct model next = *m;

		path[depth] = (uint8_t)i;
		dev_write(alphabet[i].off, alphabet[i].val);
		model_write(&next, alphabet[i].off, alphabet[i].val);
		if (!same(&next))
			explain(depth + 1, &next);
		n += 1 + enumerate(&next, depth + 1, left - 1);
		dev = before;
	}
	return n;
}

Test(mmio_model, every_sequence_of_writes, .timeout = 600)
{
	const char *env = getenv("MMIO_MODEL_DEPTH");
	long depth = env ? strtol(env, NULL, 10) : 4;
	/* the first steps of a driver, so that the depth reaches into each state of the machine */
	static const uint8_t prefix[][16] = {
		{0},
		{1, 3, 0},
		{1, 3, 9, 12, 8, 11, 4, 0}, /* up to FEATURES_OK */
		{1, 3, 9, 12, 4, 18, 22, 29, 20, 0},
		{1, 3, 9, 12, 8, 11, 4, 22, 29, 20, 5, 0},
		{1, 3, 9, 12, 4, 20, 16, 29, 20, 5, 0},
	};
	uint64_t n = 0;

	for (unsigned k = 0; k < sizeof prefix / sizeof prefix[0]; k++) {
		struct model m;
		unsigned d = 0;

		dev_init();
		model_reset(&m);
		irqs = 0;
		for (; prefix[k][d]; d++) {
			const struct letter *l = &alphabet[prefix[k][d]];

			path[d] = prefix[k][d];
			dev_write(l->off, l->val);
			model_write(&m, l->off, l->val);
			if (!same(&m))
				explain(d + 1, &m);
		}
		n += enumerate(&m, d, (unsigned)depth);
	}
	cr_log_info("%llu sequences, depth %ld after each prefix", (unsigned long long)n, depth);
}

/* --- every reachable state --- */

/* All that the transport keeps and that a later write can depend on. */
struct state {
	struct model m;
	struct virtq q[2];
	uint64_t features, drv_features;
	uint32_t status, isr, drv_feat_sel, queue_sel;
	bool activated;
};

#define MAX_STATES (1u << 21)
#define TABLE	   (1u << 23)

static struct state *states;
static uint32_t *table, nstates;

static uint64_t hash(const struct state *s)
{
	const uint8_t *p = (const uint8_t *)s;
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i + 8 <= sizeof *s; i += 8) {
		uint64_t w;

		memcpy(&w, p + i, 8);
		h = (h ^ w) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return h;
}

static void save(struct state *s, const struct model *m)
{
	memset(s, 0, sizeof *s); /* padding is part of the key */
	memcpy(&s->m, m, sizeof *m);
	s->m.irqs = 0;
	memcpy(s->q, dev.q, sizeof s->q);
	s->features = dev.features;
	s->drv_features = dev.drv_features;
	s->status = dev.status;
	s->isr = dev.isr;
	s->drv_feat_sel = dev.drv_feat_sel;
	s->queue_sel = dev.queue_sel;
	s->activated = dev.activated;
}

static void load(const struct state *s)
{
	memcpy(dev.q, s->q, sizeof s->q);
	dev.features = s->features;
	dev.drv_features = s->drv_features;
	dev.status = s->status;
	dev.isr = s->isr;
	dev.drv_feat_sel = s->drv_feat_sel;
	dev.queue_sel = s->queue_sel;
	dev.activated = s->activated;
}

static void remember(const struct model *m)
{
	struct state s;

	save(&s, m);
	for (uint64_t at = hash(&s);; at++) {
		uint32_t *slot = &table[at & (TABLE - 1)];

		if (!*slot) {
			cr_assert_lt(nstates, MAX_STATES);
			states[nstates++] = s;
			*slot = nstates;
			return;
		}
		if (!memcmp(&states[*slot - 1], &s, sizeof s))
			return;
	}
}

Test(mmio_model, every_reachable_state, .timeout = 600)
{
	struct model m;
	uint32_t depth_end = 1, depth = 0;

	states = malloc(sizeof *states * MAX_STATES);
	table = calloc(TABLE, sizeof *table);
	cr_assert(states && table);
	dev_init();
	model_reset(&m);
	remember(&m);
	for (uint32_t i = 0; i < nstates; i++) {
		if (i == depth_end) {
			depth++;
			depth_end = nstates;
		}
		for (unsigned k = 0; k < LETTERS; k++) {
			load(&states[i]);
			m = states[i].m;
			path[0] = (uint8_t)k;
			dev_write(alphabet[k].off, alphabet[k].val);
			model_write(&m, alphabet[k].off, alphabet[k].val);
			if (!same(&m))
				explain(1, &m);
			remember(&m);
		}
	}
	cr_log_info("%u states, the last at depth %u", nstates, depth);
	cr_assert_gt(nstates, 10000, "the search went somewhere");
	free(states);
	free(table);
}
