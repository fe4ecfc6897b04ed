/* SPDX-License-Identifier: MIT
 *
 * mnt.c: see mnt.h. Nothing is executable here, not even the program, which runs from a descriptor.
 */
#include "jailer/mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "jailer/path.h"
#include "jailer/sys.h"

#define QUIET (SYS_ATTR_NOSUID | SYS_ATTR_NOEXEC)

/* A new file system, attached nowhere. Room for names and nothing else. */
static int make_tmpfs(struct jail *jail)
{
	static const char *const options[][2] = {
		{"source", "jail"}, {"size", "64k"}, {"nr_inodes", "512"}, {"mode", "0755"}};
	int fs = sys_fsopen("tmpfs");
	int r = fs < 0 ? -errno : 0;

	for (size_t i = 0; r == 0 && i < sizeof options / sizeof options[0]; i++)
		if (sys_fsconfig(fs, SYS_SET_STRING, options[i][0], options[i][1]) < 0)
			r = jail_blame(jail, -errno, options[i][0]);
	if (r == 0 && sys_fsconfig(fs, SYS_CREATE, NULL, NULL) < 0)
		r = -errno;
	if (r == 0) {
		r = sys_fsmount(fs, QUIET | SYS_ATTR_NODEV);
		if (r < 0)
			r = -errno;
	}
	if (fs >= 0)
		close(fs);
	return r;
}

static int set_attr(int fd, uint64_t set, uint64_t clear)
{
	const struct sys_mount_attr attr = {.set = set, .clear = clear};

	return sys_mount_setattr(fd, "", SYS_EMPTY_PATH, &attr) < 0 ? -errno : 0;
}

static int attach(int mount, int at)
{
	return sys_move_mount(mount, at, "", SYS_FROM_EMPTY | SYS_TO_EMPTY) < 0 ? -errno : 0;
}

/* A mount of its own of what dir/path is, with the attributes. */
static int clone_tree(int dir, const char *path, uint64_t set, uint64_t clear)
{
	int fd = sys_open_tree_clone(dir, path);
	if (fd < 0)
		return -errno;
	int r = set_attr(fd, set, clear);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* The operator's own root directory, found by the jailer in its namespace, as a mount of ours on
 * the room. */
static int mount_room(struct jail *jail)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s/%s/root", jail->plan->base, jail->plan->program,
		 jail->plan->opts->id);
	int dir = path_open(AT_FDCWD, path, O_PATH | O_DIRECTORY);
	if (dir < 0)
		return jail_blame(jail, dir, path);
	int fd = clone_tree(dir, "", QUIET | SYS_ATTR_NODEV, 0);
	close(dir);
	int r = fd < 0 ? fd : attach(fd, jail->room_fd);
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		return jail_blame(jail, r, path);
	}
	close(jail->room_fd);
	jail->room_fd = fd;
	return 0;
}

/*
 * A file system with two directories: "room", which will be the root, and "dev", which is mounted
 * in it. The root is not the top: a process whose root is below that of its mount namespace can
 * make no user namespace, so that it never has a capability again, not even over nothing.
 */
int mnt_root(struct jail *jail)
{
	const struct sys_mount_attr private = {.propagation = SYS_PRIVATE};

	if (sys_mount_setattr(AT_FDCWD, "/", SYS_RECURSIVE, &private) < 0)
		return jail_blame(jail, -errno, "propagation");
	jail->root_fd = make_tmpfs(jail);
	if (jail->root_fd < 0)
		return jail->root_fd;
	if (mkdirat(jail->root_fd, "room", 0755) < 0 || mkdirat(jail->root_fd, "dev", 0755) < 0)
		return -errno;
	/* On top of the root, where no path leads: it has to be somewhere for pivot_root. */
	if (sys_move_mount(jail->root_fd, AT_FDCWD, "/", SYS_FROM_EMPTY) < 0)
		return -errno;
	jail->room_fd = path_open(jail->root_fd, "room", O_PATH | O_DIRECTORY);
	if (jail->room_fd < 0)
		return jail->room_fd;
	return jail->own_room ? mount_room(jail) : 0;
}

/* Directories of the path below root, all but its last component; *ret_last is that. A descriptor
 * or -errno. */
static int make_parents(int root, const char *path, const char **ret_last)
{
	char name[256];
	int dir = fcntl(root, F_DUPFD_CLOEXEC, 0);
	const char *slash;

	if (dir < 0)
		return -errno;
	for (path++; dir >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		snprintf(name, sizeof name, "%.*s", (int)(slash - path), path);
		int next = mkdirat(dir, name, 0755) < 0 && errno != EEXIST
				   ? -errno
				   : path_open(dir, name, O_PATH | O_DIRECTORY);
		close(dir);
		dir = next;
	}
	*ret_last = path;
	return dir;
}

