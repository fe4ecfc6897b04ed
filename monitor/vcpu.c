/* SPDX-License-Identifier: MIT
 *
 * vcpu.c: the state in which the one vCPU starts: ring 3, long mode, tables by boot.c, so that no
 * ring-0 instruction runs on the way to main (ring 0 is emulated on PVM). Main thread, once.
 * Sources: Intel SDM vol. 3 chapters 2 and 10, KVM Documentation/virt/kvm/api.rst; the selectors
 * are those PVM wants (docs/boot-protocol.md).
 */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <x86intrin.h>

#include "monitor/snapshot/cpu.h"
#include "monitor/vm.h"
#include "uk_tables.h"

#define CPUID_MAX 256

struct cpuid_buf {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 e[CPUID_MAX];
};

struct cpu_features {
	bool fsgsbase, xsave;
	uint64_t xcr0;
};

static struct cpu_features features; /* of the one VM, by vcpu_prepare() */

/* Asked once a process: it takes as long as all the rest. */
static struct cpuid_buf cpuid;

/* What KVM supports, plus the timer mode that it never lists, minus nothing. */
static int set_cpuid(struct vm *vm, struct cpu_features *ret_f, char *err, size_t errlen)
{
	cpuid.head.nent = CPUID_MAX;
	if (ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid.head))
		return vm_error(err, errlen, "KVM_GET_SUPPORTED_CPUID");
	*ret_f = (struct cpu_features){0};
	for (uint32_t i = 0; i < cpuid.head.nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid.e[i];

		if (e->function == 1) {
			ret_f->xsave = e->ecx >> 26 & 1;
			e->ebx &= 0x00ffffff; /* APIC id 0 */
			e->ecx |= 1u << 21 | 1u << 24 |
				  1u << 31; /* x2APIC, TSC deadline, hypervisor */
		} else if (e->function == 7 && e->index == 0) {
			ret_f->fsgsbase = e->ebx & 1;
		} else if (e->function == 0xd && e->index == 0) {
			ret_f->xcr0 = (uint64_t)e->edx << 32 | e->eax;
		} else if (e->function == 0xb || e->function == 0x1f) {
			e->edx = 0; /* x2APIC id 0 */
		}
	}
	if (ioctl(vm->vcpu, KVM_SET_CPUID2, &cpuid.head))
		return vm_error(err, errlen, "KVM_SET_CPUID2");
	return 0;
}

static int set_sregs(struct vm *vm, const struct cpu_features *f, char *err, size_t errlen)
{
	struct kvm_segment code = {.limit = UINT32_MAX,
				   .selector = UK_SEL_UCS,
				   .type = 11,
				   .present = 1,
				   .dpl = 3,
				   .s = 1,
				   .l = 1,
				   .g = 1};
	struct kvm_segment data = {.limit = UINT32_MAX,
				   .selector = UK_SEL_USS,
				   .type = 3,
				   .present = 1,
				   .dpl = 3,
				   .db = 1,
				   .s = 1,
				   .g = 1};
	struct kvm_sregs s = {
		.cs = code,
		.ss = data,
		.ds = data,
		.es = data,
		.fs = data,
		.gs = data,
		.tr = {.base = UK_GPA_SYS + UK_SYS_TSS,
		       .limit = UK_TSS_BYTES - 1,
		       .selector = UK_SEL_TSS,
		       .type = 11,
		       .present = 1},
		.ldt = {.unusable = 1},
		.gdt = {.base = UK_GPA_SYS, .limit = UK_GDT_BYTES - 1},
		.idt = {.base = UK_GPA_SYS + UK_SYS_IDT, .limit = UK_IDT_BYTES - 1},
		.cr0 = 0x80010033, /* PG WP NE ET MP PE */
		.cr3 = UK_GPA_PT,
		.cr4 = 0x620,  /* OSXMMEXCPT OSFXSR PAE */
		.efer = 0xd01, /* NXE LMA LME SCE */
		.apic_base =
			0xfee00000 | 1u << 11 | 1u << 10 | 1u << 8, /* enabled, x2APIC, boot CPU */
	};

	s.cr4 |= f->fsgsbase ? 1u << 16 : 0;
	s.cr4 |= f->xsave ? 1u << 18 : 0;
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &s))
		return vm_error(err, errlen, "KVM_SET_SREGS");
	return 0;
}

