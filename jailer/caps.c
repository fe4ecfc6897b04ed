/* SPDX-License-Identifier: MIT
 *
 * caps.c: see caps.h. User and group are changed by raw system calls: the C library's would tell
 * the threads of a process whose memory we only borrow.
 */
#include "jailer/caps.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BITS                                                                                     \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |                         \
	 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | \
	 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

#define SET_MDWE	      65 /* PR_SET_MDWE and its flag, Linux 6.3 */
#define MDWE_REFUSE_EXEC_GAIN 1UL

/* See module.mk. */
struct passwd *__wrap_getpwuid(uid_t uid);
int __wrap_initgroups(const char *user, gid_t group);

struct passwd *__wrap_getpwuid(uid_t uid)
{
	(void)uid;
	errno = ENOSYS;
	return NULL;
}

int __wrap_initgroups(const char *user, gid_t group)
{
	(void)user;
	(void)group;
	errno = ENOSYS;
	return -1;
}

/*
 * Not by libcap-ng, which reads /proc/PID/status first: process 1 of a new PID namespace would read
 * the host's first process there. The other four sets need no such look.
 */
static int drop_bounding(struct jail *jail)
{
	int cap = 0;

	while (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
		cap++;
	return errno == EINVAL && cap > CAP_CHECKPOINT_RESTORE
		       ? 0
		       : jail_blame(jail, -errno, "bounding set");
}

static int change_user(struct jail *jail)
{
	const struct jail_plan *p = jail->plan;

	/* In a user namespace without root's help the groups stay; none of them means anything to
	 * its files, and /dev/kvm may be open to one of them. */
	if (!p->opts->userns && syscall(SYS_setgroups, 0, NULL) < 0)
		return jail_blame(jail, -errno, "setgroups");
	if (syscall(SYS_setresgid, p->gid, p->gid, p->gid) < 0)
		return jail_blame(jail, -errno, "gid");
	if (syscall(SYS_setresuid, p->uid, p->uid, p->uid) < 0)
		return jail_blame(jail, -errno, "uid");
	return 0;
}

int caps_drop_all(struct jail *jail)
{
	if (prctl(PR_SET_SECUREBITS, BITS) < 0)
		return jail_blame(jail, -errno, "securebits");
	int r = drop_bounding(jail);
	if (r == 0)
		r = change_user(jail);
	if (r < 0)
		return r;
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_apply(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT) < 0)
		return jail_blame(jail, -EPERM, "capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return jail_blame(jail, -errno, "no_new_privs");
	if (prctl(SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) < 0 && errno != EINVAL)
		return jail_blame(jail, -errno, "write xor execute");
	return 0;
}

void caps_keep_kill(void)
{
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_update(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED), CAP_KILL) ==
	    0)
		(void)capng_apply(CAPNG_SELECT_CAPS); /* less is better, not needed */
}
