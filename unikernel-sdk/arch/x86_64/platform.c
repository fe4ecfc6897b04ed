/* SPDX-License-Identifier: MIT
 *
 * platform.c: platform.h on both kinds of VMM. Ring 3, one vCPU. The console is a ring in our
 * memory that the monitor drains on every exit it takes anyway; its doorbell rings once per
 * write(2), in bursts of 16 and one a millisecond after that, so that output is prompt and a flood
 * costs an exit per 2 KiB. Under a foreign VMM the bytes go to the 16550.
 */
#include "core/platform.h"

#include <stdarg.h>
#include <string.h>

#include "uk_abi_asm.h"
#include "core/wait.h"

#define CONS_SIZE 4096u

struct uk_boot *uk__boot;
struct uk_shared *uk__shared;
extern uint32_t uk__stub_mode, uk__stub_crashed;
extern uint64_t uk__stub_timer;
void uk__stub_idle(void);
void uk__stub_out(uint8_t v, uint16_t port);
uint8_t uk__stub_in(uint16_t port);
_Noreturn void uk__native_start(struct uk_boot *boot);
_Noreturn void uk__crash(struct uk_fault *fault);

static UK_BSS_LAST(cons_ring) uint8_t cons_ring[CONS_SIZE];
#define CONS_BURST 16u /* doorbells in a row; after that one a millisecond */
static uint64_t
	cons_due; /* TSC: when the doorbells so far would be paid for at one a millisecond */

static bool foreign(void)
{
	return uk__boot->flags & UK_BOOT_FOREIGN;
}

/* First C code, on the main stack, by every way in. */
_Noreturn void uk__native_start(struct uk_boot *boot)
{
	uk__boot = boot;
	uk__shared = (struct uk_shared *)boot->shared;
	uk__mark(UK_MARK_ENTRY);
	uk__stub_mode = boot->flags;
	uk__start();
}

uint64_t uk__v2p(const void *p)
{
	uint64_t va = (uint64_t)p;

	if (va - uk__boot->image_va < uk__boot->image_size)
		return va - uk__boot->image_va + uk__boot->image_gpa;
	return va;
}

void uk__mark(enum uk_mark mark)
{
	if (!uk__shared->mark[mark])
		uk__shared->mark[mark] = uk__rdtsc();
}

/* --- console
 * ---------------------------------------------------------------------------------------------- */

static void serial_write(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		while (!(uk__stub_in(0x3fd) & 0x20))
			;
		uk__stub_out(p[i], 0x3f8);
	}
}

static void console_kick(void)
{
	uk__mmio_w32(uk__boot->ctl + UK_CTL_CONSOLE, 1);
}

void uk__console_write(const void *buf, size_t len)
{
	struct uk_shared *sh = uk__shared;
	const uint8_t *p = buf;

	if (foreign()) {
		serial_write(p, len);
		return;
	}
	if (!sh->cons_gpa) {
		sh->cons_size = CONS_SIZE;
		sh->cons_gpa = uk__v2p(cons_ring);
	}
	while (len) {
		uint32_t head = sh->cons_head;
		uint32_t room = CONS_SIZE - (head - *(volatile uint32_t *)&sh->cons_tail);
		uint32_t n = CONS_SIZE - head % CONS_SIZE;

		if (!room) {
			console_kick();
			continue;
		}
		n = n < room ? n : room;
		n = n < len ? n : (uint32_t)len;
		memcpy(cons_ring + head % CONS_SIZE, p, n);
		__atomic_store_n(&sh->cons_head, head + n, __ATOMIC_RELEASE);
		p += n;
		len -= n;
	}
}

void uk__console_poke(void)
{
	if (foreign())
		return;
	uint32_t pending = uk__shared->cons_head - *(volatile uint32_t *)&uk__shared->cons_tail;
	uint64_t now = uk__rdtsc(), ms = uk__boot->tsc_hz / 1000;

	if (!pending || (pending < CONS_SIZE / 2 && cons_due > now + CONS_BURST * ms))
		return;
	cons_due = (cons_due > now ? cons_due : now) + ms;
	console_kick();
}

