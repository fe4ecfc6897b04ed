/* SPDX-License-Identifier: MIT
 *
 * dirty.c: see dirty.h. Source: KVM Documentation/virt/kvm/api.rst 4.8.
 */
#include "monitor/snapshot/dirty.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "monitor/snapshot/store.h"
#include "monitor/vm.h"

int dirty_start(struct vm *vm, char *err, size_t errlen)
{
	struct dirty *d = calloc(1, sizeof *d);

	vm->dirty = d;
	if (d) {
		d->words = snap_map_words(vm->gm.size);
		d->pages = calloc(d->words, sizeof *d->pages);
		d->log = calloc(d->words, sizeof *d->log);
		vm->gm.dirty = calloc(d->words, sizeof *vm->gm.dirty);
	}
	if (d && d->pages && d->log && vm->gm.dirty)
		return 0;
	dirty_free(vm);
	snprintf(err, errlen, "--track-dirty: out of memory");
	return -ENOMEM;
}

int dirty_collect(struct vm *vm, char *err, size_t errlen)
{
	struct dirty *d = vm->dirty;
	struct kvm_dirty_log get = {.dirty_bitmap = d->log};

	if (ioctl(vm->fd, KVM_GET_DIRTY_LOG, &get)) {
		int e = errno;

		snprintf(err, errlen, "KVM_GET_DIRTY_LOG: %s", strerror(e));
		return -e;
	}
	/* Words of the boot page are the monitor's: stop request, console tail, clocks, seed. */
	gmem_mark(&vm->gm, vm->gm.base + UK_GPA_BOOT, UK_PAGE);
	for (uint64_t w = 0; w < d->words; w++) {
		d->pages[w] |= d->log[w] | vm->gm.dirty[w];
		vm->gm.dirty[w] = 0;
	}
	return 0;
}

void dirty_rebase(struct vm *vm, const uint8_t id[SNAP_ID])
{
	struct dirty *d = vm->dirty;

	memset(d->pages, 0, d->words * sizeof *d->pages);
	memcpy(d->base_id, id, SNAP_ID);
	d->has_base = true;
}

void dirty_free(struct vm *vm)
{
	struct dirty *d = vm->dirty;

	if (!d)
		return;
	free(d->pages);
	free(d->log);
	free(d);
	free(vm->gm.dirty);
	vm->gm.dirty = NULL;
	vm->dirty = NULL;
}
