/* SPDX-License-Identifier: MIT
 *
 * explain.h: a BPF filter in the words of a policy. Works on any seccomp filter of x86-64 without
 * loops of its own (there are none); used on what the kernel says that a running VM has.
 */
#ifndef MONITOR_SECCOMP_EXPLAIN_H
#define MONITOR_SECCOMP_EXPLAIN_H

#include <linux/filter.h>
#include <stdio.h>

/*
 * One line for each way through the filter that allows a call, ordered by the calls' numbers.
 * pid: its descriptors are named, 0 = none. Returns the number of different calls, -EINVAL when
 * the filter has an instruction that is not understood.
 */
int explain_filter(const struct sock_filter *f, unsigned n, int pid, FILE *out);

#endif
