/* SPDX-License-Identifier: MIT
 *
 * net.h: a virtio network device (virtio 1.2, 5.1) on a tap, on the user-mode helper or on a
 * handed-over descriptor. Offers exactly what its backend can do. Served by one thread at a time;
 * frames and headers from the guest are hostile, frames from the backend only their length is
 * trusted of.
 */
#ifndef MONITOR_VIRTIO_NET_H
#define MONITOR_VIRTIO_NET_H

#include <stddef.h>

#include "monitor/gmem.h"
#include "monitor/metrics.h"

struct net_config;
struct token_bucket;
struct virtio_dev;

/* Opens the tap or starts the helper, without waiting for it. cfg and gm are borrowed for the
 * device's life; a descriptor of NET_FD is the device's from here on. 0 or -errno, with a message
 * in err that names the option and the fix. The caller sets dev->irq before the guest runs. */
int vnet_create(struct virtio_dev **ret_dev, const struct net_config *cfg, const struct gmem *gm,
		char *err, size_t errlen) __attribute__((warn_unused_result));
/* Once, before the guest runs: wait until the user-mode helper has its ports. Other backends: 0 at
 * once. */
int vnet_wait_ready(struct virtio_dev *dev, char *err, size_t errlen)
	__attribute__((warn_unused_result));
/* Accepts NULL. */
void vnet_destroy(struct virtio_dev *dev);
struct confine;
/* What the device needs from its thread's filter; and the end of a confined monitor. */
void vnet_confine(const struct virtio_dev *dev, struct confine *c);
void vnet_leave(struct virtio_dev *dev);
/* Counters so far; the pointer stays valid. */
const struct net_metrics *vnet_metrics(struct virtio_dev *dev);
/* New rate limits of both directions, from now on: full buckets, NULL leaves that one alone, size
 * or refill time 0 takes it away. What waited is moved as far as they allow. An operation is a
 * frame, bytes are the frame's without virtio header. On the thread that serves the device, or
 * under the VM lock; an I/O thread is to be kicked after. */
void vnet_set_limits(struct virtio_dev *dev, const struct token_bucket *rx_bw,
		     const struct token_bucket *rx_ops, const struct token_bucket *tx_bw,
		     const struct token_bucket *tx_ops);
/* The MAC the guest sees: 6 bytes, the configured or a random one. */
const uint8_t *vnet_mac(const struct virtio_dev *dev);

#endif
