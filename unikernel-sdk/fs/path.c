/* SPDX-License-Identifier: MIT
 *
 * path.c: path resolution. The disk is mounted when a component has to be looked up on it, not
 * before, so that a program that opens nothing but devices never touches it. Not reentrant: the
 * buffers are static.
 */
#include "fs/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "fd.h"
#include "fs/devfs.h"
#include "fs/files.h"

#define LINKS_MAX 40

static struct uk_place cwd = {.kind = UK_AT_ROOT};

struct walk {
	struct uk_place at; /* at.kind ROOT also stands for the disk's root until it is needed */
	const char *rest;
	int links;
};

static void set(struct uk_place *p, enum uk_place_kind kind, struct uk_node *node)
{
	uk__node_put(p->node);
	p->kind = kind;
	p->node = node;
}

void uk__place_put(struct uk_place *p)
{
	uk__node_put(p->node);
	p->node = NULL;
}

/* The directory we are in as a node of the disk. */
static int on_disk(struct uk_place *p)
{
	struct uk_node *root;
	int r;

	if (p->kind == UK_AT_NODE)
		return 0;
	if (p->kind != UK_AT_ROOT)
		return -ENOENT;
	r = uk__fs_mount();
	if (r == 0)
		r = uk__node_get(UK_FS_ROOT, &root);
	if (r)
		return r;
	if (!S_ISDIR(uk__node_mode(root))) {
		uk__node_put(root);
		return -EUCLEAN;
	}
	set(p, UK_AT_NODE, root);
	return 0;
}

/* Where a path starts. */
static int start(struct walk *w, int dirfd, struct uk_node *base, const char *path)
{
	struct uk_file *f;

	w->at = (struct uk_place){.kind = UK_AT_ROOT};
	if (path[0] == '/')
		return 0;
	if (base) {
		set(&w->at, UK_AT_NODE, uk__node_ref(base));
	} else if (dirfd == AT_FDCWD) {
		w->at.kind = cwd.kind;
		w->at.node = cwd.node ? uk__node_ref(cwd.node) : NULL;
	} else {
		f = uk__fd_get(dirfd);
		if (!f)
			return -EBADF;
		return uk__file_place(f, &w->at);
	}
	return 0;
}

/* Copy the next component. 1, 0 at the end, -ENAMETOOLONG. */
static int next_name(struct walk *w, char name[UK_NAME_MAX + 1])
{
	const char *end;

	while (*w->rest == '/')
		w->rest++;
	if (!*w->rest)
		return 0;
	end = strchrnul(w->rest, '/');
	if (end - w->rest > (long)UK_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, w->rest, (size_t)(end - w->rest));
	name[end - w->rest] = 0;
	w->rest = end;
	return 1;
}

static bool at_end(const char *rest)
{
	return rest[strspn(rest, "/")] == 0;
}

/* Put a link's target in front of what is left of the path. */
static int follow(struct walk *w, struct uk_node *link)
{
	static char buf[2][PATH_MAX];
	static unsigned turn;
	char *to = buf[turn ^= 1]; /* rest may lie in the other one */
	size_t left = strlen(w->rest);
	ssize_t n = uk__node_readlink(link, to, PATH_MAX);

	if (n < 0)
		return (int)n;
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if (n == 0)
		return -ENOENT;
	if ((size_t)n + left >= PATH_MAX)
		return -ENAMETOOLONG;
	memmove(to + n, w->rest, left + 1);
	if (memchr(to, 0, (size_t)n))
		return -ENOENT;
	w->rest = to;
	if (to[0] == '/')
		set(&w->at, UK_AT_ROOT, NULL);
	return 0;
}

static int step_up(struct walk *w)
{
	uint32_t ino;
	struct uk_node *up;
	int r;

	if (w->at.kind == UK_AT_DEVDIR) {
		set(&w->at, UK_AT_ROOT, NULL);
		return 0;
	}
	if (w->at.kind == UK_AT_ROOT || uk__node_ino(w->at.node) == UK_FS_ROOT)
		return 0;
	r = uk__dir_lookup(w->at.node, "..", &ino);
	if (r == 0)
		r = uk__node_get(ino, &up);
	if (r == 0)
		set(&w->at, UK_AT_NODE, up);
	return r;
}

static int step_device(struct walk *w, const char *name)
{
	int id;

	/* /dev/fd/N has one more level than there are directories. */
	if (strcmp(name, "fd") == 0 && !at_end(w->rest)) {
		char num[UK_NAME_MAX + 1];
		int r = next_name(w, num);

		if (r < 0)
			return r;
		id = uk__devfs_fd(num);
		w->at.slash = *w->rest == '/';
	} else {
		id = uk__devfs_find(name);
	}
	if (id < 0)
		return id;
	if (!at_end(w->rest))
		return -ENOTDIR;
	set(&w->at, UK_AT_DEV, NULL);
	w->at.dev = id;
	return 0;
}

