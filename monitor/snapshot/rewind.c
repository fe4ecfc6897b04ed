/* SPDX-License-Identifier: MIT
 *
 * rewind.c: see rewind.h. What the vCPU wrote is in KVM's dirty log, what the monitor wrote is in
 * gm->dirty. The log is read without being cleared (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2), so that a
 * page which is written in every run stays writable and costs one copy and no fault: on PVM a fault
 * is twenty times dearer. A page that comes up unchanged COOL_AFTER times in a row is protected
 * again, and given back if it was zero. Source: KVM
 * Documentation/virt/kvm/api.rst 4.8, 4.117, 7.18. vCPU thread, VM lock held.
 */
#include "monitor/snapshot/rewind.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "monitor/snapshot/clock.h"
#include "monitor/snapshot/freeze.h"
#include "monitor/snapshot/msrs.h"
#include "monitor/snapshot/state.h"
#include "monitor/virtio/blk.h"
#include "monitor/vm.h"

#define COOL_AFTER 64u
#define WORD_PAGES 64u

struct rewind {
	struct vm_state st;
	struct rewind_metrics m;
	uint8_t *pristine; /* as large as RAM; only pages with content are backed */
	uint64_t pages, words;
	uint64_t *log;	    /* KVM's, then both */
	uint64_t *content;  /* a bit a page: 0 = it was all zeroes */
	uint8_t *unchanged; /* a page's rewinds in a row without a write */
	bool logging;
};

/* --- the point to return to --- */

static void *reserve(uint64_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void vm_rewind_free(struct vm *vm)
{
	struct rewind *rw = vm->rewind;

	if (!rw)
		return;
	if (rw->pristine)
		munmap(rw->pristine, vm->gm.size);
	free(vm->gm.dirty);
	free(rw->log);
	free(rw->content);
	free(rw->unchanged);
	free(rw);
	vm->gm.dirty = NULL;
	vm->rewind = NULL;
}

static int alloc(struct vm *vm, char *err, size_t errlen)
{
	if (vm->dirty) {
		snprintf(err, errlen,
			 "rewinding and --track-dirty both need KVM's dirty log: leave one out");
		return -EINVAL;
	}
	struct rewind *rw = calloc(1, sizeof *rw);

	vm->rewind = rw;
	if (rw) {
		rw->pages = vm->gm.size / GMEM_PAGE;
		rw->words = (rw->pages + WORD_PAGES - 1) / WORD_PAGES;
		rw->pristine = reserve(vm->gm.size);
		rw->log = calloc(rw->words, sizeof *rw->log);
		rw->content = calloc(rw->words, sizeof *rw->content);
		rw->unchanged = calloc(rw->pages, 1);
		vm->gm.dirty = calloc(rw->words, sizeof *vm->gm.dirty);
	}
	if (rw && rw->pristine && rw->log && rw->content && rw->unchanged && vm->gm.dirty)
		return 0;
	vm_rewind_free(vm);
	errno = ENOMEM;
	return vm_error(err, errlen, "rewind: a second copy of the guest's memory");
}

#define SYNC_ALL (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

static int log_on(struct vm *vm, char *err, size_t errlen)
{
	struct kvm_enable_cap manual = {.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
					.args[0] = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE};
	struct kvm_userspace_memory_region region = {.flags = KVM_MEM_LOG_DIRTY_PAGES,
						     .memory_size = vm->gm.size,
						     .userspace_addr = (uint64_t)vm->gm.base};
	int sync = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);

	if (sync < 0 || (sync & SYNC_ALL) != SYNC_ALL) {
		errno = ENOSYS;
		return vm_error(err, errlen,
				"KVM_CAP_SYNC_REGS (rewinding needs Linux 4.17 or later)");
	}
	vm->sync_regs = (uint64_t)sync;
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &manual))
		return vm_error(
			err, errlen,
			"KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 (rewinding needs Linux 5.10 or later)");
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		return vm_error(err, errlen, "KVM_SET_USER_MEMORY_REGION with a dirty log");
	vm->rewind->logging = true;
	return 0;
}

static void copy_content(struct vm *vm)
{
	struct rewind *rw = vm->rewind;

	for (uint64_t i = 0; i < rw->pages; i++) {
		const uint8_t *page = vm->gm.base + i * GMEM_PAGE;
		uint64_t bit = UINT64_C(1) << i % WORD_PAGES;

		rw->content[i / WORD_PAGES] &= ~bit;
		if (gmem_page_is_zero(page))
			continue;
		memcpy(rw->pristine + i * GMEM_PAGE, page, GMEM_PAGE);
		rw->content[i / WORD_PAGES] |= bit;
	}
}

/* What is written to a disk must go back with the memory that knows of it. */
static int check_disks(const struct vm *vm, char *err, size_t errlen)
{
	for (unsigned i = 0; i < vm->cfg->nblk; i++) {
		if (vm->cfg->blk[i].ro || vm->cfg->blk[i].overlay)
			continue;
		snprintf(err, errlen,
			 "--block id=%s: what is written to it would outlive a rewind: add ,ro or "
			 ",overlay=mem",
			 vm->cfg->blk[i].id);
		return -EINVAL;
	}
	return 0;
}

