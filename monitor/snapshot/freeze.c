/* SPDX-License-Identifier: MIT
 *
 * freeze.c: see freeze.h. The page is the guest's: its address is judged, its first part read once,
 * its second part only written. vCPU thread.
 */
#include "monitor/snapshot/freeze.h"

#include <string.h>

#include "monitor/serve/serve.h"
#include "monitor/snapshot/clock.h"
#include "monitor/snapshot/snapshot.h"
#include "monitor/vm.h"

/* The guest's half of the page, or NULL when there is no such page. */
static struct uk_restore *freeze_page(const struct vm *vm, uint64_t gpa)
{
	struct uk_restore *page =
		gpa && gpa % UK_PAGE == 0 ? gmem_ptr(&vm->gm, gpa, UK_PAGE) : NULL;

	if (!page || __atomic_load_n(&page->magic, __ATOMIC_RELAXED) != UK_RESTORE_MAGIC ||
	    __atomic_load_n(&page->version, __ATOMIC_RELAXED) != UK_ABI_VERSION)
		return NULL;
	return page;
}

void vm_freeze(struct vm *vm, uint64_t gpa)
{
	if (!freeze_page(vm, gpa))
		return;
	vm->freeze_gpa = gpa;
	vm->froze_itself = true;
	if (vm->serve)
		serve_ready(vm);
	else
		vm_freeze_answer(vm, snapshot_at_freeze(vm), NULL, 0);
}

void vm_freeze_answer(struct vm *vm, enum uk_why why, const struct vm_identity *id,
		      uint64_t req_len)
{
	struct uk_restore *page = freeze_page(vm, vm->freeze_gpa);
	const size_t from = offsetof(struct uk_restore, why);
	struct uk_restore a = {.why = (uint32_t)why, .req_len = req_len};

	if (!page)
		return;
	if (id) {
		memcpy(a.dev, id->dev, sizeof a.dev);
		memcpy(a.hostname, id->hostname, sizeof a.hostname);
		a.env_len = id->env_len <= sizeof a.env ? id->env_len : 0;
		memcpy(a.env, id->env, a.env_len);
	}
	if (why != UK_WHY_NOTHING)
		vm_seed(vm);
	memcpy(a.seed, vm->layout.seed, sizeof a.seed);
	memcpy(a.generation, vm->generation, sizeof a.generation);
	(void)gmem_write(&vm->gm, vm->freeze_gpa + from, (const uint8_t *)&a + from,
			 sizeof a - from);
}

struct vm_request_buf vm_freeze_request_buf(const struct vm *vm)
{
	const struct uk_restore *page = freeze_page(vm, vm->freeze_gpa);
	struct vm_request_buf b = {0};

	if (!page)
		return b;
	b.gpa = __atomic_load_n(&page->req_gpa, __ATOMIC_RELAXED);
	b.len = __atomic_load_n(&page->req_cap, __ATOMIC_RELAXED);
	if (!b.gpa || !gmem_ptr(&vm->gm, b.gpa, b.len))
		b = (struct vm_request_buf){0};
	return b;
}
