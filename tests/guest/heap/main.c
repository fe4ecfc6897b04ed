/* SPDX-License-Identifier: MIT
 *
 * malloc until there is no more, twice: what was freed must be there again, aligned, zeroed by
 * calloc, and nothing may overlap.
 */
#include <stdint.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "../check.h"

struct chunk {
	struct chunk *next;
	size_t size;
	uint64_t tag;
};

static size_t fill(void)
{
	struct chunk *head = NULL, *c;
	size_t sum = 0, size = 24;
	uint64_t tag = 0;

	while ((c = malloc(size))) {
		CHECK((uintptr_t)c % 16 == 0);
		memset(c, (int)(tag & 0xff), size);
		*c = (struct chunk){head, size, tag++};
		head = c;
		sum += size;
		size = size * 5 / 3 + 1;
		if (size > 200000)
			size = 24;
	}
	CHECK(errno == ENOMEM);
	while (head) {
		c = head;
		CHECK(c->tag == --tag);
		for (size_t i = sizeof(*c); i < c->size; i += 61)
			CHECK(((unsigned char *)c)[i] == (tag & 0xff));
		head = c->next;
		free(c);
	}
	return sum;
}

int main(void)
{
	struct sysinfo si;

	CHECK(!sysinfo(&si) && si.totalram > si.freeram && si.freeram);
	size_t first = fill(), second = fill();

	/* Most of the memory can be had, and the second time about as much as the first. */
	CHECK(first > si.freeram / 2);
	CHECK(second > first - first / 8);
	for (int i = 0; i < 64; i++) {
		size_t len = 5000 * (size_t)(i + 1);
		char *p = calloc(1, len);

		CHECK(p);
		for (size_t k = 0; k < len; k++)
			CHECK(!p[k]);
		memset(p, 0xff, len);
		free(p);
	}
	char *p = NULL;
	for (size_t len = 1; len < 4000000; len = len * 2 + 1) {
		p = realloc(p, len);
		CHECK(p);
		p[len - 1] = (char)len;
		p[len / 2] = 1;
	}
	CHECK(!malloc(SIZE_MAX / 2) && !malloc((size_t)1 << 40));
	return pass();
}
