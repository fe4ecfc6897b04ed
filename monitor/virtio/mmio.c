/* SPDX-License-Identifier: MIT
 *
 * mmio.c: the virtio-mmio version 2 transport (virtio 1.2, 4.2): registers, the status machine,
 * feature negotiation, activation and reset. The driver writes any value at any offset in any
 * state; what is out of place is ignored and reads 0. Runs on the thread that serves the device; no
 * allocation, no system call.
 */
#include "monitor/virtio/dev.h"

#include <errno.h>

enum reg {
	REG_MAGIC = 0x000,
	REG_VERSION = 0x004,
	REG_DEVICE_ID = 0x008,
	REG_VENDOR_ID = 0x00c,
	REG_DEV_FEATURES = 0x010,
	REG_DEV_FEATURES_SEL = 0x014,
	REG_DRV_FEATURES = 0x020,
	REG_DRV_FEATURES_SEL = 0x024,
	REG_QUEUE_SEL = 0x030,
	REG_QUEUE_SIZE_MAX = 0x034,
	REG_QUEUE_SIZE = 0x038,
	REG_QUEUE_READY = 0x044,
	REG_QUEUE_NOTIFY = 0x050,
	REG_ISR = 0x060,
	REG_ISR_ACK = 0x064,
	REG_STATUS = 0x070,
	REG_DESC_LO = 0x080,
	REG_DESC_HI = 0x084,
	REG_AVAIL_LO = 0x090,
	REG_AVAIL_HI = 0x094,
	REG_USED_LO = 0x0a0,
	REG_USED_HI = 0x0a4,
	REG_SHM_LEN_LO = 0x0b0,
	REG_SHM_BASE_HI = 0x0bc,
	REG_GENERATION = 0x0fc,
	REG_CONFIG = 0x100,
};

#define MMIO_MAGIC     0x74726976u
#define MMIO_VERSION   2u
#define MMIO_VENDOR_ID 0x796c666du

#define S_ACK	      1u
#define S_DRIVER      2u
#define S_DRIVER_OK   4u
#define S_FEATURES_OK 8u
#define S_NEEDS_RESET 64u
#define S_FAILED      128u

#define ISR_QUEUE  1u
#define ISR_CONFIG 2u

bool virtio_dev_live(const struct virtio_dev *dev)
{
	return (dev->status & (S_DRIVER_OK | S_NEEDS_RESET | S_FAILED)) == S_DRIVER_OK;
}

static void raise_irq(struct virtio_dev *dev, uint32_t why)
{
	dev->isr |= why;
	dev->interrupts++;
	dev->irq(dev->irq_arg);
}

void virtio_dev_notify(struct virtio_dev *dev, struct virtq *q)
{
	/* Publish, then status, then signal: a handler that reads the ISR finds the entries. */
	if (virtio_dev_live(dev) && virtq_publish(q))
		raise_irq(dev, ISR_QUEUE);
}

void virtio_dev_config_changed(struct virtio_dev *dev)
{
	dev->generation++;
	if (virtio_dev_live(dev))
		raise_irq(dev, ISR_CONFIG);
}

void virtio_dev_broken(struct virtio_dev *dev, const char *why)
{
	if (dev->status & S_NEEDS_RESET)
		return;
	dev->status |= S_NEEDS_RESET;
	if (log_first(&dev->broken_log))
		log_warn("%s: the guest's driver broke the device (%s); it needs a reset", dev->id,
			 why);
	if (dev->on_broken)
		dev->on_broken(dev->irq_arg, why);
	if (dev->status & S_DRIVER_OK)
		raise_irq(dev, ISR_CONFIG);
}

static void reset(struct virtio_dev *dev)
{
	/* The status goes first: whatever ops->reset completes on its way finds a device that is
	 * not live. */
	dev->status = 0;
	if (dev->activated && dev->ops->reset)
		dev->ops->reset(dev);
	dev->activated = false;
	dev->isr = 0;
	dev->features = dev->drv_features = 0;
	dev->dev_feat_sel = dev->drv_feat_sel = dev->queue_sel = 0;
	dev->wake_at = UINT64_MAX;
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++)
		virtq_reset(&dev->q[i]);
}

