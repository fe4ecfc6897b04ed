/* SPDX-License-Identifier: MIT
 *
 * test_save.c: a virtio device goes back to a state that it had, whatever its driver has done
 * since; hostile states are refused. The device echoes: used.len = bytes of the writable part.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "monitor/config.h"
#include "monitor/snapshot/state.h"
#include "monitor/virtio/save.h"
#include "tests/unit/guest.h"

#define FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX)
#define RAM	 (4u << 20)

static struct virtio_dev dev;
static struct gmem gm;
static struct g_ring r;
static unsigned irqs, resets, quiesced, activations, loads;
static int load_ret;

static void serve(struct virtio_dev *d, unsigned i)
{
	struct virtq_chain c;

	while (virtio_dev_live(d) && virtq_pop(&d->q[i], &c) > 0)
		virtq_push(&d->q[i], c.head, (uint32_t)c.write_len);
	virtio_dev_notify(d, &d->q[i]);
}

static int activate(struct virtio_dev *d)
{
	(void)d;
	activations++;
	return 0;
}

static void reset(struct virtio_dev *d)
{
	cr_assert_not(virtio_dev_live(d));
	resets++;
}

static void quiesce(struct virtio_dev *d)
{
	cr_assert_not(virtio_dev_live(d), "what is in flight must end unseen");
	quiesced++;
}

static int load(struct virtio_dev *d, const struct dev_state *st)
{
	(void)d;
	(void)st;
	loads++;
	return load_ret;
}

static void config_read(const struct virtio_dev *d, uint32_t off, void *buf, uint32_t len)
{
	(void)d;
	(void)off;
	memset(buf, 0, len);
}

static const struct virtio_ops ops = {
	.name = "echo",
	.device_id = 2,
	.activate = activate,
	.reset = reset,
	.serve = serve,
	.config_read = config_read,
	.quiesce = quiesce,
	.load = load,
};

static void on_irq(void *arg)
{
	(void)arg;
	irqs++;
}

static void setup(void)
{
	irqs = resets = quiesced = activations = loads = 0;
	load_ret = 0;
	gm = g_ram(RAM);
	g_ring_init(&r, &gm, 16, 0x1000);
	dev = (struct virtio_dev){.ops = &ops,
				  .id = "echo",
				  .gm = &gm,
				  .offered = FEATURES,
				  .nqueues = 1,
				  .irq = on_irq};
	virtio_mmio_init(&dev);
}

static void start(void)
{
	g_negotiate(&dev, FEATURES);
	g_queue(&dev, 0, &r);
	g_driver_ok(&dev);
}

/* One chain through the device. */
static void echo(uint32_t len)
{
	const struct g_buf b = {.gpa = 0x8000, .len = len, .write = true};
	uint32_t id, got = 0;

	g_chain(&r, &b, 1);
	g_kick(&dev, 0);
	cr_assert(g_used(&r, &id, &got));
	cr_expect_eq(got, len);
}

TestSuite(save, .init = setup);

Test(save, a_live_device_goes_back)
{
	struct dev_state st;

	start();
	for (uint32_t i = 1; i <= 20; i++)
		echo(i);
	virtio_dev_save(&dev, &st);
	uint8_t *ram = malloc(RAM);
	struct g_ring was = r;

	memcpy(ram, gm.base, RAM);
	for (uint32_t i = 1; i <= 7; i++)
		echo(i);
	memcpy(gm.base, ram, RAM); /* the caller's part */
	r = was;
	cr_assert_eq(virtio_dev_load(&dev, &st), 0);
	cr_expect_eq(quiesced, 1);
	cr_expect_eq(resets, 0, "the same features: the host side stays set up");
	cr_expect_eq(activations, 1);
	for (uint32_t i = 1; i <= 40; i++)
		echo(i);
	free(ram);
}

Test(save, a_device_that_was_reset_since_comes_back)
{
	struct dev_state st;

	start();
	echo(1);
	virtio_dev_save(&dev, &st);
	g_wr(&dev, 0x70, 0);
	cr_expect_not(virtio_dev_live(&dev));
	cr_assert_eq(virtio_dev_load(&dev, &st), 0);
	cr_expect(virtio_dev_live(&dev));
	cr_expect_eq(activations, 2);
	echo(5);
}

Test(save, a_device_goes_back_to_before_its_driver)
{
	struct dev_state st;

	virtio_dev_save(&dev, &st);
	start();
	echo(1);
	cr_assert_eq(virtio_dev_load(&dev, &st), 0);
	cr_expect_eq(resets, 1);
	cr_expect_not(virtio_dev_live(&dev));
	cr_expect_eq(g_rd(&dev, 0x70), 0);
	g_ring_init(&r, &gm, 16, 0x1000);
	start();
	echo(3);
}

Test(save, a_broken_device_stays_broken)
{
	struct dev_state st;

	start();
	*g_avail_idx(&r) = 1000;
	g_kick(&dev, 0);
	virtio_dev_broken(&dev, "test");
	virtio_dev_save(&dev, &st);
	g_wr(&dev, 0x70, 0);
	cr_assert_eq(virtio_dev_load(&dev, &st), 0);
	cr_expect(g_rd(&dev, 0x70) & G_S_NEEDS_RESET);
	cr_expect_eq(virtq_pending(&dev.q[0]), 0);
}

