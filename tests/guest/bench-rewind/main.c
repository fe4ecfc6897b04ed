/* SPDX-License-Identifier: MIT
 *
 * bench-rewind: GET /N dirties N pages and answers with two TSC stamps (16 bytes): at the first
 * instruction after the freeze point, and right before the answer. What lies between one answer's
 * second and the next one's first is the price of a clean VM: exit, answer, rewind, next request,
 * entry.
 */
#include <mayfly.h>
#include <stdlib.h>
#include <x86intrin.h>

#define PAGE 4096
#define MAX  1024

static volatile unsigned char pages[MAX * PAGE] __attribute__((aligned(PAGE)));

int main(void)
{
	struct mayfly_request req;
	uint64_t stamp[2];

	if (mayfly_ready(&req, 0))
		return 1;
	stamp[0] = __rdtsc();
	unsigned long n = strtoul(req.target + 1, NULL, 10);

	for (unsigned long i = 0; i < n && i < MAX; i++)
		pages[i * PAGE] = (unsigned char)(i + 1);
	stamp[1] = __rdtsc();
	mayfly_reply(200, "application/octet-stream", stamp, sizeof(stamp));
}
