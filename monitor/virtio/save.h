/* SPDX-License-Identifier: MIT
 *
 * save.h: a virtio device to and from plain data, for snapshots and rewinding. The device's thread,
 * or any with the VM lock held.
 */
#ifndef MONITOR_VIRTIO_SAVE_H
#define MONITOR_VIRTIO_SAVE_H

#include "monitor/virtio/dev.h"

struct dev_state;

/* Waits for what is in flight; the driver hears of it as always. */
void virtio_dev_save(struct virtio_dev *dev, struct dev_state *st);
/*
 * The device becomes what st says, whatever the driver has done to it since or before: in-flight
 * work is finished unseen, rings are looked up again in guest memory. 0; -EINVAL when st is not of
 * such a device; what the host side says to being set up (the device needs a reset then).
 */
int virtio_dev_load(struct virtio_dev *dev, const struct dev_state *st)
	__attribute__((warn_unused_result));

#endif
