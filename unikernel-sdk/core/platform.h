/* SPDX-License-Identifier: MIT
 *
 * platform.h: what the library OS needs of the machine it runs on: idle, exit, crash, console
 * bytes, addresses, MMIO. Two implementations sit behind it, chosen at run time by uk_boot.flags:
 * the Mayfly monitor (control page) and a foreign VMM (QEMU microvm, Firecracker: ports and APICs).
 * Everything in the library OS runs in ring 3 on the one vCPU; nothing here is reentrant or needs
 * to be.
 */
#ifndef UK_PLATFORM_H
#define UK_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "uk_abi.h"

/* For large variables that a small program hardly touches: behind the others, that these share few
 * pages (mayfly.ld). */
#define UK_BSS_LAST(name) __attribute__((section(".bss.zz_" #name)))

extern struct uk_boot *uk__boot;     /* set before uk__start() */
extern struct uk_shared *uk__shared; /* likewise */

/*
 * Called once on the main stack, in ring 3, by both entry paths. Builds argv, environ and auxv from
 * the command line and calls main through musl. Implemented in core/start.c.
 */
_Noreturn void uk__start(void);

/* End the VM with an exit status 0..255. Drains the console. Does not sync file systems (uk__exit
 * does). */
_Noreturn void uk__platform_exit(int status);
/* Print a message and end the VM as a crash (status 134). */
_Noreturn void uk__panic(const char *msg);

/* Stamp the TSC for --boot-timer; the first call for each mark counts. */
void uk__mark(enum uk_mark mark);

/* Append bytes to the console channel: never blocks, never loses bytes, an exit only when the ring
 * is full. */
void uk__console_write(const void *buf, size_t len);
/* The bytes of one system call are complete: let the host look, within limits that a flood meets.
 */
void uk__console_poke(void);
/* Print one line "mayfly: ..." for the user; printf-like subset: %s %d %u %x %lx %ld %%. */
void uk__log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Give the CPU away until a device interrupts, the monotonic clock reaches deadline_ns (UINT64_MAX
 * = never, 0 = only let the host serve the queues), or a stop is requested. May return early for no
 * reason. Callers loop: use uk__wait() of wait.h.
 */
void uk__idle(uint64_t deadline_ns);
/* True when drivers need not ring doorbells promptly, since idle or uk__idle(0) makes the host look
 * at the queues. Drivers then kick only when a ring is half full. */
bool uk__idle_serves_queues(void);
/* Signal number that asks us to stop, 0 when none. */
int uk__stop_requested(void);

/* Guest-physical address of a pointer into the image, the heap or the stack. Contiguous within any
 * one object: the heap is identity mapped, the image is mapped linearly. */
uint64_t uk__v2p(const void *p);

/* Uncached register access: one plain MOV each, so that any VMM can decode it. */
static inline uint32_t uk__mmio_r32(uint64_t va)
{
	uint32_t v;
	__asm__ volatile("movl (%1), %0" : "=r"(v) : "r"(va) : "memory");
	return v;
}
static inline void uk__mmio_w32(uint64_t va, uint32_t v)
{
	__asm__ volatile("movl %0, (%1)" : : "r"(v), "r"(va) : "memory");
}
static inline void uk__mmio_w64(uint64_t va, uint64_t v)
{
	__asm__ volatile("movq %0, (%1)" : : "r"(v), "r"(va) : "memory");
}
static inline uint64_t uk__rdtsc(void)
{
	uint32_t lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

/* Nanoseconds of CLOCK_MONOTONIC and CLOCK_REALTIME from the TSC, no exit. */
uint64_t uk__mono_ns(void);
uint64_t uk__wall_ns(void);

#endif
