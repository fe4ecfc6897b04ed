/* SPDX-License-Identifier: MIT
 *
 * crash: dies in the way that argv[1] names. The monitor must say why and where, end with 134 and
 * never hang; QEMU passes on the library OS's own report. Reaching the end of main is the failure.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char constant[] = "read-only";

/* Kept out of line so that the backtrace has names to show. */
static __attribute__((noinline, noclone)) int overflow(volatile char *above, int depth)
{
	volatile char frame[4096];

	frame[0] = above ? above[0] : 1;
	if (depth < 0) /* never: keeps the compiler from seeing an endless recursion */
		return 0;
	return overflow(frame, depth + 1) + frame[0];
}

static __attribute__((noinline, noclone)) void write_to(uintptr_t where)
{
	*(volatile int *)where = 1;
}

static __attribute__((noinline, noclone)) void jump_to(uintptr_t where)
{
	((void (*)(void))where)();
}

static __attribute__((noinline, noclone)) int divide(volatile int by)
{
	return 1000 / by; /* not 1: that needs no division */
}

int main(int argc, char *argv[])
{
	const char *how = argc > 1 ? argv[1] : "";
	static unsigned char code[16] = {0xc3};

	printf("about to: %s\n", how);
	if (!strcmp(how, "null-write"))
		write_to(8);
	else if (!strcmp(how, "null-call"))
		jump_to(0);
	else if (!strcmp(how, "text-write"))
		write_to((uintptr_t)main);
	else if (!strcmp(how, "const-write"))
		write_to((uintptr_t)constant);
	else if (!strcmp(how, "data-exec"))
		jump_to((uintptr_t)code);
	else if (!strcmp(how, "heap-exec"))
		jump_to((uintptr_t)memset(malloc(64), 0xc3, 64));
	else if (!strcmp(how, "stack-overflow"))
		return overflow(NULL, 0);
	else if (!strcmp(how, "divide"))
		return divide(0);
	else if (!strcmp(how, "undefined"))
		__builtin_trap();
	else if (!strcmp(how, "breakpoint"))
		__asm__ volatile("int3");
	else if (!strcmp(how, "privileged"))
		__asm__ volatile("mov %%cr3, %%rax" : : : "rax");
	else if (!strcmp(how, "syscall"))
		__asm__ volatile("syscall" : : "a"(60), "D"(0) : "rcx", "r11", "memory");
	else if (!strcmp(how, "wild"))
		write_to(UINT64_C(0x123456789000));
	else if (!strcmp(how, "non-canonical"))
		write_to(UINT64_C(0x8000000000000000));
	else if (!strcmp(how, "page-tables"))
		write_to(0x4000);
	else if (!strcmp(how, "system-page"))
		write_to(0x2000);
	else if (!strcmp(how, "misaligned-sse"))
		__asm__ volatile("movaps 1(%%rsp), %%xmm0" : : : "xmm0");
	else if (!strcmp(how, "no-stack"))
		__asm__ volatile("xor %%esp, %%esp; push %%rax" : : : "memory");
	puts("still alive");
	return 0;
}
