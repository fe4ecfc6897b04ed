/* SPDX-License-Identifier: MIT
 *
 * getrandom: fills every byte, of any length, and neither repeats nor looks constant. Prints 16
 * bytes, so that two boots can be compared.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../check.h"

int main(void)
{
	static uint8_t big[100000], small[64];
	unsigned seen[256] = {0};
	uint64_t a, b;

	CHECK(getrandom(big, sizeof(big), 0) == sizeof(big));
	for (size_t i = 0; i < sizeof(big); i++)
		seen[big[i]]++;
	/* 391 of each expected; chance leaves this range less than once in 10^9 boots. */
	for (int v = 0; v < 256; v++)
		CHECK(seen[v] > 250 && seen[v] < 540);
	for (size_t len = 1; len <= sizeof(small); len++) {
		int changed = 0;

		for (int k = 0; k < 20; k++) {
			memset(small, 0, sizeof(small));
			CHECK(getrandom(small, len, GRND_NONBLOCK) == (ssize_t)len);
			changed |= small[len - 1] != 0;
			CHECK(len == sizeof(small) || small[len] == 0);
		}
		CHECK(changed);
	}
	CHECK(!getentropy(&a, 8) && !getentropy(&b, 8) && a != b);
	CHECK(getrandom(&a, 8, 0x800) == -1 && errno == EINVAL);
	for (int i = 0; i < 16; i++)
		printf("%02x", big[i]);
	putchar('\n');
	return pass();
}
