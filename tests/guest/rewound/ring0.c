/* SPDX-License-Identifier: MIT
 *
 * ring0.c: see ring0.h. #UD is the door: its gate leads to a handler of ours that runs one
 * instruction with the registers it is given. What that instruction does wrong is a #GP, which ours
 * steps over. Ring 0 may run ring 3's pages: these VMs have no SMEP. General registers only in
 * there.
 */
#include "ring0.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "uk_abi.h"
#include "uk_tables.h"

extern char uk__stub_vectors[] __attribute__((visibility("hidden")));

/* What is to be done (one instruction in the table below), on what, and what came of it. */
static volatile struct {
	uint64_t what, rax, rcx, rdx, refused;
} door;

enum {
	RDMSR,
	WRMSR,
	XSETBV,
	GET_DR0,
	GET_DR7 = GET_DR0 + 7,
	SET_DR0,
	SET_DR7 = SET_DR0 + 7,
	GET_CR0,
	GET_CR2,
	GET_CR3,
	GET_CR4,
	SET_CR2,
	NONE
};

void ring0_ud(void);
void ring0_gp(void);

/* Each entry of the table is 8 bytes: the instruction, then a jump to 9. RAX, RCX, RDX as given. */
#define DO(insn) ".balign 8\n" insn "\njmp 9f\n"
#define DRS(n)	 "mov %dr" #n ", %rax"
#define SDR(n)	 "mov %rax, %dr" #n

__asm__(".text\n"
	"ring0_ud:\n"
	"testb $3, 8(%rsp)\n"
	"jnz 3f\n"
	"movq $1, 32(%rbx)\n" /* there is no such instruction in ring 0 either */
	"push %rax\n"
	"lea 9f(%rip), %rax\n"
	"mov %rax, 8(%rsp)\n"
	"pop %rax\n"
	"iretq\n"
	"3:\n"
	"push %rax\n push %rcx\n push %rdx\n push %rbx\n"
	"lea door(%rip), %rbx\n"
	"movq $0, 32(%rbx)\n"
	"mov (%rbx), %rcx\n"
	"lea 1f(%rip), %rdx\n"
	"lea (%rdx, %rcx, 8), %rdx\n"
	"push %rdx\n"
	"mov 8(%rbx), %rax\n mov 16(%rbx), %rcx\n mov 24(%rbx), %rdx\n"
	"ret\n" /* to the entry */
	".balign 8\n 1:\n" DO("rdmsr") DO("wrmsr") DO("xsetbv") DO(DRS(0)) DO(DRS(1)) DO(DRS(2))
		DO(DRS(3)) DO("nop") DO("nop") DO(DRS(6)) DO(DRS(7)) DO(SDR(0)) DO(SDR(1))
			DO(SDR(2)) DO(SDR(3)) DO("nop") DO("nop") DO(SDR(6)) DO(SDR(7))
				DO("mov %cr0, %rax") DO("mov %cr2, %rax") DO("mov %cr3, %rax")
					DO("mov %cr4, %rax") DO("mov %rax, %cr2") DO(
						"nop") "9: mov %rax, 8(%rbx)\n mov %rdx, 24(%rbx)\n"
						       "pop %rbx\n pop %rdx\n pop %rcx\n pop %rax\n"
						       "addq $2, (%rsp)\n" /* past UD2 */
						       "iretq\n"
						       /* error code, RIP, CS */
						       "ring0_gp:\n"
						       "testb $3, 16(%rsp)\n"
						       "jnz 2f\n"
						       "movq $1, 32(%rbx)\n"
						       "push %rax\n"
						       "lea 9b(%rip), %rax\n"
						       "mov %rax, 16(%rsp)\n"
						       "pop %rax\n"
						       "add $8, %rsp\n"
						       "iretq\n"
						       "2: jmp *ring0_old_gp(%rip)\n");

__attribute__((used)) static uint64_t ring0_old_gp;

static bool knock(unsigned what, uint64_t rax, uint64_t rcx, uint64_t rdx)
{
	door.what = what;
	door.rax = rax;
	door.rcx = rcx;
	door.rdx = rdx;
	__asm__ volatile("ud2" : : : "memory");
	return !door.refused;
}

static void set_gate(uint8_t *page, unsigned vec, void (*fn)(void))
{
	uint64_t *idt = (uint64_t *)(void *)(page + UK_SYS_IDT), at = (uint64_t)fn;

	idt[2 * vec] = (at & 0xffff) | (uint64_t)UK_SEL_KCS << 16 | UINT64_C(0x8e00) << 32 |
		       (at >> 16 & 0xffff) << 48;
	idt[2 * vec + 1] = at >> 32;
}

