/* SPDX-License-Identifier: MIT
 *
 * trace.h: what `mayfly-seccomp` does with running processes. Needs the right to trace them.
 */
#ifndef MONITOR_SECCOMP_TRACE_H
#define MONITOR_SECCOMP_TRACE_H

#include <stdbool.h>

/*
 * Execute argv in this process, which another one traces from then on: it lets pass what the rules
 * allow and writes "RULE COUNT" lines to a new file in folder log when all traced processes have
 * ended. Only returns
 * when that fails: exit status.
 */
int trace_run(const char *log, char *const argv[]);
/* Print the filters of every thread of a process as the kernel has them. all: also those below the
 * newest. Exit status. */
int trace_show(int pid, bool all);

#endif
