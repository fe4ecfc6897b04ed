/* SPDX-License-Identifier: MIT
 *
 * foreign.h: the steps of a boot under a foreign VMM; all in ring 0, once, from foreign.c.
 */
#ifndef UK_FOREIGN_H
#define UK_FOREIGN_H

#include <stdint.h>
#include "uk_abi.h"

/* Control registers, SSE and AVX state, GDT, IDT, TSS, entropy. NULL, or what the CPU lacks. */
const char *uk__foreign_cpu(struct uk_boot *boot);
/* Local APIC on, timer armed by the stub; sets the X2APIC and TSC_DEADLINE flags. PICs masked. */
void uk__foreign_apic(struct uk_boot *boot);
/* I/O APIC: global interrupt gsi raises vector, edge triggered. */
void uk__foreign_route(uint32_t gsi, uint32_t vector);
/* TSC rate and wall clock. */
void uk__foreign_clock(struct uk_boot *boot);

#endif
