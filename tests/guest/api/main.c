/* SPDX-License-Identifier: MIT
 *
 * api: counts until it is stopped. Each line: the count, and by how many ms the wall clock is ahead
 * of where the monotonic clock would have it. "api MODE": crash ends in a fault at 20, exit with
 * status 9.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long long ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	const struct timespec tick = {.tv_nsec = 5000000};
	int *volatile nowhere = NULL;
	const char *mode = argc > 1 ? argv[1] : "";
	long long base = ms(CLOCK_REALTIME) - ms(CLOCK_MONOTONIC);

	for (int n = 0;; n++) {
		printf("tick %d drift %lld\n", n, ms(CLOCK_REALTIME) - ms(CLOCK_MONOTONIC) - base);
		fflush(stdout);
		if (n == 20 && !strcmp(mode, "exit"))
			exit(9);
		if (n == 20 && !strcmp(mode, "crash"))
			*nowhere = 1;
		nanosleep(&tick, NULL);
	}
}
