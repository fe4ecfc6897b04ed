/* SPDX-License-Identifier: MIT
 *
 * foreign_hw.c: CPU, APICs and clocks under a foreign VMM (see foreign.h). Ring 0, general
 * registers only, before interrupts are ever enabled. Sources: Intel SDM vol. 3, 2.5 (control
 * registers), 11 (APIC), 18.17 (TSC); KVM Documentation/virt/kvm/x86/cpuid.rst; MC146818 data sheet
 * for the wall clock.
 */
#include "arch/x86_64/foreign.h"

#include "uk_tables.h"

#define LAPIC  UINT64_C(0xfee00000)
#define IOAPIC UINT64_C(0xfec00000)

struct cpuid {
	uint32_t a, b, c, d;
};

static struct cpuid cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
			 : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
			 : "a"(leaf), "c"(sub));
	return r;
}

static uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
			 : "memory");
}

static uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static void w32(uint64_t at, uint32_t v)
{
	*(volatile uint32_t *)at = v;
}

static uint32_t r32(uint64_t at)
{
	return *(volatile uint32_t *)at;
}

static void seed(struct uk_boot *boot, int has_rdrand)
{
	uint64_t x = rdtsc();

	for (unsigned i = 0; i < sizeof boot->seed; i++) {
		uint64_t r = 0;

		if (has_rdrand && i % 8 == 0)
			__asm__ volatile("rdrand %0" : "=r"(r) : : "cc");
		x = (x ^ r) * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407) +
		    rdtsc();
		boot->seed[i] = (uint8_t)(x >> 56);
	}
}

const char *uk__foreign_cpu(struct uk_boot *boot)
{
	struct cpuid one = cpuid(1, 0), seven = cpuid(7, 0);
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdtr = {UK_GDT_BYTES - 1, UK_GPA_SYS},
				  idtr = {UK_IDT_BYTES - 1, UK_GPA_SYS + UK_SYS_IDT};
	uint64_t cr0, cr4;

	if (!(seven.b & 1))
		return "the CPU model lacks FSGSBASE: use -cpu host or -cpu max";
	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	cr0 = (cr0 & ~UINT64_C(0x6000000c)) | 0x10022; /* no CD NW EM TS; WP NE MP */
	cr4 |= 0x600 | 0x10000;			       /* OSFXSR OSXMMEXCPT FSGSBASE */
	if (one.c & 1u << 26)
		cr4 |= 0x40000; /* OSXSAVE */
	__asm__ volatile("mov %0, %%cr0" : : "r"(cr0));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
	if (one.c & 1u << 26) {
		uint32_t x = cpuid(0xd, 0).a & 7;

		__asm__ volatile("xsetbv" : : "c"(0), "a"(x), "d"(0));
	}
	__asm__ volatile("lgdt %0; lidt %1" : : "m"(gdtr), "m"(idtr));
	__asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:\n"
			 "mov %1, %%ss; mov %2, %%ds; mov %2, %%es; ltr %w3"
			 :
			 : "i"(UK_SEL_KCS), "r"(UK_SEL_KSS), "r"(UK_SEL_USS), "r"(UK_SEL_TSS)
			 : "rax", "memory");
	seed(boot, one.c >> 30 & 1);
	return 0;
}

void uk__foreign_apic(struct uk_boot *boot)
{
	struct cpuid one = cpuid(1, 0);
	uint64_t base = rdmsr(0x1b) | 0x800;
	uint32_t timer = UK_VEC_TIMER;

	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	if (one.c & 1u << 24) {
		boot->flags |= UK_BOOT_TSC_DEADLINE;
		timer |= 2u << 17;
	}
	if (one.c & 1u << 21) {
		boot->flags |= UK_BOOT_X2APIC;
		wrmsr(0x1b, base);
		wrmsr(0x1b, base | 0x400);
		wrmsr(0x80f, 0x100 | UK_VEC_SPUR);
		wrmsr(0x808, 0);
		wrmsr(0x83e, 0xb); /* divide by 1 */
		wrmsr(0x832, timer);
		return;
	}
	wrmsr(0x1b, base);
	w32(LAPIC + 0xf0, 0x100 | UK_VEC_SPUR);
	w32(LAPIC + 0x80, 0);
	w32(LAPIC + 0x3e0, 0xb);
	w32(LAPIC + 0x320, timer);
}

