/* SPDX-License-Identifier: MIT
 *
 * clock.c: see clock.h. The guest computes its clocks from (tsc0, mono0, wall0) of the boot page,
 * without an exit; writing these words while it stands still moves its clocks. Its deadlines come
 * back in its own time: vm->mono_delta is the difference. The boot page is the guest's to write
 * too: nothing is read from it here.
 */
#include "monitor/snapshot/clock.h"

#include <sys/random.h>
#include <x86intrin.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "monitor/vm.h"

uint64_t vm_guest_mono(const struct vm *vm)
{
	return vm_now() - vm->mono_delta;
}

uint64_t vm_host_deadline(const struct vm *vm, uint64_t guest_ns)
{
	uint64_t host = guest_ns + vm->mono_delta;

	if (!vm->mono_delta || !guest_ns || guest_ns == UINT64_MAX)
		return guest_ns;
	/* Past either end of time: a guest may ask for any. */
	if (vm->mono_delta >> 63)
		return host > guest_ns ? 1 : host;
	return host < guest_ns ? UINT64_MAX - 1 : host;
}

static void put(struct vm *vm, size_t off, const void *src, size_t len)
{
	memcpy((uint8_t *)&vm->layout + off, src, len);
	(void)gmem_write(&vm->gm, UK_GPA_BOOT + off, src, len);
}

void vm_clock_rebase(struct vm *vm, uint64_t mono_ns)
{
	uint64_t wall_ns = clock_wall_ns();
	uint64_t now = vm_now(), tsc = __rdtsc();

	vm->mono_delta = now - mono_ns;
	put(vm, offsetof(struct uk_boot, tsc0), &tsc, sizeof tsc);
	put(vm, offsetof(struct uk_boot, mono0), &mono_ns, sizeof mono_ns);
	put(vm, offsetof(struct uk_boot, wall0), &wall_ns, sizeof wall_ns);
	__atomic_fetch_add(&vm->shared->clock_seq, 1, __ATOMIC_RELAXED);
}

void vm_seed_draw(struct vm *vm)
{
	struct vm_seed *r = &vm->next_seed;

	/* Never short for so few bytes, and never blocking once the host has booted. */
	r->there = getrandom(r->seed, sizeof r->seed, 0) == sizeof r->seed &&
		   getrandom(r->generation, sizeof r->generation, 0) == sizeof r->generation;
	if (!r->there)
		log_warn("no random numbers from the host: two clones may be alike");
}

void vm_seed(struct vm *vm)
{
	struct vm_seed *r = &vm->next_seed;

	_Static_assert(sizeof r->seed == sizeof vm->layout.seed, "");
	_Static_assert(sizeof r->generation == sizeof vm->generation, "");
	if (!r->there)
		vm_seed_draw(vm);
	if (!r->there)
		return;
	put(vm, offsetof(struct uk_boot, seed), r->seed, sizeof r->seed);
	memcpy(vm->generation, r->generation, sizeof vm->generation);
	explicit_bzero(r, sizeof *r);
}

void vm_tell_restored(struct vm *vm)
{
	const size_t at = UK_OFF_SHARED + offsetof(struct uk_shared, generation);

	vm_seed(vm);
	(void)gmem_write(&vm->gm, UK_GPA_BOOT + at, vm->generation, sizeof vm->generation);
	__atomic_fetch_add(&vm->shared->restored, 1, __ATOMIC_RELAXED);
}
