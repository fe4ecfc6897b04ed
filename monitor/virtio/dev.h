/* SPDX-License-Identifier: MIT
 *
 * dev.h: what a virtio device is to the transport (mmio.c) and to the event loop, and what the
 * transport gives to a device. One device is served by one thread at a time (the vCPU thread, or
 * the I/O thread with the VM lock held): nothing in here locks.
 *
 * Layers: mmio.c (registers, status machine) -> virtq.c (the only ring reader) -> blk.c / net.c
 * (requests)
 * -> monitor/backend/ (file, io_uring, tap, user-mode socket).
 */
#ifndef MONITOR_VIRTIO_DEV_H
#define MONITOR_VIRTIO_DEV_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/log.h"
#include "monitor/gmem.h"
#include "monitor/virtio/virtq.h"

#define VIRTIO_MAX_QUEUES 8
#define VIRTIO_QUEUE_SIZE VIRTQ_MAX_SIZE

struct virtio_dev;
struct dev_state;

struct virtio_ops {
	const char *name;
	uint32_t device_id;
	/* Is this acknowledged feature set acceptable (beyond "subset of offered")? */
	bool (*features_ok)(const struct virtio_dev *dev, uint64_t features);
	/* NULL ok. DRIVER_OK was set: features and queues are final. 0 or -errno (device goes
	 * NEEDS_RESET).
	 */
	int (*activate)(struct virtio_dev *dev);
	/* NULL ok. Status 0 was written: in-flight host I/O is cancelled or waited for before this
	 * returns.
	 */
	void (*reset)(struct virtio_dev *dev);
	/* Serve queue q as far as it goes now. Called on a doorbell, on the guest's idle exit and
	 * after activate. May be called at any time; does nothing before DRIVER_OK or when broken.
	 */
	void (*serve)(struct virtio_dev *dev, unsigned q);
	/* len bytes of config space at off, already bounds-checked to config_size; n in 1,2,4,8 */
	void (*config_read)(const struct virtio_dev *dev, uint32_t off, void *buf, uint32_t len);
	void (*config_write)(struct virtio_dev *dev, uint32_t off, const void *buf,
			     uint32_t len); /* NULL ok */
	/* Host-side events: fill up to max pollfds (only those that matter now), return how many.
	 */
	unsigned (*pollfds)(const struct virtio_dev *dev, struct pollfd *pfd, unsigned max);
	void (*on_event)(struct virtio_dev *dev, const struct pollfd *pfd);
	/* NULL ok, all three; save.c. Add the device's own words to st, after in-flight work is
	 * done. */
	void (*save)(struct virtio_dev *dev, struct dev_state *st);
	/* In-flight host I/O ends, host-side flags are forgotten; features stay. */
	void (*quiesce)(struct virtio_dev *dev);
	/* Take them back; transport and rings are in place. 0 or -errno. */
	int (*load)(struct virtio_dev *dev, const struct dev_state *st);
	/* dev->wake_at has come. NULL ok when the device never sets it. */
	void (*on_wake)(struct virtio_dev *dev);
};

struct virtio_dev {
	const struct virtio_ops *ops;
	const char *id; /* "root", "eth0": for messages */
	const struct gmem *gm;
	uint64_t offered;  /* device features; VERSION_1 included */
	uint64_t features; /* accepted by FEATURES_OK */
	uint64_t ignored;  /* not offered, but dropped in silence when a driver acknowledges them */
	bool elsewhere;	   /* the transport only marks work: another thread looks for it */
	bool legacy_ok;	   /* serve a driver that does not accept VERSION_1 (OSv never does) */
	uint32_t config_size;
	unsigned nqueues;
	struct virtq q[VIRTIO_MAX_QUEUES];
	/* CLOCK_MONOTONIC, ns: call ops->on_wake then; UINT64_MAX: never. The device sets it. */
	uint64_t wake_at;

	/* transport state, owned by mmio.c */
	uint32_t status, isr, generation;
	uint32_t dev_feat_sel, drv_feat_sel, queue_sel;
	uint64_t drv_features;
	bool activated; /* ops->activate was called and ops->reset was not, since */
	uint64_t notifications, interrupts; /* doorbells taken; interrupts raised */
	struct log_once broken_log;

	/* Inject the device's interrupt; set by the VM. Never called before DRIVER_OK. */
	void (*irq)(void *arg);
	void *irq_arg;
	/* NULL ok. Called with irq_arg when the driver broke the device. */
	void (*on_broken)(void *arg, const char *why);
};

/* --- transport: register access, any offset, any width, any value. Never fails; bad accesses read
 * 0. --- */
void virtio_mmio_init(struct virtio_dev *dev);
uint64_t virtio_mmio_read(struct virtio_dev *dev, uint64_t off, unsigned len);
/* ret: the queue index + 1 when the write was a valid doorbell, else 0. The queue has been served
 * already and dev->notifications counted; whoever serves a queue for an ioeventfd counts there too.
 */
unsigned virtio_mmio_write(struct virtio_dev *dev, uint64_t off, uint64_t val, unsigned len);

/* --- for devices --- */
bool virtio_dev_live(const struct virtio_dev *dev); /* DRIVER_OK and not NEEDS_RESET/FAILED */
/* Interrupt if the driver wants one for what was published in q since the last call (rules 7-9). */
void virtio_dev_notify(struct virtio_dev *dev, struct virtq *q);
/* Config space changed: new generation, config interrupt. */
void virtio_dev_config_changed(struct virtio_dev *dev);
/* The driver broke the ring or the protocol: NEEDS_RESET, config interrupt, nothing served till
 * reset. */
void virtio_dev_broken(struct virtio_dev *dev, const char *why);

/* --- for the event loop --- */
static inline void virtio_dev_serve_all(struct virtio_dev *dev)
{
	for (unsigned i = 0; i < dev->nqueues; i++)
		dev->ops->serve(dev, i);
}

static inline void virtio_dev_wake(struct virtio_dev *dev, uint64_t now)
{
	if (now >= dev->wake_at)
		dev->ops->on_wake(dev);
}

#endif
