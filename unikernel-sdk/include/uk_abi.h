/* SPDX-License-Identifier: MIT
 *
 * uk_abi.h: the boot protocol between mayfly-monitor and a Mayfly image, compiled by both sides.
 * The guest trusts what it reads here (it comes from its monitor); the monitor trusts nothing that
 * the guest writes here: it copies a field once, then judges the copy. C standard headers only.
 * docs/boot-protocol.md is the prose; every change of a size or an offset raises UK_ABI_VERSION,
 * here and in the note that mayfly.ld writes.
 */
#ifndef UK_ABI_H
#define UK_ABI_H

#include <stdint.h>

#define UK_ABI_VERSION 2u
#define UK_BOOT_MAGIC  0x796c666du /* "mfly", little endian */

/*
 * ELF note that makes an image bootable without ring-0 code: owner "Mayfly", type 1. All addresses
 * are offsets from the lowest p_vaddr of the image (the ELF header's address), so that a static-PIE
 * needs no relocation here.
 */
#define UK_NOTE_NAME "Mayfly"
#define UK_NOTE_TYPE 1u

struct uk_note {
	uint32_t version; /* UK_ABI_VERSION */
	uint32_t size;	  /* sizeof(struct uk_note) */
	uint64_t entry; /* first instruction, in ring 3: RDI = struct uk_boot *, RSP = stack top */
	uint64_t stub_start; /* ring-0 stub: page aligned, mapped supervisor-only and executable */
	uint64_t stub_end;
	uint64_t vectors; /* entry point of vector 0; vector v is at vectors + v * vector_stride */
	uint32_t vector_stride; /* bytes */
	uint32_t nvectors;	/* UK_NVECTORS */
	uint32_t flags;		/* UK_NOTE_* */
	uint32_t reserved;	/* 0 */
};
#define UK_NOTE_RELOCATES                                                                        \
	0x1u /* a static-PIE that relocates itself: may be placed at any page. (The linker calls \
		a PIE that is linked above 0 ET_EXEC, so e_type does not tell.) */

/* Guest-physical layout that the monitor builds. Virtual addresses equal physical ones but for the
 * image of a randomised static-PIE and for the MMIO window. */
#define UK_PAGE	      4096u
#define UK_GPA_BOOT   0x1000u  /* struct uk_boot, struct uk_shared, command line; ring 3 RW */
#define UK_GPA_SYS    0x2000u  /* GDT, IDT, TSS; supervisor only */
#define UK_GPA_KSTACK 0x3000u  /* ring-0 stack: ring 3 reads the fault frame from it */
#define UK_GPA_PT     0x4000u  /* page tables; not mapped */
#define UK_GPA_STACK  0x80000u /* guard page, then the default main stack up to UK_GPA_IMAGE */
#define UK_GPA_IMAGE  0x100000u
#define UK_GPA_MMIO   0xd0000000u /* control page, then one page per virtio-mmio device */
#define UK_VA_MMIO    0x70000u	  /* where ring 3 sees UK_GPA_MMIO: same page table as the rest */
#define UK_MAX_DEVS   8u
#define UK_MIN_MEM    0x200000u
#define UK_MIN_HEAP   (4u * UK_PAGE) /* less than this behind the image, and it does not start */

/* Interrupt vectors. Exceptions are 0..31. */
#define UK_VEC_TIMER 0x20u
#define UK_VEC_DEV0  0x21u /* device i interrupts at UK_VEC_DEV0 + i */
#define UK_VEC_SPUR  0x2fu
#define UK_NVECTORS  0x30u

/* Segment selectors; PVM wants exactly these user selectors. */
#define UK_SEL_KCS 0x10u
#define UK_SEL_KSS 0x18u
#define UK_SEL_USS 0x2bu
#define UK_SEL_UCS 0x33u
#define UK_SEL_TSS 0x40u

/* Control page registers: byte offsets, little-endian, written with one aligned MOV of the given
 * width. */
