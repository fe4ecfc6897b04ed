/* SPDX-License-Identifier: MIT
 *
 * ns.h: the program's process and its namespaces. Steps of apply.c; 0 or -errno.
 */
#ifndef JAILER_NS_H
#define JAILER_NS_H

#include <linux/sched.h>

#include "jailer/apply.h"

/* In the jailer: make the process, in its namespaces; returns once it runs the program, or with its
 * failure. */
int ns_clone(struct jail *jail);
/* In the jail: the only user and group of a user namespace. */
int ns_map_user(struct jail *jail);
/* In the jail: cgroup namespace, host name, session, first victim of an out-of-memory kill. */
int ns_settle(struct jail *jail);
/* In the jail: die with the jailer, whose place nobody else takes. After the last change of user.
 */
int ns_tie(struct jail *jail);

/*
 * clone3 with CLONE_VM and a stack in args: the new process calls fn(arg) and ends with what that
 * returns. Its result as of clone3, negative errno included.
 */
long ns_clone3(struct clone_args *args, int (*fn)(void *arg), void *arg);

#endif
