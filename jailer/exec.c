/* SPDX-License-Identifier: MIT
 *
 * exec.c: see exec.h. A file that its user may execute but not read (mode 0711, as installed) has
 * one more virtue: the kernel makes the process undumpable from its first instruction on, so that
 * nothing of the same user can trace it.
 */
#include "jailer/exec.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jailer/path.h"
#include "jailer/sys.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* The room has no loader. -ELIBACC for a dynamic program, -ENOEXEC for no program of this machine.
 */
static int judge_elf(int fd)
{
	union {
		Elf64_Ehdr eh;
		char bytes[4096];
	} head;
	Elf64_Phdr ph;

	ssize_t n = pread(fd, &head, sizeof head, 0);
	if (n < 0)
		return errno == EBADF ? 0
				      : -errno; /* may be executed but not read: exec will judge */
	if ((size_t)n < sizeof head.eh || memcmp(head.eh.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.eh.e_ident[EI_CLASS] != ELFCLASS64)
		return -ENOEXEC;
	if (head.eh.e_phentsize != sizeof ph)
		return -ENOEXEC;
	for (unsigned i = 0; i < head.eh.e_phnum; i++) {
		uint64_t at = head.eh.e_phoff + i * sizeof ph;

		if (head.eh.e_phoff > sizeof head || at + sizeof ph > (uint64_t)n)
			return -ENOEXEC;
		memcpy(&ph, head.bytes + at, sizeof ph);
		if (ph.p_type == PT_INTERP)
			return -ELIBACC;
	}
	return 0;
}

/* Whoever can write it decides what runs. The jail's own user may be trusted with less than we are.
 */
static int judge_owner(const struct jail_plan *p, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	if (st.st_uid != 0 && st.st_uid != p->host->euid)
		return -EPERM;
	return st.st_mode & 022 ? -EPERM : 0;
}

static int open_file(const char *path)
{
	/* O_NONBLOCK: a FIFO must not make us wait. */
	int fd = path_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	return fd == -EACCES ? path_open(AT_FDCWD, path, O_PATH) : fd;
}

int exec_open(struct jail *jail)
{
	const struct jail_plan *p = jail->plan;
	int r;

	if (p->exec_fd >= 0) {
		int seals = fcntl(p->exec_fd, F_GET_SEALS);

		if (seals < 0)
			return jail_blame(jail, -errno, "descriptor 'exec' is no memfd");
		if ((seals & SEALS) != SEALS)
			return jail_blame(jail, -EPERM, "descriptor 'exec' is not sealed");
		jail->exec_fd = p->exec_fd;
		r = judge_elf(jail->exec_fd);
		return r < 0 ? jail_blame(jail, r, "descriptor 'exec'") : 0;
	}
	jail->exec_fd = open_file(p->opts->exec_file);
	r = jail->exec_fd < 0 ? jail->exec_fd : judge_owner(p, jail->exec_fd);
	if (r == 0)
		r = judge_elf(jail->exec_fd);
	if (r == -ELIBACC)
		return jail_blame(jail, r, "dynamically linked; the jail has no loader");
	return r < 0 ? jail_blame(jail, r, p->opts->exec_file) : 0;
}

int exec_run(struct jail *jail)
{
	static const char *const no_env[] = {NULL};

	umask(077);
	if (sigprocmask(SIG_SETMASK, &jail->mask, NULL) < 0)
		return -errno;
	jail->at_exec = true;
	sys_execveat(jail->exec_fd, jail->plan->argv, no_env);
	jail->at_exec = false;
	return -errno;
}
