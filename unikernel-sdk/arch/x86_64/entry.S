/* SPDX-License-Identifier: MIT
 *
 * entry.S: the three ways into an image. Native: ring 3, long mode, everything set up by the monitor. PVH and
 * Linux 64-bit: ring 0 under a foreign VMM; minimal identity tables, then foreign.c does the rest and drops to
 * ring 3. Runs once, before anything else; trusts the VMM.
 */
	.section .text.uk__entry, "ax", @progbits
	.globl uk__native_entry
	.type uk__native_entry, @function
/* RDI = struct uk_boot *, RSP = stack top. A static-PIE relocates itself here: RELATIVE entries only. */
uk__native_entry:
	xor	%ebp, %ebp
	lea	uk__image_start(%rip), %rax
	sub	$0x100000, %rax		/* load bias: UK_GPA_IMAGE is the link address */
	jz	2f
	lea	uk__rela_start(%rip), %rsi
	lea	uk__rela_end(%rip), %rcx
1:	cmp	%rcx, %rsi
	jae	2f
	mov	(%rsi), %rdx		/* r_offset */
	mov	16(%rsi), %r8		/* r_addend */
	add	%rax, %r8
	mov	%r8, (%rdx,%rax)
	add	$24, %rsi
	jmp	1b
2:	and	$-16, %rsp
	call	uk__native_start
	ud2

/* Foreign: a scratch area right behind the image holds four tables and a stack until foreign.c is done: GiB 0, where
 * the image and the VMM's parameters are, and of GiB 3 the two large pages of the I/O APICs and the local APIC.
 * No more, since PVM emulates ring 0 at about an instruction a microsecond. */
#define SCRATCH_STACK (10 * 4096)
#define PML4 0
#define PDPT 4096
#define PD3  8192
#define PD0  12288
#define PDE_IOAPIC (PD3 + ((0xfec00000 - 0xc0000000) >> 21) * 8)
#define PDE_LAPIC  (PD3 + ((0xfee00000 - 0xc0000000) >> 21) * 8)

/* What is in them but for PD0, in either mode: base holds their address, tmp is lost. They are zero before. */
	.macro foreign_tables base, tmp
	lea	PDPT + 3(\base), \tmp
	mov	\tmp, PML4(\base)
	lea	PD0 + 3(\base), \tmp
	mov	\tmp, PDPT(\base)
	lea	PD3 + 3(\base), \tmp
	mov	\tmp, PDPT + 24(\base)
	movl	$0xfec00083, PDE_IOAPIC(\base)
	movl	$0xfee00083, PDE_LAPIC(\base)
	.endm

	.section .text.uk__pvh, "ax", @progbits
	.code32
/* uk__pvh_entry is in mayfly.ld: MOV $uk__image_end, %esp, an absolute address that a PIE may not relocate; then it
 * falls into here. EBX = struct hvm_start_info *; 32-bit protected mode, paging off. */
	cli
	cld
	mov	%esp, %edi
	xor	%eax, %eax
	mov	$(PD0 / 4), %ecx
	rep stosl
	foreign_tables %esp, %eax
	mov	$0x83, %eax		/* EDI is at PD0: 512 entries of 2 MiB */
	xor	%edx, %edx
1:	mov	%eax, (%edi)
	mov	%edx, 4(%edi)
	add	$8, %edi
	add	$0x200000, %eax
	cmp	$0x40000000, %eax
	jb	1b
	mov	%cr4, %eax
	or	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	%esp, %cr3
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x900, %eax		/* EFER.LME | NXE */
	wrmsr
	mov	%cr0, %eax
	or	$0x80000001, %eax
	mov	%eax, %cr0
	add	$SCRATCH_STACK, %esp
	call	1f
1:	pop	%eax
	lea	(uk__boot_gdt - 1b)(%eax), %ecx
	push	%ecx
	pushw	$31
	lgdt	(%esp)
	push	$0x10
	lea	(2f - 1b)(%eax), %ecx
	push	%ecx
	lret
	.balign 8
uk__boot_gdt:
	.quad	0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
	.code64
2:	mov	%ebx, %edi
	mov	$1, %esi		/* PVH */
foreign:
	mov	$0x18, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	lea	uk__image_end(%rip), %rsp
	add	$SCRATCH_STACK, %rsp
	xor	%ebp, %ebp
	call	uk__foreign_boot
	ud2

	.globl uk__linux_entry
	.type uk__linux_entry, @function
/* RSI = boot_params; long mode with an identity map of at least the image and the parameters. */
uk__linux_entry:
	cli
	cld
	lea	uk__image_end(%rip), %rsp
	add	$SCRATCH_STACK, %rsp
	push	%rsi
	lea	uk__image_end(%rip), %rdi
	xor	%eax, %eax
	mov	$(PD0 / 8), %ecx
	rep stosq
	lea	uk__image_end(%rip), %rdx
	foreign_tables %rdx, %rax
	mov	$0x83, %eax		/* RDI is at PD0 */
1:	mov	%rax, (%rdi)
	add	$8, %rdi
	add	$0x200000, %rax
	cmp	$0x40000000, %rax
	jb	1b
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x900, %eax
	wrmsr
	lea	uk__image_end(%rip), %rax
	mov	%rax, %cr3
	pop	%rdi
	lea	uk__boot_gdt(%rip), %rax
	push	%rax
	pushw	$31
	lgdt	(%rsp)
	push	$0x10
	lea	1f(%rip), %rax
	push	%rax
	lretq
1:	xor	%esi, %esi		/* Linux */
	jmp	foreign

/* void uk__foreign_drop(struct uk_boot *boot, uint64_t rsp, uint64_t cr3): to ring 3, for ever. */
	.globl uk__foreign_drop
	.hidden uk__foreign_drop
	.type uk__foreign_drop, @function
uk__foreign_drop:
	mov	%rdx, %cr3
	mov	%rsi, %rax
	and	$-16, %rax
	push	$0x2b
	push	%rax
	push	$2
	push	$0x33
	lea	1f(%rip), %rax
	push	%rax
	iretq
1:	call	uk__native_start
	ud2

	.section .note.GNU-stack, "", @progbits
