/* SPDX-License-Identifier: MIT
 *
 * test_mmio.c: the transport against well-behaved and hostile register accesses, with a device that
 * echoes: every chain comes back with used.len = bytes of its writable part.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "tests/unit/guest.h"

#define F_OK	(VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC)
#define F_A	UINT64_C(1)
#define F_NEEDA UINT64_C(2) /* acceptable only with F_A */

static unsigned served, activations, resets, irqs;
static int activate_ret;
static uint8_t config[10] = {0xde, 0xad, 0xbe, 0xef, 5, 6, 7, 8, 9, 10};
static struct virtio_dev dev;
static struct gmem gm;
static struct g_ring r, r1;

static bool features_ok(const struct virtio_dev *d, uint64_t f)
{
	(void)d;
	return !(f & F_NEEDA) || (f & F_A);
}

static int activate(struct virtio_dev *d)
{
	(void)d;
	activations++;
	return activate_ret;
}

static void reset(struct virtio_dev *d)
{
	cr_assert_not(virtio_dev_live(d));
	/* a completion that is late must not reach the driver */
	virtq_push(&d->q[0], 0, 0);
	virtio_dev_notify(d, &d->q[0]);
	resets++;
}

static void serve(struct virtio_dev *d, unsigned i)
{
	struct virtq_chain c;
	int ret;

	if (!virtio_dev_live(d))
		return;
	served++;
	while ((ret = virtq_pop(&d->q[i], &c)) > 0)
		virtq_push(&d->q[i], c.head, (uint32_t)c.write_len);
	if (ret < 0)
		virtio_dev_broken(d, d->q[i].why);
	virtio_dev_notify(d, &d->q[i]);
}

static void config_read(const struct virtio_dev *d, uint32_t off, void *buf, uint32_t len)
{
	(void)d;
	cr_assert_leq(off + len, sizeof config);
	memcpy(buf, config + off, len);
}

static void config_write(struct virtio_dev *d, uint32_t off, const void *buf, uint32_t len)
{
	(void)d;
	cr_assert_leq(off + len, sizeof config);
	memcpy(config + off, buf, len);
}

static const struct virtio_ops ops = {
	.name = "echo",
	.device_id = 42,
	.features_ok = features_ok,
	.activate = activate,
	.reset = reset,
	.serve = serve,
	.config_read = config_read,
	.config_write = config_write,
};

static void irq(void *arg)
{
	struct virtio_dev *d = arg;

	cr_assert_neq(d->status & G_S_DRIVER_OK, 0, "rule 2: no interrupt before DRIVER_OK");
	cr_assert_neq(d->isr, 0, "rule 8: the reason is there before the signal");
	irqs++;
}

static void setup(void)
{
	gm = g_ram(0x20000);
	g_ring_init(&r, &gm, 16, 0x1000);
	g_ring_init(&r1, &gm, 8, 0x3000);
	dev = (struct virtio_dev){.ops = &ops,
				  .id = "t0",
				  .gm = &gm,
				  .offered = F_OK | F_A | F_NEEDA,
				  .config_size = sizeof config,
				  .nqueues = 2,
				  .irq = irq,
				  .irq_arg = &dev};
	virtio_mmio_init(&dev);
}

static void up(uint64_t features)
{
	cr_assert_eq(g_negotiate(&dev, features), 11);
	g_queue(&dev, 0, &r);
	g_queue(&dev, 1, &r1);
	cr_assert_eq(g_driver_ok(&dev), 15);
}

static void offer_one(struct g_ring *ring)
{
	struct g_buf b = {0x8000, 64, true};

	g_chain(ring, &b, 1);
}

TestSuite(mmio, .init = setup);

Test(mmio, identity)
{
	cr_assert_eq(g_rd(&dev, 0), 0x74726976);
	cr_assert_eq(g_rd(&dev, 4), 2);
	cr_assert_eq(g_rd(&dev, 8), 42);
	cr_assert_eq(g_rd(&dev, 0xc), 0x796c666d);
}

