/* SPDX-License-Identifier: MIT
 *
 * confine.c: see confine.h. A sanitized jailer, which makes calls of its own, has none as the
 * reaper.
 */
#include "jailer/confine.h"

#include <errno.h>
#include <sys/prctl.h>

#include "jailer/apply.h"
#include "lib/filter.h"

extern const struct filter_policy filter_program, filter_jailer;

static const struct filter_use always = {.feature = "always"};

static int load(const struct filter_policy *policy, enum filter_mode mode)
{
	struct sock_filter prog[FILTER_INSNS];
	int n = filter_link(policy, &always, 1, mode, prog);

	return n < 0 ? n : filter_install(prog, (size_t)n);
}

int confine_program(struct jail *jail)
{
	(void)jail; /* whether at all is the step's condition */
	return load(&filter_program, FILTER_ON);
}

int confine_reaper(const struct jail *jail)
{
	const struct jail_opts *o = jail->plan->opts;
	bool none = o->no_seccomp;

#ifdef __SANITIZE_ADDRESS__
	none = true;
#endif
	if (none)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return load(&filter_jailer, o->seccomp_trace ? FILTER_TRACE : FILTER_ON);
}
