/* SPDX-License-Identifier: MIT
 *
 * compromised.h: what a monitor must not be able to do any more, one row each; see compromised.c.
 */
#ifndef TESTS_JAIL_COMPROMISED_H
#define TESTS_JAIL_COMPROMISED_H

#include <stdbool.h>
#include <stdint.h>

enum which { SETUP, VCPU, IO, API, KEEPER, LAZY };
/* Idle mode, with devices; BARE: no device at all; SERVE: --serve; MANAGED: a VM with an API. */
enum world { EXIT, HLT, BARE, SERVE, MANAGED };

/* Descriptors that are there; LEAK is one that no filter knows. */
enum {
	FD_VCPU,
	FD_VM,
	FD_CONSOLE,
	FD_IMAGE,
	FD_DISK,
	FD_NIC,
	FD_WAKE,
	FD_EVENTS,
	FD_UFFD,
	FD_MEM,
	FD_LEAK,
	FDS
};

/* Arguments that are known at run time only. */
#define VALUE_FD  UINT64_C(0xfeed0000)
#define VALUE_PTR UINT64_C(0xfeed1000)
#define VALUE_VEC UINT64_C(0xfeed1001)
#define VALUE_PID UINT64_C(0xfeed1002) /* a process of ours */

#define NR_INT80 (-2) /* getpid by the entry of 32-bit programs */

struct forbidden {
	const char *name;
	enum which policy;
	enum world world;
	long nr;
	uint64_t args[6];
	bool allowed; /* a row that proves the others: this one passes */
};

extern const struct forbidden forbidden[];

#endif