bool ring0_enter(void)
{
	static uint8_t page[UK_PAGE] __attribute__((aligned(UK_PAGE)));
	off_t at;
	int fd = open("/dev/vda", O_RDWR | O_DIRECT);

	if (fd < 0)
		return false;
	ring0_old_gp = (uint64_t)uk__stub_vectors + 13 * 16;
	uk_sys_build(page, (uint64_t)uk__stub_vectors, 16);
	set_gate(page, 6, ring0_ud);
	set_gate(page, 13, ring0_gp);
	at = lseek(fd, 0, SEEK_END) - UK_PAGE;
	bool ok = pwrite(fd, page, UK_PAGE, at) == UK_PAGE &&
		  pread(fd, (void *)UK_GPA_SYS, UK_PAGE, at) == UK_PAGE;

	close(fd);
	return ok && knock(NONE, 0, 0, 0);
}

/* --- registers --- */

static const struct {
	uint32_t from, n;
} msrs[] = {
	{0x11, 2},	 {0x3a, 2},	  {0x48, 2},	   {0x140, 1},	    {0x174, 7},
	{0x186, 2},	 {0x199, 9},	  {0x1d9, 1},	   {0x1fc, 1},	    {0x200, 16},
	{0x250, 1},	 {0x258, 2},	  {0x268, 8},	   {0x277, 1},	    {0x2ff, 1},
	{0x38d, 5},	 {0x400, 8},	  {0x800, 0x40},   {0xd90, 1},	    {0xda0, 1},
	{0x40000000, 4}, {0x40000070, 4}, {0x4b564d00, 8}, {0xc0000080, 5}, {0xc0000100, 5},
	{0xc0010000, 8}, {0xc0010015, 1}, {0xc001011f, 1},
};
#define EACH_MSR(m)                                                  \
	for (unsigned i_ = 0; i_ < sizeof msrs / sizeof *msrs; i_++) \
		for (uint32_t m = msrs[i_].from; m < msrs[i_].from + msrs[i_].n; m++)

static bool get(uint32_t m, uint64_t *ret)
{
	bool ok = knock(RDMSR, 0, m, 0);

	*ret = (door.rdx & 0xffffffff) << 32 | (door.rax & 0xffffffff);
	return ok;
}

static bool set(uint32_t m, uint64_t v)
{
	return knock(WRMSR, v & 0xffffffff, m, v >> 32);
}

/* Those that go by themselves, and those without which nothing goes on. */
static bool skip(uint32_t m)
{
	static const uint32_t not [] = {0x10,	    0x1b,	0xe7,	    0xe8,	0x80b,
					0x80f,	    0x830,	0x832,	    0x838,	0x839,
					0x83f,	    0xc0000080, 0xc0000100, 0x40000010, 0x40000020,
					0x40000021, 0x4b564d00};

	for (unsigned i = 0; i < sizeof not / sizeof *not ; i++)
		if (not [i] == m)
			return true;
	return m >= 0x808 && m <= 0x80d;
}

static unsigned mark_msr(uint32_t m)
{
	static const uint64_t flip[] = {0x00000badcafe0000, 0x1000, 0x10, 4, 2, 1};
	uint64_t old, now;

	if (!get(m, &old))
		return 0;
	for (unsigned i = 0; i < sizeof flip / sizeof *flip; i++)
		if (set(m, old ^ flip[i]) && get(m, &now) && now != old)
			return 1;
	return 0;
}

unsigned ring0_mark(void)
{
	unsigned n = 0;

	EACH_MSR(m)
	if (!skip(m))
		n += mark_msr(m);
	for (unsigned i = 0; i < 4; i++)
		n += knock(SET_DR0 + i, 0x1000badcafe0 + i, 0, 0);
	n += knock(SET_DR0 + 6, 0xffff0ff1, 0, 0);
	n += knock(SET_DR7, 0x400, 0, 0);
	n += knock(SET_CR2, 0x1badcafe, 0, 0);
	n += knock(XSETBV, 1, 0, 0);
	set(0x6e0, UINT64_C(0x7fffffffffffffff));
	return n;
}

#define PUT(...) (n += (size_t)snprintf(text + n, cap - n, __VA_ARGS__))

size_t ring0_print(char *text, size_t cap)
{
	uint64_t v;
	uint32_t a = 0, d = 0;
	size_t n = 0;

	EACH_MSR(m)
	if (!skip(m) && get(m, &v) && n + 64 < cap)
		PUT("msr.%x %lx\n", m, v);
	for (unsigned i = 0; i < 8; i++)
		if (i != 4 && i != 5 && knock(GET_DR0 + i, 0, 0, 0))
			PUT("dr%u %lx\n", i, door.rax);
	static const char *const cr[] = {"cr0", "cr2", "cr3", "cr4"};

	for (unsigned i = 0; i < 4; i++)
		if (knock(GET_CR0 + i, 0, 0, 0))
			PUT("%s %lx\n", cr[i], door.rax);
	if (knock(GET_CR4, 0, 0, 0) && door.rax >> 18 & 1) {
		__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
		PUT("xcr0 %x\n", a);
	}
	return n;
}
