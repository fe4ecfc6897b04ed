/* SPDX-License-Identifier: MIT
 *
 * The thread pointer is set by WRFSBASE: the CPU has it (the monitor and foreign.c turn on CR4.FSGSBASE).
 */
.text
.global __set_thread_area
.hidden __set_thread_area
.type __set_thread_area,@function
__set_thread_area:
	wrfsbase %rdi
	xor %eax,%eax
	ret
