/* SPDX-License-Identifier: MIT
 *
 * fuzz_filter_file.c: any bytes as --seccomp-policy's file. What is accepted must link, end within
 * its own instructions for every call, and be a filter that the kernel's rules allow.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/filter_file.h"
#include "tests/unit/bpf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct filter_file f;
static struct sock_filter prog[FILTER_INSNS];

static void must(bool cond)
{
	if (!cond)
		abort();
}

/* Each block alone, its values there. */
static void check_block(const struct filter_policy *p, const struct filter_block *b)
{
	struct filter_policy one = *p;
	struct filter_use use = {.feature = p->names + b->feature};

	for (unsigned i = 0; i < b->nslots; i++) {
		use.vals[i].slot = p->names + p->slots[b->slot + i];
		use.vals[i].value = i;
	}
	one.blocks = b;
	one.nblocks = 1;
	int n = filter_link(&one, &use, 1, FILTER_ON, prog);
	if (n == -E2BIG)
		return;
	must(n > 0);
	for (int nr = -1; nr < 512; nr++) {
		struct seccomp_data d = {
			.nr = nr, .arch = AUDIT_ARCH_X86_64, .args = {1, 2, 3, 4, 5, 6}};
		uint32_t r = bpf_run(prog, (unsigned)n, &d);

		must(r == SECCOMP_RET_ALLOW || r == SECCOMP_RET_KILL_PROCESS);
		d.arch = AUDIT_ARCH_I386;
		must(bpf_run(prog, (unsigned)n, &d) == SECCOMP_RET_KILL_PROCESS);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct errtext err = {""};

	if (filter_file_parse(&f, data, size, &err) < 0) {
		must(err.text[0] != '\0');
		return 0;
	}
	for (unsigned i = 0; i < f.npolicies; i++)
		for (unsigned k = 0; k < f.policies[i].nblocks; k++)
			check_block(&f.policies[i], &f.policies[i].blocks[k]);
	return 0;
}
