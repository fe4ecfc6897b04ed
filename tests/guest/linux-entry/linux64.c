/* SPDX-License-Identifier: MIT
 *
 * linux64.c IMAGE [COMMAND LINE]: boots an image by the Linux 64-bit entry, as Firecracker does:
 * long mode, ring 0, an identity map, RSI = boot_params with an e820 map (Linux
 * Documentation/arch/x86/boot.rst, "64-bit boot protocol"). A serial port that is always ready, an
 * exit port, KVM's interrupt controllers; no devices. The exit status is the guest's, 125 when it
 * did something else. For tests: one thread, trusts its arguments.
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM	   (32u << 20)
#define GPA_GDT	   0x500u
#define GPA_PARAMS 0x7000u
#define GPA_PML4   0x9000u /* and a PDPT, and a PD behind it, as Firecracker has them */
#define GPA_CMD	   0x20000u
#define NCPUID	   100

static uint8_t *ram;

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(125);
}

static void put64(uint64_t gpa, uint64_t v)
{
	memcpy(ram + gpa, &v, sizeof v);
}

static int call(int fd, unsigned long request, uintptr_t arg, const char *what)
{
	int r = ioctl(fd, request, arg);

	if (r < 0)
		fail(what);
	return r;
}

/* The entry point. */
static uint64_t load(const char *path)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, &eh, sizeof eh, 0) != sizeof eh)
		fail(path);
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		off_t at = (off_t)(eh.e_phoff + i * sizeof ph);

		if (pread(fd, &ph, sizeof ph, at) != sizeof ph)
			fail(path);
		if (ph.p_type != PT_LOAD)
			continue;
		if (ph.p_paddr + ph.p_memsz > RAM ||
		    pread(fd, ram + ph.p_paddr, ph.p_filesz, (off_t)ph.p_offset) !=
			    (ssize_t)ph.p_filesz)
			fail(path);
	}
	close(fd);
	return eh.e_entry;
}

static void e820(unsigned i, uint64_t addr, uint64_t size)
{
	uint64_t at = GPA_PARAMS + 0x2d0 + 20 * i;

	put64(at, addr);
	put64(at + 8, size);
	ram[at + 16] = 1;
	ram[GPA_PARAMS + 0x1e8] = (uint8_t)(i + 1);
}

static void write_params(const char *cmdline)
{
	e820(0, 0, 0x9fc00);
	e820(1, 0x100000, RAM - 0x100000);
	put64(GPA_PARAMS + 0x228, GPA_CMD);
	snprintf((char *)ram + GPA_CMD, 4096, "%s", cmdline);
	put64(GPA_PML4, (GPA_PML4 + 0x1000) | 3);
	put64(GPA_PML4 + 0x1000, (GPA_PML4 + 0x2000) | 3);
	for (uint64_t i = 0; i < 512; i++)
		put64(GPA_PML4 + 0x2000 + 8 * i, i << 21 | 0x83);
	put64(GPA_GDT + 8, 0x00af9b000000ffff);
	put64(GPA_GDT + 16, 0x00cf93000000ffff);
}

static void set_registers(int vcpu, uint64_t entry)
{
	struct kvm_regs r = {.rip = entry, .rsi = GPA_PARAMS, .rflags = 2, .rsp = 0x8ff0};
	struct kvm_sregs s;
	struct kvm_segment cs = {.selector = 8, .limit = 0xfffff, .type = 11, .present = 1};

	call(vcpu, KVM_GET_SREGS, (uintptr_t)&s, "KVM_GET_SREGS");
	cs.s = cs.l = cs.g = 1;
	s.cs = cs;
	cs.selector = 16;
	cs.type = 3;
	cs.l = 0;
	cs.db = 1;
	s.ds = s.es = s.fs = s.gs = s.ss = cs;
	s.gdt.base = GPA_GDT;
	s.gdt.limit = 23;
	s.cr0 = 0x80000011;
	s.cr3 = GPA_PML4;
	s.cr4 = 0x20;
	s.efer = 0x500;
	call(vcpu, KVM_SET_SREGS, (uintptr_t)&s, "KVM_SET_SREGS");
	call(vcpu, KVM_SET_REGS, (uintptr_t)&r, "KVM_SET_REGS");
}

/* The guest's exit status, or -1: go on. */
static int port(const struct kvm_run *run)
{
	uint8_t *p = (uint8_t *)(uintptr_t)run + run->io.data_offset;

	if (run->io.direction == KVM_EXIT_IO_IN) {
		memset(p, run->io.port == 0x3fd ? 0x60 : 0xff, run->io.size);
		return -1;
	}
	if (run->io.port == 0x3f8)
		putchar(*p);
	return run->io.port == 0x501 ? *p : -1;
}

static int run_guest(int vcpu, struct kvm_run *run)
{
	for (;;) {
		int status = -1;

		call(vcpu, KVM_RUN, 0, "KVM_RUN");
		if (run->exit_reason == KVM_EXIT_IO)
			status = port(run);
		else if (run->exit_reason != KVM_EXIT_MMIO) /* an I/O APIC that is not there */
			status = 125;
		if (status == 125)
			fprintf(stderr, "linux64: KVM exit %u\n", run->exit_reason);
		if (status >= 0)
			return status;
	}
}

int main(int argc, char **argv)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[NCPUID];
	} cpuid = {.head.nent = NCPUID};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0 || argc < 2)
		fail("/dev/kvm");
	ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ram == MAP_FAILED)
		fail("mmap");
	uint64_t entry = load(argv[1]);

	write_params(argc > 2 ? argv[2] : "");
	int vm = call(kvm, KVM_CREATE_VM, 0, "KVM_CREATE_VM");
	struct kvm_userspace_memory_region mem = {.memory_size = RAM,
						  .userspace_addr = (uintptr_t)ram};

	call(vm, KVM_CREATE_IRQCHIP, 0, "KVM_CREATE_IRQCHIP");
	call(vm, KVM_SET_USER_MEMORY_REGION, (uintptr_t)&mem, "KVM_SET_USER_MEMORY_REGION");
	int vcpu = call(vm, KVM_CREATE_VCPU, 0, "KVM_CREATE_VCPU");
	size_t size = (size_t)call(kvm, KVM_GET_VCPU_MMAP_SIZE, 0, "KVM_GET_VCPU_MMAP_SIZE");
	struct kvm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	if (run == MAP_FAILED)
		fail("mmap");
	call(kvm, KVM_GET_SUPPORTED_CPUID, (uintptr_t)&cpuid, "KVM_GET_SUPPORTED_CPUID");
	call(vcpu, KVM_SET_CPUID2, (uintptr_t)&cpuid, "KVM_SET_CPUID2");
	set_registers(vcpu, entry);
	return run_guest(vcpu, run);
}
