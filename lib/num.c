/* SPDX-License-Identifier: MIT
 *
 * num.c: see num.h.
 */
#include "lib/num.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

int num_u64(const char *s, size_t n, uint64_t min, uint64_t max, uint64_t *ret_val)
{
	uint64_t v = 0;
	int over = 0;

	if (n == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		over |= __builtin_mul_overflow(v, UINT64_C(10), &v);
		over |= __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v);
	}
	if (over || v < min || v > max)
		return -ERANGE;
	*ret_val = v;
	return 0;
}

int num_size(const char *s, uint64_t *ret_bytes)
{
	static const struct {
		const char *unit;
		unsigned shift;
	} units[] = {{"B", 0},	  {"K", 10},   {"M", 20},  {"G", 30},
		     {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
	size_t digits = strspn(s, "0123456789");
	uint64_t v;

	if (digits == 0)
		return -EINVAL;
	if (s[digits] == '\0')
		return -ENOMSG;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcasecmp(s + digits, units[i].unit) != 0)
			continue;
		if (num_u64(s, digits, 0, UINT64_MAX >> units[i].shift, &v) < 0)
			return -ERANGE;
		*ret_bytes = v << units[i].shift;
		return 0;
	}
	return -EINVAL;
}