void uk__foreign_route(uint32_t gsi, uint32_t vector)
{
	uint64_t io = IOAPIC;

	if (gsi >= 24) { /* QEMU microvm's second I/O APIC */
		io += 0x10000;
		gsi -= 24;
	}
	w32(io, 0x10 + 2 * gsi + 1);
	w32(io + 0x10, 0); /* to APIC id 0 */
	w32(io, 0x10 + 2 * gsi);
	w32(io + 0x10, vector);
}

/* What KVM writes where MSR_KVM_SYSTEM_TIME_NEW points: Documentation/virt/kvm/x86/msr.rst. */
struct pvclock {
	uint32_t version, pad0;
	uint64_t tsc_timestamp, system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags, pad[2];
};

/* TSC Hz from KVM's clock page, 0 without one. */
static uint64_t kvmclock_rate(void)
{
	static struct pvclock clock __attribute__((aligned(64)));
	const volatile struct pvclock *c = &clock;
	struct cpuid kvm = cpuid(0x40000000, 0);

	if (kvm.b != 0x4b4d564b || kvm.c != 0x564b4d56 || kvm.d != 0x4d || kvm.a < 0x40000001 ||
	    !(cpuid(0x40000001, 0).a & 8))
		return 0;
	wrmsr(0x4b564d01, (uint64_t)c | 1);
	uint32_t mul = c->version ? c->tsc_to_system_mul : 0;
	int shift = (int)c->tsc_shift;

	wrmsr(0x4b564d01, 0);
	if (!mul || shift < -31 || shift > 31)
		return 0;
	uint64_t hz = (UINT64_C(1000000000) << 32) / mul;
	return shift < 0 ? hz << -shift : hz >> shift;
}

/* TSC Hz: what the hypervisor says, else counted against 10 ms of the APIC timer, which KVM and
 * QEMU run at 1 GHz. */
static uint64_t tsc_rate(const struct uk_boot *boot)
{
	int x2 = !!(boot->flags & UK_BOOT_X2APIC);

	if (cpuid(0x40000000, 0).a >= 0x40000010 && cpuid(0x40000010, 0).a)
		return cpuid(0x40000010, 0).a * UINT64_C(1000);
	uint64_t hz = kvmclock_rate();
	if (hz)
		return hz;
	if (x2) {
		wrmsr(0x832, 0x10000 | UK_VEC_TIMER);
		wrmsr(0x838, UINT32_MAX);
	} else {
		w32(LAPIC + 0x320, 0x10000 | UK_VEC_TIMER);
		w32(LAPIC + 0x380, UINT32_MAX);
	}
	uint64_t t0 = rdtsc(), ns = 0;
	while (ns < 10000000)
		ns = UINT32_MAX - (x2 ? (uint32_t)rdmsr(0x839) : r32(LAPIC + 0x390));
	uint64_t ticks = rdtsc() - t0;
	uint32_t timer = UK_VEC_TIMER | (boot->flags & UK_BOOT_TSC_DEADLINE ? 2u << 17 : 0);
	if (x2) {
		wrmsr(0x838, 0);
		wrmsr(0x832, timer);
	} else {
		w32(LAPIC + 0x380, 0);
		w32(LAPIC + 0x320, timer);
	}
	return ticks * UINT64_C(1000000000) / ns;
}

static unsigned cmos(uint8_t reg)
{
	outb(0x70, reg);
	unsigned v = inb(0x71);

	return (v >> 4) * 10 + (v & 15);
}

/* Seconds since 1970 from the CMOS clock, 0 when there is none. */
static uint64_t wall_seconds(void)
{
	static const uint16_t before[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};

	for (int tries = 0; tries < 100000; tries++) {
		outb(0x70, 0x0a);
		uint8_t a = inb(0x71);
		if (a == 0xff)
			return 0;
		if (a & 0x80)
			continue;
		unsigned s = cmos(0), m = cmos(2), h = cmos(4), d = cmos(7), mo = cmos(8),
			 y = 2000 + cmos(9);
		if (s != cmos(0))
			continue;
		if (mo < 1 || mo > 12 || d < 1 || d > 31)
			return 0;
		uint64_t days = (y - 1970) * 365 + (y - 1969) / 4 + before[mo - 1] + d - 1;
		if (mo > 2 && y % 4 == 0)
			days++;
		return days * 86400 + h * 3600 + m * 60 + s;
	}
	return 0;
}

void uk__foreign_clock(struct uk_boot *boot)
{
	boot->tsc_hz = tsc_rate(boot);
	boot->wall0 = wall_seconds() * UINT64_C(1000000000);
	boot->tsc0 = rdtsc();
	boot->mono0 = UINT64_C(
		1000000000); /* no host clock to agree with: one second after an imaginary boot */
}