/* All of AVX state that the host has, so that the guest may use what CPUID shows it. */
static int set_xcr0(struct vm *vm, const struct cpu_features *f, char *err, size_t errlen)
{
	struct kvm_xcrs x = {.nr_xcrs = 1, .xcrs[0].value = f->xcr0 & 0xe7};

	if (!f->xsave || !f->xcr0)
		return 0;
	if (ioctl(vm->vcpu, KVM_SET_XCRS, &x))
		return vm_error(err, errlen, "KVM_SET_XCRS");
	return 0;
}

/*
 * Guest TSC = host TSC: ring 3 on PVM reads the host's anyway, and the deadline timer must agree
 * with it. LSTAR stays 0: a linked image has no SYSCALL, one that is executed faults.
 */
static int set_msrs(struct vm *vm, char *err, size_t errlen)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e[2];
	} m = {.head.nmsrs = 1,
	       .e = {{.index = 0xc0000081, /* STAR */
		      .data = (uint64_t)0x23 << 48 | (uint64_t)UK_SEL_KCS << 32}}};
	uint64_t offset = 0;
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uint64_t)&offset};

	if (ioctl(vm->vcpu, KVM_SET_DEVICE_ATTR, &attr)) {
		m.e[1].index = 0x10; /* IA32_TSC: close enough where the exact way is not offered */
		m.e[1].data = __rdtsc();
		m.head.nmsrs = 2;
	}
	if (ioctl(vm->vcpu, KVM_SET_MSRS, &m) < 0)
		return vm_error(err, errlen, "KVM_SET_MSRS");
	return 0;
}

/* Local APIC on, timer in TSC-deadline mode. Only a guest that idles by HLT needs it. */
static int set_lapic(struct vm *vm, char *err, size_t errlen)
{
	struct kvm_lapic_state l;
	uint32_t svr = 0x100 | UK_VEC_SPUR, timer = 2u << 17 | UK_VEC_TIMER;

	if (vm->idle_exit)
		return 0;
	if (ioctl(vm->vcpu, KVM_GET_LAPIC, &l))
		return vm_error(err, errlen, "KVM_GET_LAPIC");
	memcpy(l.regs + 0xf0, &svr, sizeof svr);
	memcpy(l.regs + 0x320, &timer, sizeof timer);
	if (ioctl(vm->vcpu, KVM_SET_LAPIC, &l))
		return vm_error(err, errlen, "KVM_SET_LAPIC");
	return 0;
}

int vcpu_prepare(struct vm *vm, char *err, size_t errlen)
{
	return set_cpuid(vm, &features, err, errlen);
}

int vcpu_setup(struct vm *vm, char *err, size_t errlen)
{
	struct kvm_regs regs = {
		.rip = vm->layout.image_va + vm->image.elf.note.entry,
		.rsp = vm->layout.stack_top,
		.rdi = UK_GPA_BOOT,
		.rflags = 2, /* interrupts off in ring 3: they are taken at HLT, where hardware
				honours that */
	};
	int r = vm->prepared ? 0 : vcpu_prepare(vm, err, errlen);

	r = r ? r : set_sregs(vm, &features, err, errlen);
	r = r ? r : set_xcr0(vm, &features, err, errlen);
	r = r ? r : set_msrs(vm, err, errlen);
	r = r ? r : set_lapic(vm, err, errlen);
	if (!r && ioctl(vm->vcpu, KVM_SET_REGS, &regs))
		r = vm_error(err, errlen, "KVM_SET_REGS");
	int khz = r ? 0 : ioctl(vm->vcpu, KVM_GET_TSC_KHZ, 0);
	if (!r && khz <= 0)
		r = vm_error(err, errlen, "KVM_GET_TSC_KHZ");
	if (!r) {
		vm->layout.tsc_hz = (uint64_t)khz * 1000;
		memcpy(vm->gm.base + UK_GPA_BOOT + offsetof(struct uk_boot, tsc_hz),
		       &vm->layout.tsc_hz, sizeof vm->layout.tsc_hz);
	}
	return r;
}

int vcpu_features(struct vm *vm, struct snap_cpu *ret_cpu, char *err, size_t errlen)
{
	(void)vm;
	if (!cpuid.head.nent) {
		snprintf(err, errlen, "the vCPU has no CPUID yet");
		return -EINVAL;
	}
	snap_cpu_collect(&cpuid.head, ret_cpu);
	return 0;
}

int vcpu_setup_restored(struct vm *vm, const struct snap_cpu *saved, char *err, size_t errlen)
{
	struct snap_cpu host;
	int r = vm->prepared ? 0 : vcpu_prepare(vm, err, errlen);

	r = r ? r : vcpu_features(vm, &host, err, errlen);
	r = r ? r : snap_cpu_check(saved, &host, err, errlen);
	return r ? r : set_msrs(vm, err, errlen);
}