static bool is_root(const struct uk_place *p)
{
	return p->kind == UK_AT_ROOT ||
	       (p->kind == UK_AT_NODE && uk__node_ino(p->node) == UK_FS_ROOT);
}

/* One component down. */
static int step(struct walk *w, const char *name, unsigned flags)
{
	struct uk_node *n;
	uint32_t ino;
	int r;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0)
		return step_up(w);
	if (w->at.kind == UK_AT_DEVDIR)
		return step_device(w, name);
	if (is_root(&w->at) && strcmp(name, "dev") == 0) {
		set(&w->at, UK_AT_DEVDIR, NULL);
		return 0;
	}
	r = on_disk(&w->at);
	if (r == 0)
		r = uk__dir_lookup(w->at.node, name, &ino);
	if (r == 0)
		r = uk__node_get(ino, &n);
	if (r)
		return r;
	if (S_ISLNK(uk__node_mode(n)) && !(at_end(w->rest) && flags & UK_PATH_NOFOLLOW)) {
		r = follow(w, n);
		uk__node_put(n);
		return r;
	}
	if (!S_ISDIR(uk__node_mode(n)) && !at_end(w->rest)) {
		uk__node_put(n);
		return -ENOTDIR;
	}
	set(&w->at, UK_AT_NODE, n);
	return 0;
}

static int run(struct walk *w, unsigned flags)
{
	char name[UK_NAME_MAX + 1];
	int r;

	for (;;) {
		r = next_name(w, name);
		if (r <= 0)
			return r;
		if (flags & UK_PATH_PARENT && at_end(w->rest)) {
			memcpy(w->at.name, name, strlen(name) + 1);
			w->at.slash = *w->rest == '/';
			return 0;
		}
		w->at.slash = *w->rest == '/';
		r = step(w, name, *w->rest == '/' ? flags & ~UK_PATH_NOFOLLOW : flags);
		if (r)
			return r;
	}
}

/* A path that must name a directory, or a root that must come from the disk. */
static int finish(struct walk *w, unsigned flags)
{
	struct uk_place *p = &w->at;
	int r = 0;

	if (p->kind == UK_AT_ROOT) {
		r = on_disk(p);
		/* Without a disk there is an empty root, in which nothing can be made. */
		if (r == -ENOENT)
			r = flags & UK_PATH_PARENT && p->name[0] ? -EROFS : 0;
	}
	if (r == 0 && p->slash && !(flags & UK_PATH_PARENT) && p->kind == UK_AT_NODE &&
	    !S_ISDIR(uk__node_mode(p->node)))
		r = -ENOTDIR;
	if (r == 0 && p->slash && p->kind == UK_AT_DEV)
		r = -ENOTDIR;
	return r;
}

int uk__path_find(int dirfd, struct uk_node *base, const char *path, unsigned flags,
		  struct uk_place *ret_place)
{
	struct walk w = {.rest = path};
	int r;

	if (!path)
		return -EFAULT;
	if (!*path)
		return -ENOENT;
	if (strnlen(path, PATH_MAX) == PATH_MAX)
		return -ENAMETOOLONG;
	r = start(&w, dirfd, base, path);
	if (r == 0)
		r = run(&w, flags);
	if (r == 0)
		r = finish(&w, flags);
	if (r == -ENOENT && strcmp(path, "/etc/resolv.conf") == 0 && !(flags & UK_PATH_PARENT) &&
	    uk__devfs_has_resolv()) {
		set(&w.at, UK_AT_RESOLV, NULL);
		r = 0;
	}
	if (r < 0) {
		uk__place_put(&w.at);
		return r;
	}
	*ret_place = w.at;
	return 0;
}

int uk__path_chdir(const struct uk_place *p)
{
	if (p->kind == UK_AT_NODE && !S_ISDIR(uk__node_mode(p->node)))
		return -ENOTDIR;
	if (p->kind == UK_AT_DEV || p->kind == UK_AT_RESOLV)
		return -ENOTDIR;
	if (p->node)
		uk__node_ref(p->node);
	set(&cwd, p->kind, p->node);
	return 0;
}

long uk__path_getcwd(char *buf, unsigned long size)
{
	const char *fixed = cwd.kind == UK_AT_DEVDIR ? "/dev" : "/";

	if (cwd.kind == UK_AT_NODE)
		return uk__dir_path(cwd.node, buf, size);
	if (size < strlen(fixed) + 1)
		return -ERANGE;
	memcpy(buf, fixed, strlen(fixed) + 1);
	return (long)strlen(fixed) + 1;
}