/* --- idle, exit, crash
 * ------------------------------------------------------------------------------------- */

bool uk__idle_serves_queues(void)
{
	return uk__boot->flags & UK_BOOT_IDLE_EXIT;
}

int uk__stop_requested(void)
{
	return (int)__atomic_load_n(&uk__shared->stop, __ATOMIC_RELAXED);
}

/* mono ns -> the stub's unit, at least 1 so that it is armed */
static uint64_t timer_value(uint64_t deadline_ns)
{
	uint64_t now = uk__mono_ns();
	uint64_t delta = deadline_ns > now ? deadline_ns - now : 0;

	if (delta > UINT64_C(3600000000000))
		delta = UINT64_C(3600000000000);
	if (uk__stub_mode & UK_BOOT_TSC_DEADLINE)
		return uk__rdtsc() +
		       (uint64_t)((unsigned __int128)delta * uk__boot->tsc_hz / 1000000000u) + 1;
	return delta > UINT32_MAX ? UINT32_MAX : delta + 1;
}

void uk__idle(uint64_t deadline_ns)
{
	if (uk__boot->flags & UK_BOOT_IDLE_EXIT) {
		uk__mmio_w64(uk__boot->ctl + UK_CTL_IDLE, deadline_ns);
		return;
	}
	if (!deadline_ns)
		return;
	if (!foreign() && uk__shared->cons_head != *(volatile uint32_t *)&uk__shared->cons_tail)
		console_kick();
	uk__stub_timer = deadline_ns == UK_FOREVER ? 0 : timer_value(deadline_ns);
	uk__stub_idle();
}

_Noreturn void uk__platform_exit(int status)
{
	if (!foreign())
		uk__mmio_w32(uk__boot->ctl + UK_CTL_EXIT, (uint32_t)status & 0xff);
	uk__stub_out((uint8_t)status, 0x501); /* QEMU isa-debug-exit: leaves with status * 2 + 1 */
	uk__stub_out(0xfe, 0x64);	      /* i8042 reset: Firecracker */
	uk__stub_crashed = 1; /* QEMU -no-reboot without either: a triple fault ends it */
	__builtin_trap();
}

static void crash_line(const char *name, uint64_t v)
{
	char line[32] = "  ";
	size_t n = 2;

	while (*name)
		line[n++] = *name++;
	while (n < 9)
		line[n++] = ' ';
	for (int shift = 60; shift >= 0; shift -= 4)
		line[n++] = "0123456789abcdef"[v >> shift & 15];
	line[n++] = '\n';
	uk__console_write(line, n);
}

/* In ring 3 on a stack of its own, after the stub saved the frame. The monitor prints the report
 * itself, with symbols; elsewhere we print what we have. */
_Noreturn void uk__crash(struct uk_fault *f)
{
	if (!foreign())
		uk__mmio_w64(uk__boot->ctl + UK_CTL_CRASH, uk__v2p(f));
	static const char head[] = "\nmayfly: guest crashed\n";
	uk__console_write(head, sizeof head - 1);
	crash_line("vector", f->vector);
	crash_line("error", f->error);
	crash_line("rip", f->rip);
	crash_line("cr2", f->cr2);
	crash_line("rsp", f->rsp);
	crash_line("rbp", f->rbp);
	crash_line("rax", f->rax);
	crash_line("rbx", f->rbx);
	crash_line("rcx", f->rcx);
	crash_line("rdx", f->rdx);
	crash_line("rsi", f->rsi);
	crash_line("rdi", f->rdi);
	crash_line("r8", f->r8);
	crash_line("r9", f->r9);
	crash_line("r10", f->r10);
	crash_line("r11", f->r11);
	crash_line("r12", f->r12);
	crash_line("r13", f->r13);
	crash_line("r14", f->r14);
	crash_line("r15", f->r15);
	uk__platform_exit(134);
}

_Noreturn void uk__panic(const char *msg)
{
	uk__log("panic: %s", msg);
	uk__platform_exit(134);
}
