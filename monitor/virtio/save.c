/* SPDX-License-Identifier: MIT
 *
 * save.c: see save.h. The transport's and the rings' part; a device adds its own through ops->save
 * and ops->load. The device's thread.
 */
#include "monitor/virtio/save.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "monitor/snapshot/state.h"

#define S_NEEDS_RESET 64u

static struct virtq_state queue_save(const struct virtq *q)
{
	return (struct virtq_state){
		.desc_gpa = q->desc_gpa,
		.avail_gpa = q->avail_gpa,
		.used_gpa = q->used_gpa,
		.size = q->size,
		.last_avail = q->last_avail,
		.used_idx = q->used_idx,
		.used_pub = q->used_pub,
		.used_signalled = q->used_signalled,
		.ready = q->ready,
		.started = q->started,
		.no_kick = q->no_kick,
	};
}

void virtio_dev_save(struct virtio_dev *dev, struct dev_state *st)
{
	memset(st, 0, sizeof *st);
	if (dev->ops->save)
		dev->ops->save(dev, st);
	st->device_id = dev->ops->device_id;
	st->nqueues = dev->nqueues;
	st->offered = dev->offered;
	st->features = dev->features;
	st->drv_features = dev->drv_features;
	st->status = dev->status;
	st->isr = dev->isr;
	st->generation = dev->generation;
	st->dev_feat_sel = dev->dev_feat_sel;
	st->drv_feat_sel = dev->drv_feat_sel;
	st->queue_sel = dev->queue_sel;
	st->activated = dev->activated;
	snprintf(st->id, sizeof st->id, "%s", dev->id);
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++)
		st->q[i] = queue_save(&dev->q[i]);
}

static int queue_load(struct virtio_dev *dev, struct virtq *q, const struct virtq_state *st)
{
	virtq_reset(q);
	if (st->size > q->size_max)
		return -EINVAL;
	q->size = st->size;
	q->ready = st->ready;
	q->desc_gpa = st->desc_gpa;
	q->avail_gpa = st->avail_gpa;
	q->used_gpa = st->used_gpa;
	if (!st->started)
		return 0;
	int r = virtq_start(q, dev->gm, dev->features);

	q->last_avail = q->avail_seen = st->last_avail;
	q->used_idx = st->used_idx;
	q->used_pub = st->used_pub;
	q->used_signalled = st->used_signalled;
	q->no_kick = st->no_kick;
	/* The reason is not kept; the device as a whole says that it needs a reset. */
	if (!r && dev->status & S_NEEDS_RESET)
		q->why = "broken before it was saved";
	return r;
}

int virtio_dev_load(struct virtio_dev *dev, const struct dev_state *st)
{
	bool was = dev->activated, same = was && st->activated && dev->features == st->features;
	int r = 0;

	if (st->device_id != dev->ops->device_id || st->nqueues != dev->nqueues ||
	    (st->features & ~dev->offered))
		return -EINVAL;
	/* Not live while the past is cleaned up: nothing of it reaches the guest's memory or its
	 * interrupt. */
	dev->status = 0;
	if (was && !same && dev->ops->reset)
		dev->ops->reset(dev);
	else if (was && dev->ops->quiesce)
		dev->ops->quiesce(dev);
	dev->activated = st->activated;
	dev->features = st->features;
	dev->drv_features = st->drv_features;
	dev->isr = st->isr;
	dev->generation = st->generation;
	dev->dev_feat_sel = st->dev_feat_sel;
	dev->drv_feat_sel = st->drv_feat_sel;
	dev->queue_sel = st->queue_sel;
	dev->status = st->status;
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES && !r; i++)
		r = queue_load(dev, &dev->q[i], &st->q[i]);
	if (!r && dev->ops->load)
		r = dev->ops->load(dev, st);
	if (!r && st->activated && !same && dev->ops->activate)
		r = dev->ops->activate(dev);
	if (r)
		dev->status |= S_NEEDS_RESET;
	return r;
}