int vm_rewind_arm(struct vm *vm, char *err, size_t errlen)
{
	int r = check_disks(vm, err, errlen);

	if (r)
		return r;
	r = vm->rewind ? 0 : alloc(vm, err, errlen);

	r = r ? r : vm_state_save(vm, &vm->rewind->st, err, errlen);
	if (!r && !vm->rewind->logging) {
		r = msrs_limit(vm, err, errlen);
		r = r ? r : log_on(vm, err, errlen);
	}
	if (r)
		return r;
	copy_content(vm);
	for (unsigned i = 0; i < vm->cfg->nblk; i++)
		vblk_mark(vm->slot[i].dev);
	return 0;
}

/* --- the way back --- */

/* Nobody has written these for long: log their next write again. */
static int cool(struct vm *vm, uint64_t word, uint64_t bits, char *err, size_t errlen)
{
	struct rewind *rw = vm->rewind;
	uint64_t first = word * WORD_PAGES, left = rw->pages - first;
	struct kvm_clear_dirty_log clear = {
		.num_pages = left < WORD_PAGES ? (uint32_t)left : WORD_PAGES,
		.first_page = first,
		.dirty_bitmap = &bits,
	};

	if (ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &clear))
		return vm_error(err, errlen, "KVM_CLEAR_DIRTY_LOG");
	for (uint64_t zero = bits & ~rw->content[word]; zero; zero &= zero - 1) {
		uint64_t page = first + (uint64_t)__builtin_ctzll(zero);

		/* Only anonymous memory reads as zeroes after: no page of the image, and nothing of
		 * a VM whose memory is a snapshot's file. */
		if (page >= vm->layout.heap_start / GMEM_PAGE && !vm->cfg->rebind)
			madvise(vm->gm.base + page * GMEM_PAGE, GMEM_PAGE, MADV_DONTNEED);
	}
	rw->m.cooled += (uint64_t)__builtin_popcountll(bits);
	return 0;
}

/* True when it is time to let go of the page. */
static bool restore_page(struct vm *vm, uint64_t page)
{
	struct rewind *rw = vm->rewind;
	uint8_t *dst = vm->gm.base + page * GMEM_PAGE;
	bool content = rw->content[page / WORD_PAGES] >> page % WORD_PAGES & 1;
	const uint8_t *src =
		rw->pristine + page * GMEM_PAGE; /* of a zero page not backed: unread */

	rw->m.dirty++;
	if (content ? memcmp(dst, src, GMEM_PAGE) != 0 : !gmem_page_is_zero(dst)) {
		if (content)
			memcpy(dst, src, GMEM_PAGE);
		else
			memset(dst, 0, GMEM_PAGE);
		rw->m.copied++;
		rw->unchanged[page] = 0;
		return false;
	}
	if (++rw->unchanged[page] < COOL_AFTER)
		return false;
	rw->unchanged[page] = 0;
	return true;
}

static int restore_memory(struct vm *vm, char *err, size_t errlen)
{
	struct rewind *rw = vm->rewind;
	struct kvm_dirty_log get = {.dirty_bitmap = rw->log};
	int r = 0;

	if (ioctl(vm->fd, KVM_GET_DIRTY_LOG, &get))
		return vm_error(err, errlen, "KVM_GET_DIRTY_LOG");
	/* Words in it belong to the monitor: stop request, console tail, clock, seed. */
	gmem_mark(&vm->gm, vm->gm.base + UK_GPA_BOOT, UK_PAGE);
	for (uint64_t w = 0; w < rw->words && !r; w++) {
		uint64_t bits = rw->log[w] | vm->gm.dirty[w], cold = 0;

		vm->gm.dirty[w] = 0;
		for (; bits; bits &= bits - 1) {
			unsigned b = (unsigned)__builtin_ctzll(bits);

			if (restore_page(vm, w * WORD_PAGES + b))
				cold |= UINT64_C(1) << b;
		}
		if (cold)
			r = cool(vm, w, cold, err, errlen);
	}
	return r;
}

static int rewind_disks(struct vm *vm, char *err, size_t errlen)
{
	for (unsigned i = 0; i < vm->cfg->nblk; i++) {
		int r = vblk_rewind(vm->slot[i].dev);

		if (!r)
			continue;
		snprintf(err, errlen, "--block id=%s: its overlay cannot be put back: %s",
			 vm->cfg->blk[i].id, strerror(-r));
		return r;
	}
	return 0;
}

int vm_rewind(struct vm *vm, char *err, size_t errlen)
{
	struct rewind *rw = vm->rewind;

	if (!rw) {
		snprintf(
			err, errlen,
			"there is no point to rewind to: the guest has not called mayfly_freeze()");
		return -ENOENT;
	}
	/* A read that KVM has not finished would be finished in the middle of the past, and go on
	 * from where it was. */
	int r = vm_settle(vm, err, errlen);

	/* Devices first: what is still in flight lands before the memory is put back, not after. */
	r = r ? r : vm_state_rewind(vm, &rw->st, err, errlen);
	r = r ? r : rewind_disks(vm, err, errlen);
	r = r ? r : restore_memory(vm, err, errlen);
	if (r)
		return r;
	vm_clock_rebase(vm, rw->st.mono_ns);
	if (!vm->freeze_gpa)
		vm_tell_restored(vm); /* else the answer at the freeze point does */
	rw->m.rewinds++;
	return 0;
}

int vm_rewind_answer(struct vm *vm, char *err, size_t errlen)
{
	int r = vm_rewind(vm, err, errlen);

	if (!r)
		vm_freeze_answer(vm, UK_WHY_REWOUND, NULL, 0);
	return r;
}

struct rewind_metrics vm_rewind_metrics(const struct vm *vm)
{
	return vm->rewind ? vm->rewind->m : (struct rewind_metrics){0};
}
