/* SPDX-License-Identifier: MIT
 *
 * near.c: see near.h. Damerau's distance in its restricted form (no edit inside a swap), three
 * rows.
 */
#include "lib/near.h"

#include <string.h>

#define NEAR_MAX 31

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t near_distance(const char *a, const char *b, size_t limit)
{
	size_t na = strnlen(a, NEAR_MAX + 1), nb = strnlen(b, NEAR_MAX + 1);
	size_t rows[3][NEAR_MAX + 1];
	size_t *two = rows[0], *one = rows[1], *row = rows[2];

	if (na > NEAR_MAX || nb > NEAR_MAX)
		return limit + 1;
	for (size_t j = 0; j <= nb; j++)
		one[j] = j;
	for (size_t i = 1; i <= na; i++) {
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t d = one[j - 1] + (a[i - 1] != b[j - 1]);

			d = least(d, least(one[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = least(d, two[j - 2] + 1);
			row[j] = d;
		}
		size_t *old = two;

		two = one;
		one = row;
		row = old;
	}
	if (least(na, nb) >= 3 && strncmp(a, b, least(na, nb)) == 0)
		one[nb] = least(one[nb], 2);
	return least(one[nb], limit + 1);
}
