/* SPDX-License-Identifier: MIT
 *
 * fuzz_mmio.c: the transport and a device that gives every chain back, under a guest that is an
 * input.
 */
#include <stdlib.h>

#include "tests/fuzz/guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gmem gm;
static uint8_t config[7];

static void serve(struct virtio_dev *d, unsigned i)
{
	static struct virtq_chain c;
	int ret;

	if (!virtio_dev_live(d))
		return;
	while ((ret = virtq_pop(&d->q[i], &c)) > 0)
		virtq_push(&d->q[i], c.head, (uint32_t)c.write_len);
	if (ret < 0)
		virtio_dev_broken(d, d->q[i].why);
	virtio_dev_notify(d, &d->q[i]);
}

static void config_read(const struct virtio_dev *d, uint32_t off, void *buf, uint32_t len)
{
	(void)d;
	if (off + len > sizeof config)
		abort();
	memcpy(buf, config + off, len);
}

static void config_write(struct virtio_dev *d, uint32_t off, const void *buf, uint32_t len)
{
	(void)d;
	if (off + len > sizeof config)
		abort();
	memcpy(config + off, buf, len);
}

static void reset(struct virtio_dev *d)
{
	if (virtio_dev_live(d))
		abort();
}

static const struct virtio_ops ops = {.name = "fuzz",
				      .device_id = 42,
				      .serve = serve,
				      .reset = reset,
				      .config_read = config_read,
				      .config_write = config_write};

static void irq(void *arg)
{
	const struct virtio_dev *d = arg;

	if (!(d->status & 4) || !d->isr)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct virtio_dev dev;
	struct fuzz_in in = {.p = data, .n = size};

	if (!dev.ops) {
		gm = fuzz_ram();
		dev = (struct virtio_dev){.ops = &ops,
					  .id = "fuzz",
					  .gm = &gm,
					  .offered = VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX |
						     VIRTIO_F_INDIRECT_DESC | 3,
					  .config_size = sizeof config,
					  .nqueues = 2,
					  .irq = irq,
					  .irq_arg = &dev};
		virtio_mmio_init(&dev);
	}
	fuzz_run(&dev, &gm, &in, NULL);
	return 0;
}
