/* SPDX-License-Identifier: MIT
 *
 * bpf.h: classic BPF as seccomp runs it, in user space.
 */
#ifndef TESTS_UNIT_BPF_H
#define TESTS_UNIT_BPF_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>

#define BPF_LOST 0xdeadbeefu /* ran off the end, or an instruction that is not known */

static inline uint32_t bpf_run(const struct sock_filter *f, unsigned n,
			       const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (unsigned pc = 0; pc < n; pc++) {
		switch (f[pc].code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (f[pc].k > sizeof *d - 4)
				return BPF_LOST;
			memcpy(&a, (const uint8_t *)d + f[pc].k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f[pc].k;
			break;
		case BPF_JMP | BPF_JA:
			pc += f[pc].k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == f[pc].k ? f[pc].jt : f[pc].jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= f[pc].k ? f[pc].jt : f[pc].jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > f[pc].k ? f[pc].jt : f[pc].jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += a & f[pc].k ? f[pc].jt : f[pc].jf;
			break;
		case BPF_RET | BPF_K:
			return f[pc].k;
		default:
			return BPF_LOST;
		}
	}
	return BPF_LOST;
}

#endif
