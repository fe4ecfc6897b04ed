/* SPDX-License-Identifier: MIT
 *
 * devices.c: the VM's virtio devices: creation in command-line order, interrupts, service, waiting.
 * In IDLE_EXIT mode everything happens on the vCPU thread and an interrupt is a flag; in IDLE_HLT
 * mode the I/O thread calls the same functions under the VM lock and an interrupt is an irqfd.
 */
#include <errno.h>
#include <unistd.h>

#include "lib/vec.h"
#include "monitor/api/events.h"
#include "monitor/confine.h"
#include "monitor/signals.h"
#include "monitor/virtio/blk.h"
#include "monitor/virtio/dev.h"
#include "monitor/virtio/net.h"
#include "monitor/vm.h"

#define MAX_POLLFDS 32

static void raise_irq(void *arg)
{
	struct vm_slot *slot = arg;

	slot->vm->news = true;
	slot->vm->m.irqs++;
	if (slot->irqfd >= 0) {
		uint64_t one = 1;

		/* A counter at its limit is already pending. */
		(void)vec_put(slot->irqfd, &one, sizeof one);
	}
}

static void tell_broken(void *arg, const char *why)
{
	const struct vm_slot *slot = arg;
	char text[200];

	if (!slot->vm->events)
		return;
	snprintf(text, sizeof text, "%s: %s", slot->dev->id, why);
	events_add_text(slot->vm->events, "device_error", text);
}

int vm_devices_create(struct vm *vm, char *err, size_t errlen)
{
	for (unsigned i = 0; i < vm->nslots; i++) {
		struct vm_slot *slot = &vm->slot[i];
		bool is_blk = i < vm->cfg->nblk;
		int r = is_blk ? vblk_create(&slot->dev, &vm->cfg->blk[i], &vm->gm, err, errlen)
			       : vnet_create(&slot->dev, &vm->cfg->net[i - vm->cfg->nblk], &vm->gm,
					     err, errlen);

		slot->vm = vm;
		slot->index = i;
		slot->irqfd = -1;
		if (r)
			return r;
		slot->dev->irq = raise_irq;
		slot->dev->irq_arg = slot;
		slot->dev->on_broken = tell_broken;
	}
	return 0;
}

int vm_devices_ready(struct vm *vm, char *err, size_t errlen)
{
	for (unsigned i = vm->cfg->nblk; i < vm->nslots; i++) {
		int r = vnet_wait_ready(vm->slot[i].dev, err, errlen);

		if (r)
			return r;
	}
	for (unsigned i = 0; confine_on() && i < vm->cfg->nblk; i++)
		vblk_prepare(vm->slot[i].dev);
	return 0;
}

void vm_devices_destroy(struct vm *vm)
{
	for (unsigned i = 0; i < vm->nslots; i++) {
		if (!vm->slot[i].dev)
			continue;
		if (i < vm->cfg->nblk)
			vblk_destroy(vm->slot[i].dev);
		else
			vnet_destroy(vm->slot[i].dev);
		vm->slot[i].dev = NULL;
	}
}

void vm_devices_serve(struct vm *vm)
{
	for (unsigned i = 0; i < vm->nslots; i++)
		virtio_dev_serve_all(vm->slot[i].dev);
}

/* Wake the devices whose time has come, wait for host events until the first other one's or
 * deadline_ns, and hand them out. */
static void one_round(struct vm *vm, uint64_t now, uint64_t deadline_ns)
{
	struct pollfd pfd[MAX_POLLFDS];
	unsigned first[UK_MAX_DEVS + 1], n = 0;

	for (unsigned i = 0; i < vm->nslots; i++) {
		struct virtio_dev *dev = vm->slot[i].dev;

		virtio_dev_wake(dev, now);
		if (dev->wake_at < deadline_ns)
			deadline_ns = dev->wake_at;
		first[i] = n;
		n += dev->ops->pollfds(dev, pfd + n, MAX_POLLFDS - n);
	}
	first[vm->nslots] = n;
	if (vm->news) /* of a device that was woken: look, but do not wait */
		deadline_ns = now;
	int ready = signals_poll(pfd, n,
				 deadline_ns == UINT64_MAX ? UINT64_MAX
				 : deadline_ns > now	   ? deadline_ns - now
							   : 0);
	for (unsigned i = 0; ready && i < vm->nslots; i++)
		for (unsigned k = first[i]; k < first[i + 1]; k++)
			if (pfd[k].revents)
				vm->slot[i].dev->ops->on_event(vm->slot[i].dev, &pfd[k]);
}

void vm_devices_wait(struct vm *vm, uint64_t deadline_ns)
{
	/* A guest that is busy only wants us to look. Frames that wait for it count as much as its
	 * own. */
	if (!deadline_ns) {
		one_round(vm, vm_now(), 0);
		return;
	}
	/* It may have begun to idle before it could see that it is to stop. */
	if (vm->stop_signal && !vm->stop.told) {
		vm->stop.told = true;
		return;
	}
	while (!vm->news && !signals_pending()) {
		uint64_t now = vm_now();

		if (now >= deadline_ns)
			return;
		one_round(vm, now, deadline_ns);
	}
}

void vm_devices_leave(struct vm *vm)
{
	for (unsigned i = 0; i < vm->nslots; i++)
		if (i < vm->cfg->nblk)
			vblk_leave(vm->slot[i].dev);
		else
			vnet_leave(vm->slot[i].dev);
}

int vm_devices_sync(struct vm *vm)
{
	int ret = 0;

	for (unsigned i = 0; i < vm->cfg->nblk; i++) {
		int r = vm->slot[i].dev ? vblk_sync(vm->slot[i].dev) : 0;

		ret = ret ? ret : r;
	}
	return ret;
}
