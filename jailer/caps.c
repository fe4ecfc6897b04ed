/* SPDX-License-Identifier: MIT
 *
 * caps.c: see caps.h. By raw system calls: the C library's setresuid would tell the threads of a
 * process whose memory we only borrow; libcap-ng asks /proc/PID/status first, where number 1 of a
 * new PID namespace is the host's first process, and needs glibc, whose start costs more than the
 * jail.
 */
#include "jailer/caps.h"

#include <errno.h>
#include <linux/capability.h>
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

static int set_caps(uint32_t low)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct data[2] = {{.effective = low, .permitted = low}};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

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
	/* Effective, permitted and inheritable at once; an ambient one would be in the last two. */
	r = set_caps(0);
	if (r < 0)
		return jail_blame(jail, r, "capabilities");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return jail_blame(jail, -errno, "ambient set");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return jail_blame(jail, -errno, "no_new_privs");
	if (prctl(SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) < 0 && errno != EINVAL)
		return jail_blame(jail, -errno, "write xor execute");
	return 0;
}

void caps_keep_kill(void)
{
	(void)set_caps(1u << CAP_KILL); /* less is better, not needed */
}
