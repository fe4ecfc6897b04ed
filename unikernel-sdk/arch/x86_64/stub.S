/* SPDX-License-Identifier: MIT
 *
 * stub.S: everything that runs in ring 0 once the guest is up: exception entry, interrupt entry, HLT, and the ports
 * of a foreign VMM: IOPL 3 would open them to ring 3, but not on PVM, which runs ring 3 natively and has no say there.
 * General registers only (no x87, SSE, AVX: PVM emulates ring 0 and the application owns that state). Page
 * aligned and mapped supervisor-only. It serves one vCPU on one stack (TSS.RSP0 = UK_GPA_KSTACK + 4096).
 *
 *   HLT from ring 3 at uk__stub_hlt  -> #GP -> arm the timer, STI;HLT unless something is pending, step over
 *   IN, OUT at uk__stub_inb, uk__stub_outb -> #GP -> done here, step over
 *   any interrupt                    -> pending = 1, EOI, IRETQ
 *   any other exception              -> copy the frame to uk__stub_fault, IRETQ to uk__crash in ring 3
 *   an exception during uk__crash    -> triple fault, which every VMM reports
 */
#include "uk_abi_asm.h"

	.section .uk.stub, "ax", @progbits
	.balign 4096
	.globl uk__stub_vectors
	.hidden uk__stub_vectors
uk__stub_vectors:
	vec = 0
	.rept 48
	.balign 16
	.if vec >= 32
	push	%rax
	jmp	interrupt
	.elseif vec == 13
	jmp	gp
	.elseif vec == 8 || vec == 10 || vec == 11 || vec == 12 || vec == 14 || vec == 17 || vec == 21 || vec == 29 || vec == 30
	push	$vec		/* the CPU pushed an error code */
	jmp	fault
	.else
	push	$0
	push	$vec
	jmp	fault
	.endif
	vec = vec + 1
	.endr

	.balign 16
interrupt:
	push	%rcx
	push	%rdx
	movl	$1, uk__stub_pending(%rip)
	xor	%eax, %eax
	testl	$UK_BOOT_X2APIC, uk__stub_mode(%rip)
	jz	1f
	xor	%edx, %edx
	mov	$0x80b, %ecx	/* x2APIC EOI */
	wrmsr
	jmp	2f
1:	mov	$0xfee000b0, %ecx
	mov	%eax, (%rcx)
2:	pop	%rdx
	pop	%rcx
	pop	%rax
	iretq

gp:	/* error code, RIP, CS, RFLAGS, RSP, SS */
	push	%rax
	lea	uk__stub_hlt(%rip), %rax
	cmp	%rax, 16(%rsp)
	je	idle
	lea	uk__stub_outb(%rip), %rax
	cmp	%rax, 16(%rsp)
	je	port_out
	lea	uk__stub_inb(%rip), %rax
	cmp	%rax, 16(%rsp)
	pop	%rax
	je	port_in
	push	$13
	jmp	fault

port_out:
	pop	%rax
	out	%al, %dx
	jmp	step
port_in:
	in	%dx, %al
step:	incq	8(%rsp)		/* past an instruction of one byte, IN, OUT or HLT */
	add	$8, %rsp
	iretq

idle:	/* RAX is pushed */
	push	%rcx
	push	%rdx
	mov	uk__stub_timer(%rip), %rax
	test	%rax, %rax
	jz	3f
	testl	$UK_BOOT_TSC_DEADLINE, uk__stub_mode(%rip)
	jz	1f
	mov	%rax, %rdx
	shr	$32, %rdx
	mov	$0x6e0, %ecx	/* IA32_TSC_DEADLINE */
	wrmsr
	jmp	3f
1:	testl	$UK_BOOT_X2APIC, uk__stub_mode(%rip)
	jz	2f
	xor	%edx, %edx
	mov	$0x838, %ecx	/* x2APIC initial count */
	wrmsr
	jmp	3f
2:	mov	$0xfee00380, %ecx
	mov	%eax, (%rcx)
3:	cmpl	$0, uk__stub_pending(%rip)
	jne	4f
	sti			/* interrupts open after the next instruction: none is lost before HLT */
	hlt
	cli
4:	movl	$0, uk__stub_pending(%rip)
	pop	%rdx
	pop	%rcx
	pop	%rax
	jmp	step

fault:
	push	%rax
	push	%rcx
	push	%rdx
	push	%rbx
	push	%rbp
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%cr2, %rax
	push	%rax
	cld
	cmpl	$0, uk__stub_crashed(%rip)
	jne	die
	movl	$1, uk__stub_crashed(%rip)
	mov	%rsp, %rsi
	lea	uk__stub_fault(%rip), %rdi
	mov	$UK_FAULT_WORDS, %ecx
	rep movsq
	lea	uk__stub_fault(%rip), %rdi
	lea	uk__crash_stack_top(%rip), %rax
	lea	uk__crash(%rip), %rcx
	push	$UK_SEL_USS
	push	%rax
	push	$2		/* RFLAGS: nothing set */
	push	$UK_SEL_UCS
	push	%rcx
	xor	%ebp, %ebp
	iretq

die:	push	$0
	push	$0
	lidt	(%rsp)
	ud2
	.balign 4096
	.globl uk__stub_end
	.hidden uk__stub_end
uk__stub_end:

/* Words that ring 3 and the stub share. */
	.section .bss.uk_stub, "aw", @nobits
	.balign 64
	.globl uk__stub_pending, uk__stub_mode, uk__stub_timer, uk__stub_fault, uk__stub_crashed
	.hidden uk__stub_pending, uk__stub_mode, uk__stub_timer, uk__stub_fault, uk__stub_crashed
uk__stub_pending: .long 0	/* an interrupt came since the last idle */
uk__stub_mode:	.long 0		/* uk_boot.flags */
uk__stub_timer:	.quad 0		/* TSC deadline or 1 GHz ticks; 0 = leave the timer alone */
uk__stub_crashed: .quad 0	/* the next exception is the last: triple fault */
uk__stub_fault:	.skip 8 * UK_FAULT_WORDS

/* Only a crash touches it: the linker script puts it behind everything else. */
	.section .bss.zz_crash_stack, "aw", @nobits
	.balign 16
uk__crash_stack: .skip 4096
uk__crash_stack_top:

/* The one HLT, the one OUT and the one IN of ring 3.
 * void uk__stub_idle(void); void uk__stub_out(uint8_t v, uint16_t port); uint8_t uk__stub_in(uint16_t port); */
	.section .text.uk__stub_idle, "ax", @progbits
	.globl uk__stub_idle, uk__stub_out, uk__stub_in
	.hidden uk__stub_idle, uk__stub_out, uk__stub_in
	.type uk__stub_idle, @function
	.type uk__stub_out, @function
	.type uk__stub_in, @function
uk__stub_idle:
uk__stub_hlt:
	hlt
	ret
uk__stub_out:
	mov	%edi, %eax
	mov	%esi, %edx
uk__stub_outb:
	out	%al, %dx
	ret
uk__stub_in:
	mov	%edi, %edx
	xor	%eax, %eax
uk__stub_inb:
	in	%dx, %al
	ret
	.section .note.GNU-stack, "", @progbits
