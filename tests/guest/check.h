/* SPDX-License-Identifier: MIT
 *
 * check.h: for guest test programs: the first check that does not hold is named and ends the
 * program with status 1. The programs are ordinary C and pass as Linux processes too, where nothing
 * says otherwise.
 */
#ifndef GUEST_CHECK_H
#define GUEST_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(cond)                                                                              \
	do {                                                                                     \
		if (!(cond)) {                                                                   \
			printf("FAIL %s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond, errno); \
			exit(1);                                                                 \
		}                                                                                \
	} while (0)

/* A call that must fail with this error. */
#define CHECK_ERR(call, error) CHECK((call) == -1 && errno == (error))

static inline int pass(void)
{
	puts("PASS");
	return 0;
}

#endif
