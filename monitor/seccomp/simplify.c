/* SPDX-License-Identifier: MIT
 *
 * simplify.c: simplify of compile.h. libseccomp compares both halves of an argument, the one that
 * a rule says nothing of under an empty mask: three instructions that always come out the same. The
 * kernel takes 0.15 us for each instruction of a filter that is loaded.
 */
#include "monitor/seccomp/compile.h"

#include <string.h>

#define LOAD (BPF_LD | BPF_W | BPF_ABS)
#define JEQ  (BPF_JMP | BPF_JEQ | BPF_K)
#define AND  (BPF_ALU | BPF_AND | BPF_K)

static bool jumps(const struct sock_filter *f)
{
	return BPF_CLASS(f->code) == BPF_JMP && f->code != (BPF_JMP | BPF_JA);
}

/* "load; and 0; is it 0?" at i, whose outcome loads something else. */
static bool is_empty(const struct sock_filter *f, unsigned i, unsigned n)
{
	return i + 3 < n && f[i].code == LOAD && f[i + 1].code == AND && f[i + 1].k == 0 &&
	       f[i + 2].code == JEQ && f[i + 2].k == 0 && f[i + 3 + f[i + 2].jt].code == LOAD;
}

/* Where a jump to i ends. */
static unsigned ends_at(const struct sock_filter *f, unsigned i, unsigned n)
{
	while (is_empty(f, i, n))
		i += 3u + f[i + 2].jt;
	return i;
}

static void mark(const struct sock_filter *f, unsigned n, bool *used)
{
	memset(used, 0, n);
	used[0] = true;
	for (unsigned i = 0; i < n; i++) {
		if (!used[i] || f[i].code == (BPF_RET | BPF_K))
			continue;
		if (jumps(&f[i]))
			used[i + 1 + f[i].jt] = used[i + 1 + f[i].jf] = true;
		else
			used[i + 1 + (f[i].code == (BPF_JMP | BPF_JA) ? f[i].k : 0)] = true;
	}
}

unsigned simplify(struct sock_filter *f, unsigned n)
{
	bool used[COMPILED_INSNS];
	unsigned to[COMPILED_INSNS], len = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!jumps(&f[i]))
			continue;
		unsigned t = ends_at(f, i + 1u + f[i].jt, n), e = ends_at(f, i + 1u + f[i].jf, n);

		if (t - i - 1 <= UINT8_MAX && e - i - 1 <= UINT8_MAX) {
			f[i].jt = (uint8_t)(t - i - 1);
			f[i].jf = (uint8_t)(e - i - 1);
		}
	}
	mark(f, n, used);
	for (unsigned i = 0; i < n; i++) {
		to[i] = len;
		len += used[i];
	}
	for (unsigned i = 0; i < n; i++) {
		struct sock_filter g = f[i];

		if (!used[i])
			continue;
		if (jumps(&g)) {
			g.jt = (uint8_t)(to[i + 1u + g.jt] - to[i] - 1);
			g.jf = (uint8_t)(to[i + 1u + g.jf] - to[i] - 1);
		} else if (g.code == (BPF_JMP | BPF_JA)) {
			g.k = to[i + 1 + g.k] - to[i] - 1;
		}
		f[to[i]] = g;
	}
	return len;
}
