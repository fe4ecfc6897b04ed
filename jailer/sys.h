/* SPDX-License-Identifier: MIT
 *
 * sys.h: system calls that the C library has no name for: the jailer is linked with musl where it
 * can be (module.mk says why), and that knows none of the newer ones. As usual -1 and errno.
 */
#ifndef JAILER_SYS_H
#define JAILER_SYS_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* Only lib C headers of one kind define these, and they clash with the kernel's. */
struct sys_mount_attr {
	uint64_t set, clear, propagation, userns_fd;
};

#define SYS_ATTR_RDONLY	  UINT64_C(0x1)
#define SYS_ATTR_NOSUID	  UINT64_C(0x2)
#define SYS_ATTR_NODEV	  UINT64_C(0x4)
#define SYS_ATTR_NOEXEC	  UINT64_C(0x8)
#define SYS_PRIVATE	  (UINT64_C(1) << 18)
#define SYS_RECURSIVE	  0x8000u
#define SYS_EMPTY_PATH	  0x1000u
#define SYS_TREE_CLONE	  1u
#define SYS_FROM_EMPTY	  0x04u
#define SYS_TO_EMPTY	  0x40u
#define SYS_SET_STRING	  1u
#define SYS_CREATE	  6u
#define SYS_CLOSE_ON_EXEC 4u

static inline int sys_fsopen(const char *type)
{
	return (int)syscall(SYS_fsopen, type, 1 /* close on exec */);
}

static inline int sys_fsconfig(int fs, unsigned cmd, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, cmd, key, value, 0);
}

static inline int sys_fsmount(int fs, uint64_t attrs)
{
	return (int)syscall(SYS_fsmount, fs, 1 /* close on exec */, attrs);
}

static inline int sys_open_tree_clone(int dir, const char *path)
{
	return (int)syscall(SYS_open_tree, dir, path, SYS_TREE_CLONE | SYS_EMPTY_PATH | 02000000u);
}

static inline int sys_move_mount(int from, int to, const char *to_path, unsigned flags)
{
	return (int)syscall(SYS_move_mount, from, "", to, to_path, flags);
}

static inline int sys_mount_setattr(int dir, const char *path, unsigned flags,
				    const struct sys_mount_attr *attr)
{
	return (int)syscall(SYS_mount_setattr, dir, path, flags, attr, sizeof *attr);
}

static inline int sys_umount_detach(const char *path)
{
	return (int)syscall(SYS_umount2, path, 2);
}

static inline int sys_execveat(int fd, const char *const *argv, const char *const *envp)
{
	return (int)syscall(SYS_execveat, fd, "", argv, envp, SYS_EMPTY_PATH);
}

static inline int sys_close_range_on_exec(unsigned from)
{
	return (int)syscall(SYS_close_range, from, ~0u, SYS_CLOSE_ON_EXEC);
}

static inline int sys_pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static inline int sys_pidfd_send_signal(int fd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
}

#endif
