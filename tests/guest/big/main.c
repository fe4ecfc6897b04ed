/* SPDX-License-Identifier: MIT
 *
 * big: an image that takes more memory than the smallest VM has, and a heap that is nearly as large
 * as the rest. It touches both ends of each.
 */
#include <stdlib.h>
#include <sys/sysinfo.h>

#include "../check.h"

static char bulk[4 << 20];

int main(void)
{
	struct sysinfo si;
	volatile char *b = bulk;

	CHECK(!b[0] && !b[sizeof bulk - 1]);
	b[0] = b[sizeof bulk - 1] = 1;
	CHECK(!sysinfo(&si));
	size_t most = si.freeram / 8 * 7;
	volatile char *p = malloc(most);
	CHECK(p);
	p[0] = p[most - 1] = 1;
	CHECK(b[0] == 1 && b[sizeof bulk - 1] == 1);
	printf("RAM %lu MiB\n", (si.totalram + (1 << 20) - 1) >> 20);
	return pass();
}