Test(mmio, features_by_halves)
{
	g_wr(&dev, 0x14, 0);
	cr_assert_eq(g_rd(&dev, 0x10), 0x30000003);
	g_wr(&dev, 0x14, 1);
	cr_assert_eq(g_rd(&dev, 0x10), 1);
	g_wr(&dev, 0x14, 2);
	cr_assert_eq(g_rd(&dev, 0x10), 0);
	g_wr(&dev, 0x14, 0xffffffff);
	cr_assert_eq(g_rd(&dev, 0x10), 0);
}

Test(mmio, rule1_queue_select)
{
	g_wr(&dev, 0x30, 0);
	cr_assert_eq(g_rd(&dev, 0x34), 256);
	cr_assert_eq(g_rd(&dev, 0x44), 0);
	for (uint32_t i = 2; i < 12; i++) {
		g_wr(&dev, 0x30, i);
		cr_assert_eq(g_rd(&dev, 0x34), 0);
		cr_assert_eq(g_rd(&dev, 0x44), 0);
	}
	g_negotiate(&dev, F_OK);
	g_wr(&dev, 0x30, 1);
	g_wr(&dev, 0x44, 1);
	cr_assert_eq(g_rd(&dev, 0x44), 1);
	g_wr(&dev, 0x30, 0);
	cr_assert_eq(g_rd(&dev, 0x44), 0);
	g_wr(&dev, 0x30, 0x80000001);
	cr_assert_eq(g_rd(&dev, 0x44), 0);
}

Test(mmio, rule2_nothing_before_driver_ok_and_early_kicks_are_replayed)
{
	g_negotiate(&dev, F_OK);
	g_queue(&dev, 0, &r);
	g_queue(&dev, 1, &r1);
	offer_one(&r);
	g_kick(&dev, 0);
	virtio_dev_serve_all(&dev);
	cr_assert_eq(served, 0);
	cr_assert_eq(irqs, 0);
	cr_assert_eq(g_used_idx(&r), 0);
	g_driver_ok(&dev);
	cr_assert_eq(g_used_idx(&r), 1);
	cr_assert_eq(irqs, 1);
	cr_assert_eq(g_rd(&dev, 0x60), 1);
}

Test(mmio, rule3_reset)
{
	up(F_OK);
	offer_one(&r);
	g_kick(&dev, 0);
	cr_assert_eq(irqs, 1);
	cr_assert_eq(dev.notifications, 1);
	uint16_t used = g_used_idx(&r);

	g_wr(&dev, 0x70, 0);
	cr_assert_eq(resets, 1);
	cr_assert_eq(irqs, 1, "no late interrupt");
	cr_assert_eq(g_used_idx(&r), used, "no late used entry");
	cr_assert_eq(g_rd(&dev, 0x70), 0);
	cr_assert_eq(g_rd(&dev, 0x60), 0);
	cr_assert_eq(dev.features, 0);
	cr_assert_eq(dev.queue_sel, 0);
	for (uint32_t i = 0; i < 2; i++) {
		g_wr(&dev, 0x30, i);
		cr_assert_eq(g_rd(&dev, 0x44), 0);
		cr_assert_eq(g_rd(&dev, 0x34), 256);
	}
	offer_one(&r);
	g_kick(&dev, 0);
	cr_assert_eq(g_used_idx(&r), used);
	g_wr(&dev, 0x70, 0);
	cr_assert_eq(resets, 1, "nothing to reset twice");
	/* and the device works again */
	g_ring_init(&r, &gm, 16, 0x1000);
	g_ring_init(&r1, &gm, 8, 0x3000);
	up(F_OK);
	offer_one(&r);
	g_kick(&dev, 0);
	cr_assert_eq(g_used_idx(&r), 1);
	cr_assert_eq(activations, 2);
}

