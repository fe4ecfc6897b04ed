/* SPDX-License-Identifier: MIT
 *
 * kvm-probe.c: does this machine's /dev/kvm do what the monitor stands on? Prints the capabilities,
 * runs a few instructions in long mode at ring 3 until an MMIO store and a doorbell caught by an
 * ioeventfd, and measures one exit. Status 0 = usable, 1 = not (the reason is printed). One thread,
 * trusts nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MEM	0x200000u
#define GPA_GDT 0x1000u
#define GPA_PT	0x2000u /* 4 levels, one page each, then the second leaf table of the MMIO page */
#define GPA_COD 0x10000u
#define GPA_IO	0xd0000000u
#define VA_IO	0x70000u

/*
 *   mov $VA_IO, %ebx; mov %cs, %ecx
 * 1: mov %ecx, (%rbx); movl $0, 0x50(%rbx); jmp 1b
 */
static const uint8_t code[] = {0xbb, 0x00, 0x00, 0x07, 0x00, 0x8c, 0xc9, 0x89, 0x0b,
			       0xc7, 0x43, 0x50, 0x00, 0x00, 0x00, 0x00, 0xeb, 0xf5};

static const struct {
	const char *name;
	int cap;
	int needed;
} caps[] = {
	{"SPLIT_IRQCHIP", KVM_CAP_SPLIT_IRQCHIP, 1},
	{"IMMEDIATE_EXIT", KVM_CAP_IMMEDIATE_EXIT, 1},
	{"IOEVENTFD", KVM_CAP_IOEVENTFD, 1},
	{"IRQFD", KVM_CAP_IRQFD, 1},
	{"IRQ_ROUTING", KVM_CAP_IRQ_ROUTING, 1},
	{"READONLY_MEM", KVM_CAP_READONLY_MEM, 1},
	{"TSC_DEADLINE_TIMER", KVM_CAP_TSC_DEADLINE_TIMER, 0},
	{"GET_TSC_KHZ", KVM_CAP_GET_TSC_KHZ, 1},
	{"TSC_CONTROL", KVM_CAP_TSC_CONTROL, 0},
	{"SYNC_REGS", KVM_CAP_SYNC_REGS, 0},
	{"X2APIC_API", KVM_CAP_X2APIC_API, 0},
	{"NR_MEMSLOTS", KVM_CAP_NR_MEMSLOTS, 1},
};

static int fail(const char *what)
{
	printf("kvm-probe: %s: %s\n", what, strerror(errno));
	return 1;
}

static void put64(uint8_t *mem, uint32_t gpa, uint64_t v)
{
	memcpy(mem + gpa, &v, sizeof(v));
}

/* Identity map of the first 2 MiB by 4 KiB pages, user; VA_IO leads to GPA_IO. */
static void build_tables(uint8_t *mem)
{
	for (uint32_t level = 0; level < 3; level++)
		put64(mem, GPA_PT + level * 4096, (GPA_PT + (level + 1) * 4096) | 7);
	for (uint32_t i = 0; i < 512; i++)
		put64(mem, GPA_PT + 3 * 4096 + i * 8, i * 4096 | 7);
	put64(mem, GPA_PT + 3 * 4096 + (VA_IO >> 12) * 8, GPA_IO | 7);
}

static int set_registers(int vcpu)
{
	struct kvm_sregs s;
	struct kvm_regs r = {.rip = GPA_COD, .rflags = 0x202, .rsp = 0x20000};
	struct kvm_segment cs = {.selector = 0x33,
				 .limit = 0xffffffff,
				 .type = 11,
				 .present = 1,
				 .dpl = 3,
				 .s = 1,
				 .l = 1,
				 .g = 1};
	struct kvm_segment ds = cs;

	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		return -errno;
	ds.selector = 0x2b;
	ds.type = 3;
	ds.l = 0;
	ds.db = 1;
	s.cs = cs;
	s.ds = s.es = s.ss = s.fs = s.gs = ds;
	s.cr3 = GPA_PT;
	s.cr0 = 0x80050033;
	s.cr4 = 0x620;
	s.efer = 0xd00;
	if (ioctl(vcpu, KVM_SET_SREGS, &s) || ioctl(vcpu, KVM_SET_REGS, &r))
		return -errno;
	return 0;
}

static int run_guest(int vcpu, struct kvm_run *run, int doorbell)
{
	struct timespec a, b;
	uint64_t rings = 0;

	for (int i = 0; i < 1000; i++) {
		if (i == 1)
			clock_gettime(CLOCK_MONOTONIC, &a);
		if (ioctl(vcpu, KVM_RUN, 0) < 0)
			return fail("KVM_RUN");
		if (run->exit_reason != KVM_EXIT_MMIO || run->mmio.phys_addr != GPA_IO ||
		    run->mmio.data[0] != 0x33) {
			printf("kvm-probe: exit %u at 0x%llx instead of the MMIO store of CS\n",
			       run->exit_reason, (unsigned long long)run->mmio.phys_addr);
			return 1;
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	if (read(doorbell, &rings, sizeof(rings)) != sizeof(rings) || rings != 999) {
		printf("kvm-probe: the ioeventfd counted %llu of 999\n", (unsigned long long)rings);
		return 1;
	}
	printf("ring 3, MMIO exits and ioeventfd work; exit + ioeventfd kick: %.1f us\n",
	       ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 999e3);
	return 0;
}

int main(void)
{
	struct kvm_userspace_memory_region reg = {.memory_size = MEM};
	struct kvm_ioeventfd ioev = {
		.addr = GPA_IO + 0x50, .len = 4, .flags = KVM_IOEVENTFD_FLAG_DATAMATCH};
	struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {24}};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm, vcpu, missing = 0;
	struct kvm_run *run;
	uint8_t *mem;

	if (kvm < 0)
		return fail("/dev/kvm");
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		int v = ioctl(kvm, KVM_CHECK_EXTENSION, caps[i].cap);

		printf("%s=%d\n", caps[i].name, v);
		missing |= caps[i].needed && v <= 0;
	}
	if (missing) {
		puts("kvm-probe: a needed capability is missing");
		return 1;
	}
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0 || ioctl(vm, KVM_ENABLE_CAP, &split))
		return fail("VM with split irqchip");
	mem = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return fail("mmap");
	build_tables(mem);
	memcpy(mem + GPA_COD, code, sizeof(code));
	reg.userspace_addr = (uintptr_t)mem;
	ioev.fd = eventfd(0, EFD_CLOEXEC);
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &reg) || ioctl(vm, KVM_IOEVENTFD, &ioev))
		return fail("memory and ioeventfd");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0 || set_registers(vcpu))
		return fail("vCPU");
	printf("TSC_KHZ=%d\n", ioctl(vcpu, KVM_GET_TSC_KHZ, 0));
	run = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		   MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		return fail("kvm_run");
	return run_guest(vcpu, run, ioev.fd);
}
