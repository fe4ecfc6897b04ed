/* SPDX-License-Identifier: MIT
 *
 * state_check.c: the judge of a state that comes from a file. It believes nothing: what passes can
 * be given to vm_state_load, which then fails with an error at worst (KVM judges registers,
 * virtq_start judges rings). Pure; any thread; fuzzed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/errbuf.h"
#include "monitor/config.h"
#include "monitor/snapshot/state.h"

#define OV_MAX (UINT64_C(1) << 45) /* 16 TiB and its list */

/* Every byte a printable character, NUL-terminated, not empty. */
static bool good_id(const char *id, size_t size)
{
	size_t n = strnlen(id, size);

	if (!n || n == size)
		return false;
	for (size_t i = 0; i < n; i++)
		if (id[i] <= ' ' || id[i] > '~')
			return false;
	return true;
}

static bool inside(uint64_t start, uint64_t len, uint64_t lo, uint64_t hi)
{
	return start >= lo && start <= hi && len <= hi - start;
}

static int check_queue(const struct dev_state *d, unsigned i, uint64_t mem, char *err,
		       size_t errlen)
{
	const struct virtq_state *q = &d->q[i];
	uint64_t n = q->size;

	if (q->ready > 1 || q->started > 1 || q->no_kick > 1)
		return err_put(err, errlen, -EINVAL, "device %s, queue %u: flags", d->id, i);
	if (n > VIRTQ_MAX_SIZE || (n & (n - 1)))
		return err_put(err, errlen, -EINVAL, "device %s, queue %u: size %lu", d->id, i, n);
	if (!q->started)
		return 0;
	if (!n || i >= d->nqueues || !d->activated)
		return err_put(err, errlen, -EINVAL,
			       "device %s, queue %u: runs without being set up", d->id, i);
	if (q->desc_gpa % 16 || q->avail_gpa % 2 || q->used_gpa % 4 ||
	    !inside(q->desc_gpa, 16 * n, 0, mem) || !inside(q->avail_gpa, 6 + 2 * n, 0, mem) ||
	    !inside(q->used_gpa, 6 + 8 * n, 0, mem))
		return err_put(err, errlen, -EINVAL, "device %s, queue %u: ring address", d->id, i);
	return 0;
}

static int check_dev(const struct dev_state *d, uint64_t mem, char *err, size_t errlen)
{
	if (!good_id(d->id, sizeof d->id))
		return err_put(err, errlen, -EINVAL, "a device's id");
	if (d->device_id != 1 && d->device_id != 2)
		return err_put(err, errlen, -EINVAL, "device %s: virtio device id %u", d->id,
			       d->device_id);
	if (!d->nqueues || d->nqueues > VIRTIO_MAX_QUEUES || (d->device_id == 1 && d->nqueues != 2))
		return err_put(err, errlen, -EINVAL, "device %s: %u queues", d->id, d->nqueues);
	if (d->activated > 1 || d->wce > 1 || d->wce_set > 1 || d->status > 255)
		return err_put(err, errlen, -EINVAL, "device %s: status", d->id);
	if (d->features & ~d->offered)
		return err_put(err, errlen, -EINVAL, "device %s: features that were not offered",
			       d->id);
	if (d->blk_size % 512)
		return err_put(err, errlen, -EINVAL, "device %s: size %lu", d->id, d->blk_size);
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++) {
		int r = check_queue(d, i, mem, err, errlen);

		if (r)
			return r;
	}
	return 0;
}

uint64_t vm_state_disks(const struct vm_state *st)
{
	uint64_t len = 0;

	for (unsigned i = 0; i < st->ndevs; i++)
		len += st->dev[i].ov_len;
	return len;
}

/* Clusters lie behind the guest's memory, one disk's behind the other's. */
static int check_disks(const struct vm_state *st, char *err, size_t errlen)
{
	uint64_t at = st->mem_size;

	for (unsigned i = 0; i < st->ndevs; i++) {
		const struct dev_state *d = &st->dev[i];

		if (d->ov_len % UK_PAGE || d->ov_len > OV_MAX || (d->ov_len && d->device_id != 2) ||
		    d->ov_off != (d->ov_len ? at : 0))
			return err_put(err, errlen, -EINVAL, "device %s: place of what was written",
				       d->id);
		at += d->ov_len;
	}
	return 0;
}

static int check_layout(const struct vm_state *st, char *err, size_t errlen)
{
	const struct uk_boot *l = &st->layout;
	uint64_t mem = st->mem_size;

	if (l->magic != UK_BOOT_MAGIC || l->version != UK_ABI_VERSION || l->size != sizeof *l)
		return err_put(err, errlen, -EINVAL, "boot page of another protocol version");
	if (l->mem_size != mem || l->ndevs != st->ndevs)
		return err_put(err, errlen, -EINVAL, "boot page and state disagree");
	if (!inside(l->image_gpa, l->image_size, UK_GPA_IMAGE, mem) ||
	    l->image_va + l->image_size < l->image_va)
		return err_put(err, errlen, -EINVAL, "layout of the image");
	if (!inside(l->stack_low, 0, 0, l->stack_top) || l->stack_top > mem ||
	    !inside(l->heap_start, 0, 0, l->heap_end) || l->heap_end > mem)
		return err_put(err, errlen, -EINVAL, "layout of stack and heap");
	if (l->shared != UK_GPA_BOOT + UK_OFF_SHARED ||
	    l->cmdline != UK_GPA_BOOT + UK_OFF_CMDLINE || l->cmdline_len > UK_CMDLINE_MAX)
		return err_put(err, errlen, -EINVAL, "layout of the boot page");
	return 0;
}

int vm_state_check(const struct vm_state *st, char *err, size_t errlen)
{
	if (st->mem_size < CONFIG_MEM_MIN || st->mem_size > CONFIG_MEM_MAX ||
	    st->mem_size % UK_PAGE)
		return err_put(err, errlen, -EINVAL, "memory size %lu", st->mem_size);
	if (st->ndevs > UK_MAX_DEVS)
		return err_put(err, errlen, -EINVAL, "%u devices", st->ndevs);
	if (st->idle_exit > 1)
		return err_put(err, errlen, -EINVAL, "idle mode");
	if (st->vcpu.nmsrs > VM_STATE_MSRS)
		return err_put(err, errlen, -EINVAL, "%u MSRs", st->vcpu.nmsrs);
	if (st->vcpu.xcrs.nr_xcrs > KVM_MAX_XCRS)
		return err_put(err, errlen, -EINVAL, "%u XCRs", st->vcpu.xcrs.nr_xcrs);
	if (!st->tsc_hz)
		return err_put(err, errlen, -EINVAL, "TSC frequency");
	if (st->freeze_gpa % UK_PAGE ||
	    (st->freeze_gpa && !inside(st->freeze_gpa, UK_PAGE, 0, st->mem_size)))
		return err_put(err, errlen, -EINVAL, "address of the freeze page");
	for (unsigned i = 0; i < st->ndevs; i++) {
		int r = check_dev(&st->dev[i], st->mem_size, err, errlen);

		if (r)
			return r;
	}
	int r = check_disks(st, err, errlen);

	return r ? r : check_layout(st, err, errlen);
}