#define UK_CTL_EXIT    0x00u /* 32, W: exit status (low 8 bits); does not return */
#define UK_CTL_CRASH   0x08u /* 64, W: GPA of a struct uk_fault; does not return */
#define UK_CTL_CONSOLE 0x10u /* 32, W: drain the console ring now */
#define UK_CTL_IDLE                                                                             \
	0x18u /* 64, W: serve every queue, then sleep until a device has news for the guest or  \
		 host CLOCK_MONOTONIC (in ns, as UK_SHARED time base) reaches the value; 0 = do \
		 not sleep, UINT64_MAX = no deadline. A stop request ends the sleep at once */

#define UK_CTL_FREEZE                                                                           \
	0x20u /* 64, W: GPA of a page-aligned struct uk_restore. "I am initialised, have no I/O \
		 in flight and have drawn no secret": the moment to snapshot. The monitor fills \
		 the page before the guest goes on, each time it goes on from here */
#define UK_CTL_REPLY                                                                             \
	0x28u /* 64, W: GPA of a struct uk_reply: the answer to the request handed in at FREEZE. \
		 In a VM that serves requests this does not return: the VM is rewound to FREEZE */

/* struct uk_boot.flags */
#define UK_BOOT_IDLE_EXIT 0x1u /* idle through UK_CTL_IDLE; otherwise STI;HLT in the stub */
#define UK_BOOT_X2APIC	  0x2u /* LAPIC by MSR; otherwise by MMIO at 0xfee00000 */
#define UK_BOOT_TSC_DEADLINE \
	0x4u		      /* timer by IA32_TSC_DEADLINE; otherwise one-shot count at 1 GHz */
#define UK_BOOT_FOREIGN 0x8u  /* booted by PVH or Linux entry: no control page; serial and ports */
#define UK_BOOT_QUIET	0x10u /* no boot diagnostics on the console */

struct uk_dev {
	uint64_t va;	    /* of the virtio-mmio registers, ring 3 */
	uint32_t vector;    /* interrupt vector */
	uint32_t device_id; /* virtio device id as probed, 0 = unknown: read it */
};

struct uk_boot {
	uint32_t magic;
	uint32_t version;
	uint32_t size; /* sizeof(struct uk_boot) */
	uint32_t flags;
	uint64_t mem_size;   /* bytes of RAM from GPA 0 */
	uint64_t heap_start; /* free RAM, page aligned, mapped RW NX, VA == GPA */
	uint64_t heap_end;
	uint64_t image_va; /* lowest virtual address of the image */
	uint64_t image_gpa;
	uint64_t image_size; /* bytes in memory, page multiple */
	uint64_t stack_low;  /* first usable byte of the main stack */
	uint64_t stack_top;
	uint64_t tsc_hz;  /* guest TSC ticks a second */
	uint64_t tsc0;	  /* guest TSC when... */
	uint64_t mono0;	  /* ...host CLOCK_MONOTONIC read this many ns */
	uint64_t wall0;	  /* ...and host CLOCK_REALTIME this many ns since 1970 */
	uint64_t cmdline; /* VA, NUL-terminated */
	uint32_t cmdline_len;
	uint32_t ndevs;
	uint64_t ctl;	 /* VA of the control page, 0 when UK_BOOT_FOREIGN */
	uint64_t shared; /* VA of struct uk_shared */
	uint8_t seed[64];
	struct uk_dev dev[UK_MAX_DEVS];
};

/* Marks that the guest stamps with its TSC, no exit needed. */
enum uk_mark { UK_MARK_ENTRY, UK_MARK_LIBOS, UK_MARK_MAIN, UK_MARK_LISTEN, UK_MARK_N };

/*
 * Words both sides write while the VM runs; each has one writer. The console ring is in memory that
 * the guest provides: bytes [tail, head) modulo size are pending; size is a power of two <= 64 KiB.
 */