/* A place to mount a file or a directory on. A descriptor of it or -errno. */
static int make_place(int root, const char *path, bool is_dir)
{
	const char *last = path;
	int dir = make_parents(root, path, &last);

	if (dir < 0)
		return dir;
	int r = is_dir ? mkdirat(dir, last, 0755) : mknodat(dir, last, S_IFREG | 0444, 0);
	int fd = r < 0 && errno != EEXIST
			 ? -errno
			 : path_open(dir, last, O_PATH | (is_dir ? O_DIRECTORY : 0));
	close(dir);
	return fd;
}

static int bind_at(int root, const char *dst, bool is_dir, int src_fd, uint64_t attrs)
{
	int tree = clone_tree(src_fd, "", attrs, 0);
	if (tree < 0)
		return tree;
	int place = make_place(root, dst, is_dir);
	int r = place < 0 ? place : attach(tree, place);
	if (place >= 0)
		close(place);
	close(tree);
	return r;
}

/* Who may make no nodes, in a user namespace, gets the host's, with the access its user has to
 * them. */
static int borrow_device(int dev, const char *path, const char *name)
{
	int fd = path_open(AT_FDCWD, path, O_PATH);
	if (fd < 0)
		return fd;
	int r = bind_at(dev, name, false, fd, QUIET | SYS_ATTR_RDONLY);
	close(fd);
	return r;
}

static int make_device(const struct jail_plan *p, int root, int i, const char *path)
{
	const char *last = path;
	int dir = make_parents(root, path, &last);

	if (dir < 0)
		return dir;
	int r = 0;
	if (mknodat(dir, last, S_IFCHR | 0600,
		    makedev(p->host->devs[i].major, p->host->devs[i].minor)) < 0 ||
	    fchownat(dir, last, p->uid, p->gid, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	close(dir);
	return r;
}

/* A mount of its own on /dev, the only one on which device nodes work. */
static int mount_dev(struct jail *jail)
{
	int dev = clone_tree(jail->root_fd, "dev", 0, SYS_ATTR_NODEV);

	if (dev < 0)
		return dev;
	int place = make_place(jail->room_fd, "/dev", true);
	int r = place < 0 ? place : attach(dev, place);
	if (place >= 0)
		close(place);
	if (r < 0)
		close(dev);
	return r < 0 ? r : dev;
}

int mnt_devices(struct jail *jail)
{
	const struct jail_plan *p = jail->plan;
	int dev = mount_dev(jail);

	if (dev < 0)
		return jail_blame(jail, dev, "/dev");
	int r = 0;
	for (int i = 0; r == 0 && i < HOST_DEVS; i++) {
		const char *path = host_dev_path((enum host_dev)i);
		const char *name = path + strlen("/dev");

		if (!plan_has_device(p, (enum host_dev)i))
			continue;
		r = p->opts->userns ? borrow_device(dev, path, name) : make_device(p, dev, i, name);
		if (r < 0)
			jail_blame(jail, r, path);
	}
	if (r == 0)
		r = set_attr(dev, SYS_ATTR_RDONLY, 0);
	close(dev);
	return r;
}

static int bind_one(struct jail *jail, const struct bind_opt *b)
{
	uint64_t attrs = QUIET | SYS_ATTR_NODEV | (b->ro ? SYS_ATTR_RDONLY : 0);
	struct stat st;

	int fd = path_open(AT_FDCWD, b->src, O_PATH);
	if (fd < 0)
		return jail_blame(jail, fd, b->src);
	int r = fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0 && S_ISBLK(st.st_mode))
		attrs &= ~(uint64_t)SYS_ATTR_NODEV;
	else if (r == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		r = -EMEDIUMTYPE; /* pipes, sockets and characters are handed over open */
	if (r < 0)
		jail_blame(jail, r, b->src);
	if (r == 0) {
		r = bind_at(jail->room_fd, b->dst, S_ISDIR(st.st_mode), fd, attrs);
		if (r < 0)
			jail_blame(jail, r, b->dst);
	}
	close(fd);
	return r;
}

int mnt_binds(struct jail *jail)
{
	const struct jail_opts *o = jail->plan->opts;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < o->nbinds; i++)
		r = bind_one(jail, &o->binds[i]);
	return r;
}

int mnt_pivot(struct jail *jail)
{
	int r = set_attr(jail->root_fd, SYS_ATTR_RDONLY, 0);

	if (r < 0)
		return jail_blame(jail, r, "read-only root");
	if (fchdir(jail->root_fd) < 0)
		return jail_blame(jail, -errno, "new root");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return jail_blame(jail, -errno, "pivot_root");
	/* The host's tree lies on top of ours now. */
	if (sys_umount_detach(".") < 0)
		return jail_blame(jail, -errno, "host's root");
	if (chroot("room") < 0 || chdir("/") < 0)
		return jail_blame(jail, -errno, "room");
	return 0;
}
