/* SPDX-License-Identifier: MIT
 *
 * state_check.c: the judge of a state that comes from a file. It believes nothing: what passes can
 * be given to vm_state_load, which then fails with an error at worst (KVM judges registers,
 * virtq_start judges rings). Pure; any thread; fuzzed.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "monitor/config.h"
#include "monitor/snapshot/state.h"

static int bad(char *err, size_t errlen, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int bad(char *err, size_t errlen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, errlen, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

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
		return bad(err, errlen, "device %s, queue %u: flags", d->id, i);
	if (n > VIRTQ_MAX_SIZE || (n & (n - 1)))
		return bad(err, errlen, "device %s, queue %u: size %lu", d->id, i, n);
	if (!q->started)
		return 0;
	if (!n || i >= d->nqueues || !d->activated)
		return bad(err, errlen, "device %s, queue %u: runs without being set up", d->id, i);
	if (q->desc_gpa % 16 || q->avail_gpa % 2 || q->used_gpa % 4 ||
	    !inside(q->desc_gpa, 16 * n, 0, mem) || !inside(q->avail_gpa, 6 + 2 * n, 0, mem) ||
	    !inside(q->used_gpa, 6 + 8 * n, 0, mem))
		return bad(err, errlen, "device %s, queue %u: ring address", d->id, i);
	return 0;
}

static int check_dev(const struct dev_state *d, uint64_t mem, char *err, size_t errlen)
{
	if (!good_id(d->id, sizeof d->id))
		return bad(err, errlen, "a device's id");
	if (d->device_id != 1 && d->device_id != 2)
		return bad(err, errlen, "device %s: virtio device id %u", d->id, d->device_id);
	if (!d->nqueues || d->nqueues > VIRTIO_MAX_QUEUES || (d->device_id == 1 && d->nqueues != 2))
		return bad(err, errlen, "device %s: %u queues", d->id, d->nqueues);
	if (d->activated > 1 || d->wce > 1 || d->wce_set > 1 || d->status > 255)
		return bad(err, errlen, "device %s: status", d->id);
	if (d->features & ~d->offered)
		return bad(err, errlen, "device %s: features that were not offered", d->id);
	if (d->blk_size % 512)
		return bad(err, errlen, "device %s: size %lu", d->id, d->blk_size);
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++) {
		int r = check_queue(d, i, mem, err, errlen);

		if (r)
			return r;
	}
	return 0;
}

static int check_layout(const struct vm_state *st, char *err, size_t errlen)
{
	const struct uk_boot *l = &st->layout;
	uint64_t mem = st->mem_size;

	if (l->magic != UK_BOOT_MAGIC || l->version != UK_ABI_VERSION || l->size != sizeof *l)
		return bad(err, errlen, "boot page of another protocol version");
	if (l->mem_size != mem || l->ndevs != st->ndevs)
		return bad(err, errlen, "boot page and state disagree");
	if (!inside(l->image_gpa, l->image_size, UK_GPA_IMAGE, mem) ||
	    l->image_va + l->image_size < l->image_va)
		return bad(err, errlen, "layout of the image");
	if (!inside(l->stack_low, 0, 0, l->stack_top) || l->stack_top > mem ||
	    !inside(l->heap_start, 0, 0, l->heap_end) || l->heap_end > mem)
		return bad(err, errlen, "layout of stack and heap");
	if (l->shared != UK_GPA_BOOT + UK_OFF_SHARED ||
	    l->cmdline != UK_GPA_BOOT + UK_OFF_CMDLINE || l->cmdline_len > UK_CMDLINE_MAX)
		return bad(err, errlen, "layout of the boot page");
	return 0;
}

int vm_state_check(const struct vm_state *st, char *err, size_t errlen)
{
	if (st->mem_size < CONFIG_MEM_MIN || st->mem_size > CONFIG_MEM_MAX ||
	    st->mem_size % UK_PAGE)
		return bad(err, errlen, "memory size %lu", st->mem_size);
	if (st->ndevs > UK_MAX_DEVS)
		return bad(err, errlen, "%u devices", st->ndevs);
	if (st->idle_exit > 1)
		return bad(err, errlen, "idle mode");
	if (st->vcpu.nmsrs > VM_STATE_MSRS)
		return bad(err, errlen, "%u MSRs", st->vcpu.nmsrs);
	if (st->vcpu.xcrs.nr_xcrs > KVM_MAX_XCRS)
		return bad(err, errlen, "%u XCRs", st->vcpu.xcrs.nr_xcrs);
	if (!st->tsc_hz)
		return bad(err, errlen, "TSC frequency");
	if (st->freeze_gpa % UK_PAGE ||
	    (st->freeze_gpa && !inside(st->freeze_gpa, UK_PAGE, 0, st->mem_size)))
		return bad(err, errlen, "address of the freeze page");
	for (unsigned i = 0; i < st->ndevs; i++) {
		int r = check_dev(&st->dev[i], st->mem_size, err, errlen);

		if (r)
			return r;
	}
	return check_layout(st, err, errlen);
}
