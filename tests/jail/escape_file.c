/* SPDX-License-Identifier: MIT
 *
 * escape_file.c: ways out through files and mounts. The host binds /ro (a file of the jail's user,
 * read-only) and /rw (a directory with: link, a symbolic link to /etc/passwd; secret, a hard link
 * to a file of root's; node, a device node open to all; prog, this program).
 */
#include "tests/jail/escape.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

TRY(host_passwd, open("/etc/passwd", O_RDONLY))
TRY(init_environ, open("/proc/1/environ", O_RDONLY))
TRY(own_memory, open("/proc/self/mem", O_RDWR))
TRY(cgroups, open("/sys/fs/cgroup", O_RDONLY))
TRY(host_memory, open("/dev/mem", O_RDONLY))
TRY(disk, open("/dev/vda", O_RDONLY))
TRY(dot_dot, open("/../../../../etc/passwd", O_RDONLY))
TRY(create, open("/x", O_CREAT | O_WRONLY, 0600))
TRY(create_in_dev, open("/dev/x", O_CREAT | O_WRONLY, 0600))
TRY(make_dir, mkdir("/x", 0700))
TRY(remove_node, unlink("/dev/urandom"))
TRY(change_mode, chmod("/dev/urandom", 0666))
TRY(change_owner, chown("/dev/urandom", 0, 0))
TRY(make_node, mknod("/rw/x", S_IFCHR | 0666, makedev(1, 1)))
TRY(make_symlink, symlink("/etc/passwd", "/x"))
TRY(make_link, link("/dev/urandom", "/x"))
TRY(rename_dir, rename("/dev", "/x"))
TRY(write_read_only, open("/ro", O_WRONLY))
TRY(cut_read_only, truncate("/ro", 0))
TRY(follow_link, open("/rw/link", O_RDONLY))
TRY(hard_link, open("/rw/secret", O_RDONLY))
TRY(open_node, open("/rw/node", O_RDONLY))
TRY(own_program, open("/proc/self/exe", O_RDONLY))
TRY(change_root, chroot("/"))
TRY(change_root_in, chroot("/dev"))
TRY(pivot, syscall(SYS_pivot_root, "/", "/"))
TRY(mount_tmpfs, mount("x", "/dev", "tmpfs", 0, NULL))
TRY(mount_proc, mount("proc", "/dev", "proc", 0, NULL))
TRY(bind_mount, mount("/dev", "/rw", NULL, MS_BIND, NULL))
TRY(remount, mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL))
TRY(unmount, umount2("/dev", MNT_DETACH))
TRY(unmount_root, umount2("/", MNT_DETACH))
TRY(new_fs, fsopen("tmpfs", 0))
TRY(clone_tree, open_tree(AT_FDCWD, "/dev", OPEN_TREE_CLONE))

