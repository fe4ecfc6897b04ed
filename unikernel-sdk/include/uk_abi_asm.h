/* SPDX-License-Identifier: MIT
 *
 * uk_abi_asm.h: the few constants of uk_abi.h that assembly needs. Included from C it proves them
 * equal.
 */
#ifndef UK_ABI_ASM_H
#define UK_ABI_ASM_H

#define UK_ASM_X2APIC	    0x2
#define UK_ASM_TSC_DEADLINE 0x4
#define UK_ASM_USS	    0x2b
#define UK_ASM_UCS	    0x33
#define UK_ASM_FAULT_WORDS  23

#ifdef __ASSEMBLER__
#define UK_BOOT_X2APIC	     UK_ASM_X2APIC
#define UK_BOOT_TSC_DEADLINE UK_ASM_TSC_DEADLINE
#define UK_SEL_USS	     UK_ASM_USS
#define UK_SEL_UCS	     UK_ASM_UCS
#define UK_FAULT_WORDS	     UK_ASM_FAULT_WORDS
#else
#include "uk_abi.h"
_Static_assert(UK_ASM_X2APIC == UK_BOOT_X2APIC && UK_ASM_TSC_DEADLINE == UK_BOOT_TSC_DEADLINE,
	       "flags");
_Static_assert(UK_ASM_USS == UK_SEL_USS && UK_ASM_UCS == UK_SEL_UCS, "selectors");
_Static_assert(UK_ASM_FAULT_WORDS * 8 == sizeof(struct uk_fault), "fault frame");
#endif

#endif