void virtio_mmio_init(struct virtio_dev *dev)
{
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++)
		dev->q[i].size_max = i < dev->nqueues ? VIRTIO_QUEUE_SIZE : 0;
	reset(dev);
}

static bool features_acceptable(const struct virtio_dev *dev)
{
	/* Unikraft acknowledges GUEST_CSUM whether or not it was offered: such bits are in
	 * dev->ignored. */
	uint64_t accepted = dev->drv_features & dev->offered;

	if (dev->drv_features & ~(dev->offered | dev->ignored))
		return false;
	if (!(accepted & VIRTIO_F_VERSION_1) && !dev->legacy_ok)
		return false;
	return !dev->ops->features_ok || dev->ops->features_ok(dev, accepted);
}

static void activate(struct virtio_dev *dev)
{
	int ret = 0;

	for (unsigned i = 0; i < dev->nqueues && !ret; i++) {
		if (dev->q[i].ready)
			ret = virtq_start(&dev->q[i], dev->gm, dev->features);
	}
	if (ret) {
		virtio_dev_broken(dev, "a ring is misaligned or outside RAM");
		return;
	}
	dev->activated = true;
	ret = dev->ops->activate ? dev->ops->activate(dev) : 0;
	if (ret) {
		virtio_dev_broken(dev, "the host side could not be set up");
		return;
	}
	/* Doorbells that came too early are not lost. */
	if (!dev->elsewhere)
		virtio_dev_serve_all(dev);
}

/* One step at a time, in the order of 3.1.1; anything else but reset and FAILED is ignored. Linux,
 * OSv and Unikraft take exactly these steps. */
static void status_write(struct virtio_dev *dev, uint32_t val)
{
	uint32_t now = dev->status & ~S_NEEDS_RESET;
	uint32_t add = val & ~S_NEEDS_RESET & ~now;

	if (!val) {
		reset(dev);
		return;
	}
	if (val & S_FAILED) {
		dev->status |= S_FAILED;
		return;
	}
	if ((val & now) != now || (dev->status & (S_NEEDS_RESET | S_FAILED)))
		return;
	if (now == 0 && add == S_ACK) {
		dev->status |= S_ACK;
	} else if (now == S_ACK && add == S_DRIVER) {
		dev->status |= S_DRIVER;
	} else if (now == (S_ACK | S_DRIVER) && add == S_FEATURES_OK) {
		if (!features_acceptable(dev))
			return; /* the driver reads the bit back as 0 */
		dev->features = dev->drv_features & dev->offered;
		dev->status |= S_FEATURES_OK;
	} else if (now == (S_ACK | S_DRIVER | S_FEATURES_OK) && add == S_DRIVER_OK) {
		dev->status |= S_DRIVER_OK;
		activate(dev);
	}
}

static void drv_features_write(struct virtio_dev *dev, uint32_t val)
{
	/* Frozen once accepted, and not before the driver has said that it knows the device. */
	if (dev->status != (S_ACK | S_DRIVER))
		return;
	if (dev->drv_feat_sel == 0)
		dev->drv_features = (dev->drv_features & ~UINT64_C(0xffffffff)) | val;
	else if (dev->drv_feat_sel == 1)
		dev->drv_features = (dev->drv_features & 0xffffffff) | (uint64_t)val << 32;
}

static struct virtq *selected(struct virtio_dev *dev)
{
	return dev->queue_sel < dev->nqueues ? &dev->q[dev->queue_sel] : NULL;
}

static void set_lo(gpa_t *gpa, uint32_t val)
{
	*gpa = (*gpa & ~UINT64_C(0xffffffff)) | val;
}

static void set_hi(gpa_t *gpa, uint32_t val)
{
	*gpa = (*gpa & 0xffffffff) | (uint64_t)val << 32;
}