static int move_tree(void)
{
	int fd = open("/dev", O_PATH | O_DIRECTORY);

	return move_mount(fd, "", AT_FDCWD, "/rw", MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static int set_attributes(void)
{
	struct mount_attr attr = {.attr_clr = MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY};

	return mount_setattr(AT_FDCWD, "/rw", 0, &attr, sizeof attr) < 0 ? -errno : 0;
}

static int by_handle(void)
{
	struct {
		struct file_handle h;
		unsigned char bytes[8];
	} fh = {.h = {.handle_bytes = 8, .handle_type = 1}, .bytes = {2}}; /* inode 2: a root */
	int fd = open("/rw", O_RDONLY | O_DIRECTORY);

	return open_by_handle_at(fd, &fh.h, O_RDONLY) < 0 ? -errno : 0;
}

static int climb(void)
{
	for (int i = 0; i < 64; i++)
		if (chdir("..") < 0)
			return -errno;
	return open("etc/passwd", O_RDONLY) < 0 ? -errno : 0;
}

static int run_file(void)
{
	execl("/rw/prog", "prog", (char *)NULL);
	return -errno;
}

static int run_by_fd(void)
{
	static char *const none[] = {NULL};
	int fd = open("/rw/prog", O_RDONLY);

	if (fd < 0)
		return -errno;
	execveat(fd, "", none, none, AT_EMPTY_PATH);
	return -errno;
}

static int map_code(void)
{
	int fd = open("/rw/prog", O_RDONLY);

	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -errno
											 : 0;
}

/* Nothing but what the jailer was told to put there. */
static int list_root(void)
{
	DIR *d = opendir("/");
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    strcmp(e->d_name, "dev") != 0 && strcmp(e->d_name, "ro") != 0 &&
		    strcmp(e->d_name, "rw") != 0)
			return 0;
	closedir(d);
	return -HOLDS;
}

static int has_flags(const char *path, unsigned long flags)
{
	struct statvfs s;

	return statvfs(path, &s) == 0 && (s.f_flag & flags) == flags;
}

CHECK(root_flags, has_flags("/", ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC))
CHECK(dev_flags, has_flags("/dev", ST_RDONLY | ST_NOSUID | ST_NOEXEC))
CHECK(rw_flags, has_flags("/rw", ST_NOSUID | ST_NODEV | ST_NOEXEC))
CHECK(ro_flags, has_flags("/ro", ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC))

static int big_file(void)
{
	int fd = open("/rw/big", O_CREAT | O_WRONLY, 0600);

	if (fd < 0)
		return 0;
	signal(SIGXFSZ, SIG_IGN);
	return pwrite(fd, "x", 1, 8 << 20) < 0 ? -errno : 0;
}

/* What has to work, or the rest proves nothing. */
static int works(void)
{
	char c;
	int fd = open("/dev/urandom", O_RDONLY);
	int rw = open("/rw/mine", O_CREAT | O_RDWR, 0600);
	int ro = open("/ro", O_RDONLY);

	return fd >= 0 && read(fd, &c, 1) == 1 && rw >= 0 && write(rw, "x", 1) == 1 && ro >= 0 &&
			       read(ro, &c, 1) == 1
		       ? -HOLDS
		       : -errno;
}

const struct escape file_escapes[] = {
	{"what was given works", works, {HOLDS}},
	{"open the host's /etc/passwd", host_passwd, {ENOENT}},
	{"read the environment of process 1", init_environ, {ENOENT}},
	{"own memory through /proc", own_memory, {ENOENT}},
	{"open the cgroup hierarchy", cgroups, {ENOENT}},
	{"open /dev/mem", host_memory, {ENOENT}},
	{"open a disk of the host", disk, {ENOENT}},
	{".. above the root", dot_dot, {ENOENT}},
	{"chdir .. sixty-four times", climb, {ENOENT}},
	{"list more than was given", list_root, {HOLDS}},
	{"create a file in the root", create, {EROFS, EACCES}},
	{"create a file in /dev", create_in_dev, {EROFS, EACCES}},
	{"make a directory in the root", make_dir, {EROFS, EACCES}},
	{"remove a device node", remove_node, {EROFS, EACCES}},
	{"change a node's mode", change_mode, {EROFS}},
	{"change a node's owner", change_owner, {EROFS, EINVAL}},
	{"make a device node", make_node, {EPERM, EACCES}},
	{"make a symbolic link", make_symlink, {EROFS, EACCES}},
	{"link a node elsewhere", make_link, {EXDEV, EROFS, EACCES}},
	{"rename /dev", rename_dir, {EBUSY, EROFS, EACCES}},
	{"write to a read-only bind", write_read_only, {EROFS}},
	{"truncate a read-only bind", cut_read_only, {EROFS}},
	{"follow a symbolic link out of a bind", follow_link, {ENOENT}},
	{"open a hard link to a file of root's", hard_link, {EACCES}},
	{"open a device node in a bind", open_node, {EACCES}},
	{"execute a file in a bind", run_file, {EACCES}},
	{"execute it by descriptor", run_by_fd, {EACCES}},
	{"map it as code", map_code, {EPERM}},
	{"find the own program", own_program, {ENOENT}},
	{"write above the file size limit", big_file, {EFBIG}},
	{"chroot to the root", change_root, {EPERM}},
	{"chroot to /dev", change_root_in, {EPERM}},
	{"pivot_root", pivot, {EPERM}},
	{"mount a tmpfs", mount_tmpfs, {EPERM}},
	{"mount proc", mount_proc, {EPERM}},
	{"bind mount", bind_mount, {EPERM}},
	{"remount the root writable", remount, {EPERM}},
	{"unmount /dev", unmount, {EPERM}},
	{"unmount the root", unmount_root, {EPERM, EINVAL}},
	{"fsopen", new_fs, {EPERM}},
	{"open_tree", clone_tree, {EPERM}},
	{"move_mount", move_tree, {EPERM}},
	{"mount_setattr", set_attributes, {EPERM}},
	{"open_by_handle_at", by_handle, {EPERM}},
	{"root is not read-only, nosuid, nodev, noexec", root_flags, {HOLDS}},
	{"/dev is not read-only, nosuid, noexec", dev_flags, {HOLDS}},
	{"a bind is not nosuid, nodev, noexec", rw_flags, {HOLDS}},
	{"a read-only bind is not all of it", ro_flags, {HOLDS}},
	{0},
};
