/* SPDX-License-Identifier: MIT
 *
 * kvm_floor.c: the least that a program can do with KVM and still have run a guest: open, create,
 * map 16 MiB, one vCPU with the host's CPUID and a local APIC, enter at ring 3 in 64-bit mode, one
 * MMIO exit, close. The floor under the boot benchmark. Status 0 when the guest's store arrived.
 * Trusts KVM; one thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEM_SIZE  (16u << 20)
#define GPA_PT	  0x1000u /* four tables, one page each: the first 2 MiB by pages, all user */
#define GPA_CODE  0x10000u
#define GPA_MMIO  0xd0000000u
#define VA_MMIO	  0x70000u
#define CPUID_MAX 256
#define PIC_PINS  24

/* movl $1, VA_MMIO */
static const uint8_t code[] = {0xc7, 0x04, 0x25, 0x00, 0x00, 0x07, 0x00, 0x01, 0x00, 0x00, 0x00};

static struct {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[CPUID_MAX];
} cpuid = {.head = {.nent = CPUID_MAX}};

static int fail(const char *what)
{
	fprintf(stderr, "kvm_floor: %s: %s\n", what, strerror(errno));
	return 1;
}

static void put64(uint8_t *mem, uint32_t gpa, uint64_t v)
{
	memcpy(mem + gpa, &v, sizeof(v));
}

/* Only the entries that the one instruction needs: every page that is touched costs a fault. */
static void fill_memory(uint8_t *mem)
{
	uint32_t pte = GPA_PT + 3 * 4096;

	for (uint32_t level = 0; level < 3; level++)
		put64(mem, GPA_PT + level * 4096, (GPA_PT + (level + 1) * 4096) | 7);
	put64(mem, pte + (GPA_CODE >> 12) * 8, GPA_CODE | 7);
	put64(mem, pte + (VA_MMIO >> 12) * 8, (uint64_t)GPA_MMIO | 7);
	memcpy(mem + GPA_CODE, code, sizeof(code));
}

static int set_registers(int vcpu)
{
	struct kvm_segment cs = {.limit = ~0u,
				 .selector = 0x33,
				 .type = 11,
				 .present = 1,
				 .dpl = 3,
				 .s = 1,
				 .l = 1,
				 .g = 1};
	struct kvm_segment ss = {.limit = ~0u,
				 .selector = 0x2b,
				 .type = 3,
				 .present = 1,
				 .dpl = 3,
				 .s = 1,
				 .db = 1,
				 .g = 1};
	struct kvm_segment tr = {.limit = 0x67, .selector = 0x40, .type = 11, .present = 1};
	struct kvm_regs regs = {.rip = GPA_CODE, .rflags = 2};
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -1;
	sregs.cs = cs;
	sregs.ss = sregs.ds = sregs.es = sregs.fs = sregs.gs = ss;
	sregs.tr = tr;
	sregs.cr3 = GPA_PT;
	sregs.cr4 = 0x20;	/* PAE */
	sregs.cr0 = 0x80050033; /* PG, AM, WP, NE, ET, MP, PE */
	sregs.efer = 0x500;	/* LMA, LME */
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0)
		return -1;
	return ioctl(vcpu, KVM_SET_REGS, &regs);
}

static int run_once(int vcpu, size_t run_size)
{
	struct kvm_run *run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	if (run == MAP_FAILED)
		return fail("mmap of the vCPU");
	if (ioctl(vcpu, KVM_RUN, 0) < 0)
		return fail("KVM_RUN");
	if (run->exit_reason != KVM_EXIT_MMIO || run->mmio.phys_addr != GPA_MMIO ||
	    run->mmio.data[0] != 1) {
		fprintf(stderr, "kvm_floor: exit reason %u\n", run->exit_reason);
		return 1;
	}
	return 0;
}

int main(void)
{
	struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {PIC_PINS}};
	struct kvm_userspace_memory_region region = {.memory_size = MEM_SIZE};
	int kvm, vm, vcpu, run_size;
	uint8_t *mem;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		return fail("/dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		return fail("KVM_CREATE_VM");
	if (ioctl(vm, KVM_ENABLE_CAP, &split) < 0)
		return fail("KVM_CAP_SPLIT_IRQCHIP");
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return fail("mmap of guest memory");
	/* A host that hands out huge pages unasked would clear 2 MiB for the five pages touched
	 * here. */
	madvise(mem, MEM_SIZE, MADV_NOHUGEPAGE);
	fill_memory(mem);
	region.userspace_addr = (uintptr_t)mem;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return fail("KVM_SET_USER_MEMORY_REGION");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return fail("KVM_CREATE_VCPU");
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) < 0 ||
	    ioctl(vcpu, KVM_SET_CPUID2, &cpuid) < 0)
		return fail("CPUID");
	run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (run_size < 0 || set_registers(vcpu) < 0)
		return fail("registers");
	if (run_once(vcpu, (size_t)run_size))
		return 1;
	close(vcpu);
	close(vm);
	close(kvm);
	return 0;
}