Test(save, hostile_states_are_refused)
{
	struct dev_state good, st;

	start();
	virtio_dev_save(&dev, &good);
	st = good;
	st.device_id = 1;
	cr_expect_eq(virtio_dev_load(&dev, &st), -EINVAL);
	st = good;
	st.nqueues = 3;
	cr_expect_eq(virtio_dev_load(&dev, &st), -EINVAL);
	st = good;
	st.features |= UINT64_C(1) << 40;
	cr_expect_eq(virtio_dev_load(&dev, &st), -EINVAL);
	st = good;
	st.q[0].used_gpa = RAM - 4;
	cr_expect_neq(virtio_dev_load(&dev, &st), 0);
	cr_expect(g_rd(&dev, 0x70) & G_S_NEEDS_RESET);
	st = good;
	st.q[0].size = 512;
	cr_expect_neq(virtio_dev_load(&dev, &st), 0);
	st = good;
	load_ret = -EIO;
	cr_expect_eq(virtio_dev_load(&dev, &st), -EIO);
	cr_expect_not(virtio_dev_live(&dev));
}

Test(save, the_monitors_writes_are_marked)
{
	uint64_t dirty[RAM / GMEM_PAGE / 64] = {0};

	start();
	gm.dirty = dirty;
	const struct g_buf b[2] = {{.gpa = 0x20ff0, .len = 32, .write = false},
				   {.gpa = 0x30ff0, .len = 32, .write = true}};

	g_chain(&r, b, 2);
	g_kick(&dev, 0);
	cr_expect(dirty[0] >> 0x30 & 1, "both pages of a writable buffer");
	cr_expect(dirty[0] >> 0x31 & 1);
	cr_expect_not(dirty[0] >> 0x20 & 1, "a readable buffer is not written");
	cr_expect(dirty[0] >> (r.used / GMEM_PAGE) & 1, "the used ring");
	gm.dirty = NULL;
}

/* --- vm_state_check --- */

static struct vm_state state(void)
{
	struct vm_state st = {
		.ndevs = 1, .mem_size = RAM, .tsc_hz = 1, .idle_exit = 1, .freeze_gpa = 0x200000};

	start();
	virtio_dev_save(&dev, &st.dev[0]);
	st.layout = (struct uk_boot){
		.magic = UK_BOOT_MAGIC,
		.version = UK_ABI_VERSION,
		.size = sizeof st.layout,
		.mem_size = RAM,
		.ndevs = 1,
		.image_gpa = UK_GPA_IMAGE,
		.image_size = 0x1000,
		.image_va = UK_GPA_IMAGE,
		.stack_low = 0x81000,
		.stack_top = UK_GPA_IMAGE,
		.heap_start = 0x101000,
		.heap_end = RAM,
		.shared = UK_GPA_BOOT + UK_OFF_SHARED,
		.cmdline = UK_GPA_BOOT + UK_OFF_CMDLINE,
	};
	return st;
}

#define REFUSED(change)                                                                     \
	do {                                                                                \
		struct vm_state st = good;                                                  \
		char why[200] = "";                                                         \
		change;                                                                     \
		cr_expect_eq(vm_state_check(&st, why, sizeof why), -EINVAL, "%s", #change); \
		cr_expect(why[0], "%s: says why", #change);                                 \
	} while (0)

Test(save, state_check)
{
	struct vm_state good = state();
	char err[200];

	cr_assert_eq(vm_state_check(&good, err, sizeof err), 0, "%s", err);
	REFUSED(st.mem_size = 4096);
	REFUSED(st.mem_size = UINT64_MAX & ~4095ull);
	REFUSED(st.mem_size += 1);
	REFUSED(st.ndevs = 9);
	REFUSED(st.ndevs = 0);
	REFUSED(st.idle_exit = 2);
	REFUSED(st.vcpu.nmsrs = VM_STATE_MSRS + 1);
	REFUSED(st.vcpu.xcrs.nr_xcrs = 1000);
	REFUSED(st.tsc_hz = 0);
	REFUSED(st.freeze_gpa = 0x200001);
	REFUSED(st.freeze_gpa = RAM);
	REFUSED(memset(st.dev[0].id, 'x', sizeof st.dev[0].id));
	REFUSED(st.dev[0].id[0] = '\n');
	REFUSED(st.dev[0].id[0] = '\0');
	REFUSED(st.dev[0].device_id = 3);
	REFUSED(st.dev[0].nqueues = 9);
	REFUSED(st.dev[0].nqueues = 0);
	REFUSED(st.dev[0].activated = 2);
	REFUSED(st.dev[0].status = 256);
	REFUSED(st.dev[0].features = ~UINT64_C(0));
	REFUSED(st.dev[0].q[0].size = 3);
	REFUSED(st.dev[0].q[0].size = 0);
	REFUSED(st.dev[0].q[0].size = 512);
	REFUSED(st.dev[0].q[0].started = 7);
	REFUSED(st.dev[0].q[3].started = 1);
	REFUSED(st.dev[0].q[0].desc_gpa = 8);
	REFUSED(st.dev[0].q[0].avail_gpa = UINT64_MAX - 1);
	REFUSED(st.dev[0].q[0].used_gpa = RAM - 4);
	REFUSED(st.dev[0].activated = 0);
	REFUSED(st.layout.magic = 0);
	REFUSED(st.layout.mem_size = 2 * RAM);
	REFUSED(st.layout.image_size = RAM);
	REFUSED(st.layout.image_va = UINT64_MAX - 10);
	REFUSED(st.layout.stack_top = RAM + 4096);
	REFUSED(st.layout.heap_start = RAM + 4096);
	REFUSED(st.layout.shared = 0);
	REFUSED(st.layout.cmdline_len = 5000);
}