static void queue_write(struct virtio_dev *dev, uint64_t off, uint32_t val)
{
	struct virtq *q = selected(dev);

	/* The window: after DRIVER_OK the rings are in use and cached, and a write must not move
	 * them under the device (CVE-2026-5747). */
	if (!q || dev->status != (S_ACK | S_DRIVER | S_FEATURES_OK))
		return;
	if (off == REG_QUEUE_READY) {
		q->ready = val == 1 && q->size;
		return;
	}
	if (q->ready)
		return;
	switch (off) {
	case REG_QUEUE_SIZE:
		q->size = val && val <= q->size_max && !(val & (val - 1)) ? (uint16_t)val : 0;
		break;
	case REG_DESC_LO:
		set_lo(&q->desc_gpa, val);
		break;
	case REG_DESC_HI:
		set_hi(&q->desc_gpa, val);
		break;
	case REG_AVAIL_LO:
		set_lo(&q->avail_gpa, val);
		break;
	case REG_AVAIL_HI:
		set_hi(&q->avail_gpa, val);
		break;
	case REG_USED_LO:
		set_lo(&q->used_gpa, val);
		break;
	case REG_USED_HI:
		set_hi(&q->used_gpa, val);
		break;
	}
}

static uint64_t config_read(const struct virtio_dev *dev, uint64_t off, unsigned len)
{
	uint64_t val = 0;
	uint64_t left = off < dev->config_size ? dev->config_size - off : 0;

	/* Any width: OSv and Unikraft read bytes. What lies behind the end reads 0. */
	if (left)
		dev->ops->config_read(dev, (uint32_t)off, &val,
				      (uint32_t)(len < left ? len : left));
	return val;
}

static void config_write(struct virtio_dev *dev, uint64_t off, uint64_t val, unsigned len)
{
	if (dev->ops->config_write && off < dev->config_size && len <= dev->config_size - off)
		dev->ops->config_write(dev, (uint32_t)off, &val, len);
}

static bool config_width(unsigned len)
{
	return len == 1 || len == 2 || len == 4 || len == 8;
}

uint64_t virtio_mmio_read(struct virtio_dev *dev, uint64_t off, unsigned len)
{
	const struct virtq *q = selected(dev);

	if (off >= REG_CONFIG)
		return config_width(len) ? config_read(dev, off - REG_CONFIG, len) : 0;
	if (len != 4 || off % 4)
		return 0;
	switch (off) {
	case REG_MAGIC:
		return MMIO_MAGIC;
	case REG_VERSION:
		return MMIO_VERSION;
	case REG_DEVICE_ID:
		return dev->ops->device_id;
	case REG_VENDOR_ID:
		return MMIO_VENDOR_ID;
	case REG_DEV_FEATURES:
		return dev->dev_feat_sel > 1 ? 0
					     : (uint32_t)(dev->offered >> (32 * dev->dev_feat_sel));
	case REG_QUEUE_SIZE_MAX:
		return q ? q->size_max : 0;
	case REG_QUEUE_READY:
		return q ? q->ready : 0;
	case REG_ISR:
		return dev->isr;
	case REG_STATUS:
		return dev->status;
	case REG_GENERATION:
		return dev->generation;
	}
	/* No shared memory region exists: length and base of any of them are all ones. */
	if (off >= REG_SHM_LEN_LO && off <= REG_SHM_BASE_HI)
		return UINT32_MAX;
	return 0;
}

static unsigned notify_write(struct virtio_dev *dev, uint32_t q)
{
	if (q >= dev->nqueues || !virtio_dev_live(dev) || !dev->q[q].started)
		return 0;
	dev->notifications++;
	if (!dev->elsewhere)
		dev->ops->serve(dev, q);
	return q + 1;
}

unsigned virtio_mmio_write(struct virtio_dev *dev, uint64_t off, uint64_t val64, unsigned len)
{
	uint32_t val = (uint32_t)val64;

	if (off >= REG_CONFIG) {
		if (config_width(len))
			config_write(dev, off - REG_CONFIG, val64, len);
		return 0;
	}
	if (len != 4 || off % 4)
		return 0;
	switch (off) {
	case REG_DEV_FEATURES_SEL:
		dev->dev_feat_sel = val;
		break;
	case REG_DRV_FEATURES:
		drv_features_write(dev, val);
		break;
	case REG_DRV_FEATURES_SEL:
		dev->drv_feat_sel = val;
		break;
	case REG_QUEUE_SEL:
		dev->queue_sel = val;
		break;
	case REG_QUEUE_NOTIFY:
		return notify_write(dev, val);
	case REG_ISR_ACK:
		dev->isr &= ~val;
		break;
	case REG_STATUS:
		status_write(dev, val);
		break;
	default:
		queue_write(dev, off, val);
		break;
	}
	return 0;
}