Test(mmio, rule4_unacceptable_features)
{
	cr_assert_eq(g_negotiate(&dev, F_OK & ~VIRTIO_F_VERSION_1), 3, "VERSION_1 is missing");
	cr_assert_eq(g_negotiate(&dev, F_OK | UINT64_C(1) << 40), 3, "not offered");
	cr_assert_eq(g_negotiate(&dev, F_OK | UINT64_C(1) << 7), 3, "not offered");
	cr_assert_eq(g_negotiate(&dev, F_OK | F_NEEDA), 3, "a bit without the one it needs");
	cr_assert_eq(g_negotiate(&dev, F_OK | F_NEEDA | F_A), 11);
	cr_assert_eq(dev.features, F_OK | F_NEEDA | F_A);
	/* refused, the driver may think again without a reset */
	cr_assert_eq(g_negotiate(&dev, F_OK | F_NEEDA), 3);
	g_wr(&dev, 0x24, 0);
	g_wr(&dev, 0x20, (uint32_t)F_OK);
	g_wr(&dev, 0x70, 11);
	cr_assert_eq(g_rd(&dev, 0x70), 11);
}

Test(mmio, rule4_tolerances)
{
	dev.ignored = UINT64_C(1) << 7;
	cr_assert_eq(g_negotiate(&dev, F_OK | UINT64_C(1) << 7), 11);
	cr_assert_eq(dev.features, F_OK, "ignored means not in force");
	dev.legacy_ok = true;
	cr_assert_eq(g_negotiate(&dev, VIRTIO_F_EVENT_IDX), 11);
}

Test(mmio, rule5_features_are_frozen)
{
	g_negotiate(&dev, F_OK);
	g_wr(&dev, 0x24, 0);
	g_wr(&dev, 0x20, 0);
	g_wr(&dev, 0x24, 1);
	g_wr(&dev, 0x20, 0xffffffff);
	cr_assert_eq(dev.features, F_OK);
	cr_assert_eq(dev.drv_features, F_OK);
	g_queue(&dev, 0, &r);
	g_driver_ok(&dev);
	g_wr(&dev, 0x20, 0);
	cr_assert_eq(dev.features, F_OK);
}

Test(mmio, rule5_features_need_driver)
{
	g_wr(&dev, 0x20, 3);
	cr_assert_eq(dev.drv_features, 0);
	g_wr(&dev, 0x70, 1);
	g_wr(&dev, 0x20, 3);
	cr_assert_eq(dev.drv_features, 0);
}

Test(mmio, rule5_queue_registers_only_in_the_window)
{
	g_queue(&dev, 0, &r);
	cr_assert_eq(g_rd(&dev, 0x44), 0);
	cr_assert_eq(dev.q[0].desc_gpa, 0);
	g_negotiate(&dev, F_OK);
	g_queue(&dev, 0, &r);
	cr_assert_eq(g_rd(&dev, 0x44), 1);
	struct virtq before = dev.q[0];

	/* not while ready */
	for (uint32_t off = 0x80; off <= 0xa4; off += 4)
		g_wr(&dev, off, 0x5000);
	g_wr(&dev, 0x38, 8);
	cr_assert_eq(memcmp(&before, &dev.q[0], sizeof before), 0);
	/* but again after Ready = 0 */
	g_wr(&dev, 0x44, 0);
	cr_assert_eq(g_rd(&dev, 0x44), 0);
	g_wr(&dev, 0x38, 8);
	cr_assert_eq(dev.q[0].size, 8);
}

Test(mmio, cve_2026_5747_queue_registers_after_driver_ok)
{
	up(F_OK);
	struct virtq before[2] = {dev.q[0], dev.q[1]};

	for (uint32_t sel = 0; sel < 4; sel++) {
		g_wr(&dev, 0x30, sel);
		for (uint32_t off = 0x34; off < 0xfc; off += 4) {
			if (off == 0x50 || off == 0x70)
				continue;
			g_wr(&dev, off, 0xfffff000);
			g_wr(&dev, off, 0);
			g_wr(&dev, off, 1);
		}
	}
	cr_assert_eq(memcmp(before, dev.q, sizeof before), 0);
	offer_one(&r);
	g_kick(&dev, 0);
	cr_assert_eq(g_used_idx(&r), 1);
}

