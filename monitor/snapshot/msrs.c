/* SPDX-License-Identifier: MIT
 *
 * msrs.c: see msrs.h. KVM knows some hundred registers and lets a guest write dozens: the TSC's
 * offset, MTRRs, error banks, KVM's own. Saving and loading all of them would cost more than the
 * rest of a rewind, so that all but a few are closed (KVM_X86_SET_MSR_FILTER, api.rst 4.97). Being
 * in ring 3 does not keep a program from them: a disk of its own writes to any page of its memory.
 */
#include "monitor/snapshot/msrs.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "monitor/vm.h"

#define SPAN (KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8u) /* registers of a range */

const uint32_t msrs_saved[MSRS_SAVED] = {
	0xc0000081,		  /* STAR */
	0xc0000082,		  /* LSTAR */
	0xc0000083,		  /* CSTAR */
	0xc0000084,		  /* SFMASK */
	0xc0000102,		  /* KERNEL_GS_BASE */
	0xc0000103,		  /* TSC_AUX */
	0x174,			  /* SYSENTER_CS, ESP, EIP */
	0x175,	    0x176, 0x277, /* PAT */
	0x1a0,			  /* MISC_ENABLE */
	0x2ff,			  /* MTRR default type */
	0x6e0,			  /* TSC_DEADLINE */
};

/* Saved with the segment registers (KVM_GET_SREGS). */
static const uint32_t in_sregs[] = {
	0xc0000080, /* EFER */
	0xc0000100, /* FS_BASE */
	0xc0000101, /* GS_BASE */
};

/* Where there are any: Intel's, Hyper-V's, KVM's, AMD's. */
static const uint32_t spans[] = {0, 0x40000000, 0x4b564000, 0xc0000000, 0xc0010000};
#define NSPANS (sizeof spans / sizeof *spans)

static void allow(uint8_t *bits, uint32_t base, const uint32_t *msr, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (msr[i] >= base && msr[i] - base < SPAN)
			bits[(msr[i] - base) / 8] |= (uint8_t)(1u << (msr[i] - base) % 8);
}

int msrs_limit(struct vm *vm, char *err, size_t errlen)
{
	static uint8_t all[SPAN / 8], low[SPAN / 8], high[SPAN / 8];
	struct kvm_msr_filter f = {.flags = KVM_MSR_FILTER_DEFAULT_DENY};
	unsigned n = 0;

	memset(all, 0xff, sizeof all);
	for (unsigned i = 0; i < NSPANS; i++)
		f.ranges[n++] = (struct kvm_msr_filter_range){.flags = KVM_MSR_FILTER_READ,
							      .nmsrs = SPAN,
							      .base = spans[i],
							      .bitmap = all};
	allow(low, 0, msrs_saved, MSRS_SAVED);
	allow(high, 0xc0000000, msrs_saved, MSRS_SAVED);
	allow(high, 0xc0000000, in_sregs, sizeof in_sregs / sizeof *in_sregs);
	f.ranges[n++] = (struct kvm_msr_filter_range){
		.flags = KVM_MSR_FILTER_WRITE, .nmsrs = SPAN, .base = 0, .bitmap = low};
	f.ranges[n++] = (struct kvm_msr_filter_range){
		.flags = KVM_MSR_FILTER_WRITE, .nmsrs = SPAN, .base = 0xc0000000, .bitmap = high};
	if (ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &f))
		return vm_error(err, errlen,
				"KVM_X86_SET_MSR_FILTER (rewinding needs Linux 5.10 or later)");
	return 0;
}
