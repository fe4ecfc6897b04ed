/* SPDX-License-Identifier: MIT
 *
 * confine_use.c: confine_use of confine.h, for devices and their tests.
 */
#include "monitor/confine.h"

#include <stdarg.h>

void confine_use(struct confine *c, const char *feature, ...)
{
	struct filter_use *use;
	const char *slot;
	unsigned n = 0;
	va_list ap;

	if (c->n == CONFINE_USES) {
		c->full = true;
		return;
	}
	use = &c->uses[c->n++];
	*use = (struct filter_use){.feature = feature};
	va_start(ap, feature);
	while ((slot = va_arg(ap, const char *)) && n < FILTER_SLOTS) {
		use->vals[n].slot = slot;
		use->vals[n++].value = (uint32_t)va_arg(ap, int);
	}
	va_end(ap);
}