Test(mmio, rule5_status_steps)
{
	static const uint32_t skip[] = {2, 3, 4, 8, 10, 11, 15, 16, 32, 64, 0x100, 0xffffff00};

	for (unsigned i = 0; i < sizeof skip / sizeof skip[0]; i++) {
		if (skip[i] & G_S_FAILED)
			continue;
		g_wr(&dev, 0x70, skip[i]);
		cr_assert_eq(g_rd(&dev, 0x70), 0, "%#x", skip[i]);
	}
	g_wr(&dev, 0x70, 1);
	g_wr(&dev, 0x70, 2); /* would clear ACK */
	cr_assert_eq(g_rd(&dev, 0x70), 1);
	g_wr(&dev, 0x70, 15);
	cr_assert_eq(g_rd(&dev, 0x70), 1);
	g_wr(&dev, 0x70, 3);
	g_wr(&dev, 0x70, 7); /* DRIVER_OK without FEATURES_OK */
	cr_assert_eq(g_rd(&dev, 0x70), 3);
	cr_assert_eq(activations, 0);
}

Test(mmio, rule6_failed_is_sticky)
{
	g_wr(&dev, 0x70, 1);
	g_wr(&dev, 0x70, 0x81);
	cr_assert_eq(g_rd(&dev, 0x70), 0x81);
	g_wr(&dev, 0x70, 3);
	g_wr(&dev, 0x70, 1);
	cr_assert_eq(g_rd(&dev, 0x70), 0x81);
	g_wr(&dev, 0x70, 0);
	cr_assert_eq(g_rd(&dev, 0x70), 0);
}

Test(mmio, rule6_failed_after_driver_ok_stops_the_device)
{
	up(F_OK);
	g_wr(&dev, 0x70, 0x8f);
	offer_one(&r);
	g_kick(&dev, 0);
	cr_assert_eq(g_used_idx(&r), 0);
}

Test(mmio, rule6_broken_ring_needs_reset)
{
	up(F_OK);
	g_offer(&r, 99);
	g_kick(&dev, 0);
	cr_assert_eq(g_rd(&dev, 0x70), 15 | G_S_NEEDS_RESET);
	cr_assert_eq(g_rd(&dev, 0x60), 2);
	cr_assert_eq(irqs, 1);
	/* once, and nothing is served any more, not even the healthy queue */
	g_kick(&dev, 0);
	offer_one(&r1);
	g_kick(&dev, 1);
	cr_assert_eq(irqs, 1);
	cr_assert_eq(g_used_idx(&r1), 0);
	g_wr(&dev, 0x70, 15);
	cr_assert_eq(g_rd(&dev, 0x70), 15 | G_S_NEEDS_RESET);
	g_ring_init(&r, &gm, 16, 0x1000);
	g_ring_init(&r1, &gm, 8, 0x3000);
	up(F_OK);
	offer_one(&r1);
	g_kick(&dev, 1);
	cr_assert_eq(g_used_idx(&r1), 1);
}

Test(mmio, rule6_activation_that_fails)
{
	activate_ret = -EIO;
	g_negotiate(&dev, F_OK);
	g_queue(&dev, 0, &r);
	cr_assert_eq(g_driver_ok(&dev), 15 | G_S_NEEDS_RESET);
	cr_assert_eq(g_rd(&dev, 0x60), 2);
	cr_assert_eq(irqs, 1);
	g_wr(&dev, 0x70, 0);
	cr_assert_eq(resets, 1);
	activate_ret = 0;
}

