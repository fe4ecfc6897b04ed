/* SPDX-License-Identifier: MIT
 *
 * rlimit.c: see rlimit.h.
 */
#include "jailer/rlimit.h"

#include <errno.h>
#include <sys/resource.h>

int rlimit_set(struct jail *jail)
{
	const struct jail_plan *p = jail->plan;

	for (unsigned i = 0; i < p->nlimits; i++) {
		const struct rlimit rl = {.rlim_cur = p->limits[i].value,
					  .rlim_max = p->limits[i].value};

		if (setrlimit(p->limits[i].resource, &rl) < 0)
			return jail_blame(jail, -errno, p->limits[i].name);
	}
	return 0;
}
