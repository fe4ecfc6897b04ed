/* SPDX-License-Identifier: MIT
 *
 * open.c: open in all its forms: what exists, what is to be made, what a dangling link names. Runs
 * on the one vCPU; not reentrant (a static buffer holds the target of a link).
 */
#include "fs/open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "fd.h"
#include "fs/devfs.h"
#include "fs/files.h"
#include "fs/fs.h"
#include "fs/path.h"
#include "fs/vfs.h"
#include "sys.h"

#define LINKS_MAX 40

static bool is_dir(const struct uk_place *p)
{
	return p->kind == UK_AT_ROOT || p->kind == UK_AT_DEVDIR ||
	       (p->kind == UK_AT_NODE && S_ISDIR(uk__node_mode(p->node)));
}

static int open_node(struct uk_node *n, int flags, struct uk_file **ret_file)
{
	bool writes = (flags & O_ACCMODE) != O_RDONLY;
	int r;

	if (flags & O_PATH)
		return uk__file_of_node(n, flags & (O_PATH | O_DIRECTORY | O_CLOEXEC), ret_file);
	if (S_ISLNK(uk__node_mode(n)))
		return -ELOOP;
	if (writes && !S_ISDIR(uk__node_mode(n)) && uk__fs_readonly())
		return -EROFS;
	r = uk__file_of_node(n, flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY), ret_file);
	if (r == 0 && flags & O_TRUNC && writes && uk__node_size(n) > 0) {
		r = uk__node_truncate(n, 0);
		if (r < 0) {
			uk__node_ref(n); /* the file took the caller's reference: give it back */
			uk__file_put(*ret_file);
		}
	}
	return r;
}

/* Open what exists at p. Consumes p's reference. */
static int open_place(struct uk_place *p, int flags, struct uk_file **ret_file)
{
	int r;

	switch (p->kind) {
	case UK_AT_NODE:
		r = open_node(p->node, flags, ret_file);
		if (r == 0)
			p->node = NULL;
		break;
	case UK_AT_DEV:
		r = uk__devfs_open(p->dev, flags & ~(O_CREAT | O_EXCL | O_TRUNC), ret_file);
		break;
	case UK_AT_RESOLV:
		r = uk__devfs_open_resolv(flags, ret_file);
		break;
	default:
		r = uk__file_of_dir(p, flags, ret_file);
		break;
	}
	uk__place_put(p);
	return r;
}

/* The last component does not exist: make it. */
static int create_in(struct uk_place *p, int flags, mode_t mode, struct uk_file **ret_file)
{
	struct uk_node *n;
	int r;

	if (p->slash)
		return -EISDIR;
	r = uk__dir_create(p->node, p->name, S_IFREG | (mode & 07777 & ~uk__umask()), &n);
	if (r)
		return r;
	r = open_node(n, flags & ~O_TRUNC, ret_file);
	if (r < 0)
		uk__node_put(n);
	return r;
}

/*
 * O_CREAT: resolve the parent, look at the last component, and when it is a symbolic link go on
 * from there, since it may dangle and its target is then what is made.
 */
static int open_create(int dirfd, const char *path, int flags, mode_t mode,
		       struct uk_file **ret_file)
{
	static char target[PATH_MAX];
	struct uk_node *base = NULL;
	int r;

	for (int links = 0;; links++) {
		struct uk_place p, last;
		struct uk_node *n;
		uint32_t ino;
		ssize_t len;

		r = uk__path_find(dirfd, base, path, UK_PATH_PARENT, &p);
		uk__node_put(base);
		base = NULL;
		if (r)
			return r;
		if (p.kind != UK_AT_NODE || uk__is_dots(p.name)) {
			r = uk__path_find(AT_FDCWD, NULL, path, 0, &last);
			uk__place_put(&p);
			if (r < 0)
				return r == -ENOENT ? -EACCES : r;
			if (flags & O_EXCL || is_dir(&last)) {
				uk__place_put(&last);
				return flags & O_EXCL ? -EEXIST : -EISDIR;
			}
			return open_place(&last, flags, ret_file);
		}
		uk__node_put(base);
		base = NULL;
		if (r)
			return r;
		r = uk__dir_lookup(p.node, p.name, &ino);
		if (r == -ENOENT) {
			r = create_in(&p, flags, mode, ret_file);
			uk__place_put(&p);
			return r;
		}
		if (r == 0 && flags & O_EXCL)
			r = -EEXIST;
		if (r == 0)
			r = uk__node_get(ino, &n);
		if (r) {
			uk__place_put(&p);
			return r;
		}
		if (!S_ISLNK(uk__node_mode(n)) || flags & O_NOFOLLOW) {
			uk__place_put(&p);
			last = (struct uk_place){.kind = UK_AT_NODE, .node = n};
			r = S_ISDIR(uk__node_mode(n)) ? -EISDIR : p.slash ? -ENOTDIR : 0;
			if (r < 0) {
				uk__place_put(&last);
				return r;
			}
			return open_place(&last, flags, ret_file);
		}
		len = uk__node_readlink(n, target, sizeof(target) - 1);
		uk__node_put(n);
		base = p.node; /* the reference moves */
		if (len <= 0 || links == LINKS_MAX) {
			uk__node_put(base);
			return len < 0 ? (int)len : links == LINKS_MAX ? -ELOOP : -ENOENT;
		}
		target[len] = 0;
		path = target;
	}
}

long uk__open(int dirfd, const char *path, int flags, mode_t mode)
{
	struct uk_file *f;
	struct uk_place p;
	int fd, r;

	if ((flags & O_TMPFILE) == O_TMPFILE)
		return -EOPNOTSUPP;
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if (flags & O_CREAT && flags & O_DIRECTORY)
		return -EINVAL;
	if (flags & O_CREAT) {
		r = open_create(dirfd, path, flags, mode, &f);
	} else {
		r = uk__path_find(dirfd, NULL, path, flags & O_NOFOLLOW ? UK_PATH_NOFOLLOW : 0, &p);
		if (r == 0)
			r = open_place(&p, flags, &f);
	}
	if (r)
		return r;
	fd = uk__fd_install(f, 0, (flags & O_CLOEXEC) != 0);
	if (fd < 0)
		uk__file_put(f);
	uk__fs_relax();
	return fd;
}