Test(mmio, rule7_acknowledge)
{
	up(F_OK);
	offer_one(&r);
	g_kick(&dev, 0);
	virtio_dev_config_changed(&dev);
	cr_assert_eq(g_rd(&dev, 0x60), 3);
	g_wr(&dev, 0x64, 1);
	cr_assert_eq(g_rd(&dev, 0x60), 2);
	g_wr(&dev, 0x64, 0xfc);
	cr_assert_eq(g_rd(&dev, 0x60), 2);
	g_wr(&dev, 0x60, 0xff);
	cr_assert_eq(g_rd(&dev, 0x60), 2);
	g_wr(&dev, 0x64, 2);
	cr_assert_eq(g_rd(&dev, 0x60), 0);
	/* raised again by the next used entry, ACKed or not */
	*g_used_event(&r) = 1;
	offer_one(&r);
	g_kick(&dev, 0);
	*g_used_event(&r) = 2;
	offer_one(&r);
	g_kick(&dev, 0);
	cr_assert_eq(irqs, 4);
	cr_assert_eq(dev.interrupts, 4);
}

Test(mmio, rule17_config_at_any_width)
{
	for (uint32_t i = 0; i < sizeof config; i++)
		cr_assert_eq(virtio_mmio_read(&dev, 0x100 + i, 1), config[i]);
	cr_assert_eq(virtio_mmio_read(&dev, 0x104, 2), 0x0605);
	cr_assert_eq(virtio_mmio_read(&dev, 0x101, 2), 0xbead);
	cr_assert_eq(virtio_mmio_read(&dev, 0x100, 4), 0xefbeadde);
	cr_assert_eq(virtio_mmio_read(&dev, 0x100, 8), UINT64_C(0x08070605efbeadde));
	/* across and beyond the end */
	cr_assert_eq(virtio_mmio_read(&dev, 0x108, 4), 0x0a09);
	cr_assert_eq(virtio_mmio_read(&dev, 0x10a, 1), 0);
	cr_assert_eq(virtio_mmio_read(&dev, 0xffc, 4), 0);
	cr_assert_eq(virtio_mmio_read(&dev, UINT64_MAX, 8), 0);
	cr_assert_eq(virtio_mmio_read(&dev, 0x100, 3), 0);
	cr_assert_eq(virtio_mmio_read(&dev, 0x100, 0), 0);
	cr_assert_eq(virtio_mmio_read(&dev, 0x100, 64), 0);
}

Test(mmio, rule17_config_writes_stay_inside)
{
	virtio_mmio_write(&dev, 0x100 + sizeof config - 1, 0x1234, 2);
	virtio_mmio_write(&dev, 0x100 + sizeof config, 0x12, 1);
	virtio_mmio_write(&dev, UINT64_MAX, 0x12, 8);
	cr_assert_eq(config[9], 10);
	virtio_mmio_write(&dev, 0x109, 0x77, 1);
	cr_assert_eq(config[9], 0x77);
}

Test(mmio, rule17_generation)
{
	uint32_t gen = g_rd(&dev, 0xfc);

	virtio_dev_config_changed(&dev);
	cr_assert_neq(g_rd(&dev, 0xfc), gen);
	cr_assert_eq(irqs, 0, "not live: no interrupt");
	up(F_OK);
	virtio_dev_config_changed(&dev);
	cr_assert_eq(irqs, 1);
	cr_assert_eq(g_rd(&dev, 0x60), 2);
}

Test(mmio, rule20_doorbells)
{
	up(F_OK);
	unsigned before = served;
	static const uint32_t bad[] = {2, 8, 255, 0x10000, 0xffff, 0xffffffff};

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_assert_eq(virtio_mmio_write(&dev, 0x50, bad[i], 4), 0);
	cr_assert_eq(served, before);
	cr_assert_eq(virtio_mmio_write(&dev, 0x50, 1, 4), 2);
	cr_assert_eq(served, before + 1);
}

Test(mmio, rule20_wrong_width_and_alignment)
{
	static const unsigned widths[] = {0, 1, 2, 3, 8, 16};

	for (unsigned i = 0; i < sizeof widths / sizeof widths[0]; i++) {
		cr_assert_eq(virtio_mmio_read(&dev, 0, widths[i]), 0);
		virtio_mmio_write(&dev, 0x70, 1, widths[i]);
		cr_assert_eq(g_rd(&dev, 0x70), 0);
	}
	for (unsigned off = 1; off < 4; off++)
		cr_assert_eq(virtio_mmio_read(&dev, off, 4), 0);
	virtio_mmio_write(&dev, 0x71, 1, 4);
	virtio_mmio_write(&dev, 0x6f, 1, 4);
	cr_assert_eq(g_rd(&dev, 0x70), 0);
}

