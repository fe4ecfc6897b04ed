/* SPDX-License-Identifier: MIT
 *
 * landlock.c: see landlock.h.
 */
#include "jailer/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jailer/path.h"

/* Rights that came after ABI 1, which has bits 0 to 12, in the words of newer headers. */
#define FS_REFER     (UINT64_C(1) << 13) /* ABI 2 */
#define FS_TRUNCATE  (UINT64_C(1) << 14) /* ABI 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5 */
#define NET_TCP	     UINT64_C(3)	 /* ABI 4: bind, connect */
#define SCOPES	     UINT64_C(3)	 /* ABI 6: abstract sockets, signals */
#define FS_READ	     (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_FILE \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_DIR                                                                                \
	(FS_READ | FS_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                          \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | FS_REFER)

struct ruleset {
	uint64_t fs, net, scoped;
};

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

static struct ruleset everything(const struct jail_plan *p)
{
	int abi = p->host->landlock_abi;
	unsigned bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;
	struct ruleset rs = {.fs = (UINT64_C(1) << bits) - 1};

	/* Who stays in the host's network, or joins one, is there to use it. */
	if (abi >= 4 && p->net == NET_NEW)
		rs.net = NET_TCP;
	if (abi >= 6)
		rs.scoped = SCOPES;
	return rs;
}

static int allow(int ruleset, int fd, uint64_t rights)
{
	const struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
		       ? -errno
		       : 0;
}

static int allow_path(struct jail *jail, int ruleset, const char *path, uint64_t handled,
		      uint64_t file_rights, uint64_t dir_rights)
{
	struct stat st;
	int fd = path_open(AT_FDCWD, path, O_PATH);

	if (fd < 0)
		return jail_blame(jail, fd, path);
	int r = fstat(fd, &st) < 0
			? -errno
			: allow(ruleset, fd,
				handled & (S_ISDIR(st.st_mode) ? dir_rights : file_rights));
	close(fd);
	return r < 0 ? jail_blame(jail, r, path) : 0;
}

static int allow_room(struct jail *jail, int ruleset, uint64_t fs)
{
	const struct jail_plan *p = jail->plan;
	int r = allow_path(jail, ruleset, "/", fs, 0, jail->own_room ? FS_DIR : FS_READ);

	for (int i = 0; r == 0 && i < HOST_DEVS; i++)
		if (plan_has_device(p, (enum host_dev)i))
			r = allow_path(jail, ruleset, host_dev_path((enum host_dev)i), fs, FS_FILE,
				       0);
	for (unsigned i = 0; r == 0 && i < p->opts->nbinds; i++) {
		const struct bind_opt *b = &p->opts->binds[i];

		r = b->ro ? allow_path(jail, ruleset, b->dst, fs,
				       LANDLOCK_ACCESS_FS_READ_FILE | FS_IOCTL_DEV, FS_READ)
			  : allow_path(jail, ruleset, b->dst, fs, FS_FILE, FS_DIR);
	}
	/* A memfd is outside of what Landlock governs. */
	if (r == 0 && p->exec_fd < 0)
		r = allow(ruleset, jail->exec_fd,
			  LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE);
	return r;
}

int landlock_enforce(struct jail *jail)
{
	struct ruleset rs = everything(jail->plan);
	/* A kernel takes a structure of its own size or of a smaller one. */
	size_t size = rs.scoped ? sizeof rs : rs.net ? 16 : 8;

	int fd = (int)syscall(SYS_landlock_create_ruleset, &rs, size, 0);
	if (fd < 0)
		return jail_blame(jail, -errno, "ruleset");
	int r = allow_room(jail, fd, rs.fs);
	if (r == 0 && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		r = jail_blame(jail, -errno, "restrict");
	close(fd);
	return r;
}