struct uk_shared {
	uint64_t cons_gpa;  /* guest writes; 0 = no ring */
	uint32_t cons_size; /* guest writes */
	uint32_t cons_head; /* guest writes; free-running */
	uint32_t cons_tail; /* monitor writes; free-running */
	uint32_t stop; /* monitor writes: 0, or the signal number that asks the guest to stop */
	uint64_t mark[UK_MARK_N]; /* guest writes: TSC, 0 = not reached */
	/* Monitor writes, while the guest stands still: raised when tsc0, mono0 and wall0 of struct
	 * uk_boot have changed. A guest that reads a clock looks at it before and after. */
	uint64_t clock_seq;
	/* Monitor writes, while the guest stands still: raised when this is another life (a clone,
	 * a copy, one put back) of a guest that does not stand at UK_CTL_FREEZE, where it would be
	 * told by struct uk_restore. Seed and generation are new then. */
	uint64_t restored;
	uint8_t generation[16];
	uint64_t reserved[4];
};

/* What the stub saves on an exception, in this order (it is pushed). */
struct uk_fault {
	uint64_t cr2;
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* Why the guest goes on from UK_CTL_FREEZE. */
enum uk_why {
	UK_WHY_NOTHING,	 /* nobody wanted a snapshot here; all is as before */
	UK_WHY_ORIGINAL, /* a snapshot was taken, this is the VM it was taken of */
	UK_WHY_CLONE,	 /* restored from it, perhaps beside others */
	UK_WHY_REWOUND	 /* gone back to it in place */
};

struct uk_restore_dev {
	uint8_t mac[6];
	uint8_t has_mac, has_ip4;
	uint32_t ip4, gw4, dns4; /* host order, 0 = none */
	uint32_t prefix4;	 /* 0..32 */
};

/*
 * The page of UK_CTL_FREEZE. The guest fills in the first part before the exit, the monitor the
 * rest: what a clone needs to be somebody else.
 */
struct uk_restore {
	uint32_t magic;	  /* guest: UK_RESTORE_MAGIC */
	uint32_t version; /* guest: UK_ABI_VERSION */
	uint64_t req_gpa; /* guest: buffer for a request, 0 = this program takes none */
	uint64_t req_cap; /* guest: bytes */
	uint64_t guest_reserved[4];

	uint32_t why;		/* monitor from here on: enum uk_why */
	uint32_t env_len;	/* bytes of env[], NAME=VALUE strings, each NUL-terminated */
	uint64_t req_len;	/* bytes at req_gpa */
	uint8_t generation[16]; /* random, never the same for two runs from one snapshot */
	uint8_t seed[64];
	struct uk_restore_dev dev[UK_MAX_DEVS]; /* by slot */
	char hostname[64];			/* "" = as before */
	char env[2048];
};
#define UK_RESTORE_MAGIC 0x7a657266u /* "frez" */

struct uk_reply {
	uint32_t status; /* HTTP status, 200 when 0 */
	uint32_t type_len;
	uint64_t body_gpa, body_len;
	char type[128]; /* Content-Type, not NUL-terminated */
};

#define UK_OFF_SHARED  0x300u
#define UK_OFF_CMDLINE 0x400u
#define UK_CMDLINE_MAX 3071u /* bytes, without the NUL */

_Static_assert(sizeof(struct uk_note) == 56, "uk_note is ABI");
_Static_assert(sizeof(struct uk_boot) <= UK_OFF_SHARED, "uk_boot fits before uk_shared");
_Static_assert(sizeof(struct uk_shared) <= UK_OFF_CMDLINE - UK_OFF_SHARED, "uk_shared fits");
_Static_assert(sizeof(struct uk_restore) <= UK_PAGE, "the freeze page is one page");
_Static_assert(UK_OFF_CMDLINE + UK_CMDLINE_MAX + 1 == UK_PAGE, "the boot page is one page");

#endif