Test(mmio, every_offset_is_harmless)
{
	for (uint32_t off = 0; off < 0x1000; off++) {
		for (unsigned len = 1; len <= 8; len *= 2) {
			virtio_mmio_read(&dev, off, len);
			virtio_mmio_write(&dev, off, UINT64_MAX, len);
		}
	}
	g_wr(&dev, 0x70, 0);
	up(F_OK);
}

Test(mmio, write_only_registers_read_zero_and_legacy_ones_do_not_exist)
{
	static const uint32_t offs[] = {0x14, 0x20, 0x24, 0x28, 0x30, 0x38, 0x3c, 0x40, 0x50,
					0x64, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0xac, 0xc0};

	up(F_OK);
	for (unsigned i = 0; i < sizeof offs / sizeof offs[0]; i++)
		cr_assert_eq(g_rd(&dev, offs[i]), 0, "%#x", offs[i]);
}

Test(mmio, absent_shared_memory_is_all_ones)
{
	g_wr(&dev, 0xac, 0);
	for (uint32_t off = 0xb0; off <= 0xbc; off += 4)
		cr_assert_eq(g_rd(&dev, off), 0xffffffff);
}

Test(mmio, rule21_rings_outside_ram)
{
	g_negotiate(&dev, F_OK);
	g_queue(&dev, 0, &r);
	struct g_ring bad = r1;

	bad.used = 0x1fffc;
	g_queue(&dev, 1, &bad);
	cr_assert_eq(g_driver_ok(&dev), 15 | G_S_NEEDS_RESET);
	cr_assert_eq(activations, 0);
	offer_one(&r);
	g_kick(&dev, 0);
	cr_assert_eq(g_used_idx(&r), 0);
}

Test(mmio, bad_queue_sizes_never_become_ready)
{
	static const uint32_t bad[] = {0, 3, 257, 512, 0x10000, 0x10010, 0xffffffff};

	g_negotiate(&dev, F_OK);
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		g_wr(&dev, 0x38, bad[i]);
		g_wr(&dev, 0x44, 1);
		cr_assert_eq(g_rd(&dev, 0x44), 0, "%#x", bad[i]);
	}
}

Test(mmio, a_queue_may_stay_unused)
{
	g_negotiate(&dev, F_OK);
	g_queue(&dev, 1, &r1);
	cr_assert_eq(g_driver_ok(&dev), 15);
	g_kick(&dev, 0);
	offer_one(&r1);
	g_kick(&dev, 1);
	cr_assert_eq(g_used_idx(&r1), 1);
}

Test(mmio, rule22_placeholder)
{
	static const struct virtio_ops none = {.name = "none", .device_id = 0, .serve = serve};

	dev.ops = &none;
	dev.nqueues = 0;
	dev.config_size = 0;
	virtio_mmio_init(&dev);
	cr_assert_eq(g_rd(&dev, 0), 0x74726976);
	cr_assert_eq(g_rd(&dev, 8), 0);
	cr_assert_eq(g_rd(&dev, 0x34), 0);
	cr_assert_eq(virtio_mmio_read(&dev, 0x100, 4), 0);
	virtio_mmio_write(&dev, 0x100, 1, 4);
	/* a driver that does not look at the ID gets nowhere, and hurts nobody */
	cr_assert_eq(g_negotiate(&dev, F_OK), 11);
	g_queue(&dev, 0, &r);
	cr_assert_eq(g_driver_ok(&dev), 15);
	g_kick(&dev, 0);
	g_wr(&dev, 0x70, 0);
	cr_assert_eq(g_rd(&dev, 0x70), 0);
}
