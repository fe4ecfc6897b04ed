/* SPDX-License-Identifier: MIT
 *
 * ns_clone_x86_64.c: clone3 on a stack of its own, for which the C library has no call.
 */
#include <sys/syscall.h>

#include "jailer/ns.h"

long ns_clone3(struct clone_args *args, int (*fn)(void *arg), void *arg)
{
	long ret;

	/* The child comes back with all registers but rax, rsp, rcx and r11, and must not return
	 * from here: its stack is empty. */
	__asm__ volatile(
		"syscall\n\t"
		"test %%rax, %%rax\n\t"
		"jnz 1f\n\t"
		"mov %[arg], %%rdi\n\t"
		"call *%[fn]\n\t"
		"mov %%eax, %%edi\n\t"
		"mov %[exit], %%eax\n\t"
		"syscall\n\t"
		"hlt\n"
		"1:"
		: "=a"(ret)
		: "0"(SYS_clone3), "D"(args),
		  "S"(sizeof *args), [fn] "r"(fn), [arg] "r"(arg), [exit] "i"(SYS_exit_group)
		: "rcx", "r11", "memory", "cc");
	return ret;
}
