/* SPDX-License-Identifier: MIT
 *
 * filter_file.c: see filter_file.h. A cursor that cannot run past the end; everything is copied to
 * aligned tables before it is judged.
 */
#include "lib/filter_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct cursor {
	struct filter_file *f;
	const uint8_t *p;
	size_t left;
	struct errtext *err;
};

static bool get(struct cursor *c, void *dst, size_t n)
{
	if (n > c->left)
		return false;
	memcpy(dst, c->p, n);
	c->p += n;
	c->left -= n;
	return true;
}

static int cut(struct cursor *c)
{
	return errtext_set(c->err, -EINVAL, "the file ends early");
}

static int too_many(struct cursor *c, const char *what)
{
	return errtext_set(c->err, -EINVAL, "too many %s", what);
}

/* A name of letters, digits and "_-/", padded with zeros. */
static int get_name(struct cursor *c, const char **ret)
{
	static const char ok[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-/";
	struct filter_file *f = c->f;

	if (f->nnames == sizeof f->names / sizeof f->names[0])
		return too_many(c, "names");
	char *name = f->names[f->nnames++];
	if (!get(c, name, FILTER_NAME))
		return cut(c);
	size_t n = strnlen(name, FILTER_NAME);
	if (n == 0 || n == FILTER_NAME || strspn(name, ok) != n)
		return errtext_set(c->err, -EINVAL, "a name is malformed");
	*ret = name;
	return 0;
}

static int get_slots(struct cursor *c, struct filter_block *b)
{
	struct filter_file *f = c->f;

	if (b->nslots > FILTER_SLOTS)
		return too_many(c, "values in a block");
	b->slots = f->slots + f->nslots;
	for (unsigned i = 0; i < b->nslots; i++) {
		int r = get_name(c, &f->slots[f->nslots]);

		if (r < 0)
			return r;
		f->nslots++;
	}
	return 0;
}

static int get_code(struct cursor *c, struct filter_block *b)
{
	struct filter_file *f = c->f;
	unsigned at;
	const char *why;

	if (b->ncalls > FILTER_CALLS ||
	    b->ncalls > sizeof f->calls / sizeof f->calls[0] - f->ncalls)
		return too_many(c, "calls");
	b->calls = f->calls + f->ncalls;
	if (!get(c, f->calls + f->ncalls, b->ncalls * sizeof f->calls[0]))
		return cut(c);
	f->ncalls += b->ncalls;
	if (b->nfrees > FILTER_CALLS ||
	    b->nfrees > sizeof f->frees / sizeof f->frees[0] - f->nfrees)
		return too_many(c, "calls");
	b->frees = f->frees + f->nfrees;
	if (!get(c, f->frees + f->nfrees, b->nfrees * sizeof f->frees[0]))
		return cut(c);
	f->nfrees += b->nfrees;
	if (b->nfixups > sizeof f->fixups / sizeof f->fixups[0] - f->nfixups)
		return too_many(c, "places to write to");
	b->fixups = f->fixups + f->nfixups;
	if (!get(c, f->fixups + f->nfixups, b->nfixups * sizeof f->fixups[0]))
		return cut(c);
	f->nfixups += b->nfixups;
	b->insns = f->insns + f->ninsns;
	/* No more than the file is long, so that there is room. */
	if (!get(c, f->insns + f->ninsns, b->ninsns * sizeof f->insns[0]))
		return cut(c);
	f->ninsns += b->ninsns;
	if (filter_check(b, &at, &why) < 0)
		return errtext_set(c->err, -EINVAL, "[%s], instruction %u: %s", b->feature, at,
				   why);
	return 0;
}

static int get_block(struct cursor *c, struct filter_block *b)
{
	uint16_t counts[5];
	int r = get_name(c, &b->feature);

	if (r < 0)
		return r;
	if (!get(c, counts, sizeof counts))
		return cut(c);
	b->ninsns = counts[0];
	b->nfixups = counts[1];
	b->nslots = counts[2];
	b->ncalls = counts[3];
	b->nfrees = counts[4];
	r = get_slots(c, b);
	return r < 0 ? r : get_code(c, b);
}

static int get_policy(struct cursor *c, struct filter_policy *p)
{
	struct filter_file *f = c->f;
	uint32_t n;
	int r = get_name(c, &p->name);

	if (r < 0)
		return r;
	if (filter_file_find(f, p->name))
		return errtext_set(c->err, -EINVAL, "policy '%s' is there twice", p->name);
	if (!get(c, &n, sizeof n))
		return cut(c);
	if (n == 0 || n > FILTER_BLOCKS - f->nblocks)
		return errtext_set(c->err, -EINVAL, "policy '%s' has no block or too many",
				   p->name);
	p->blocks = f->blocks + f->nblocks;
	p->nblocks = n;
	for (unsigned i = 0; i < n && r == 0; i++)
		r = get_block(c, &f->blocks[f->nblocks++]);
	return r < 0 ? errtext_blame(c->err, r, "policy '%s'", p->name) : 0;
}

int filter_file_parse(struct filter_file *ret_f, const void *data, size_t len, struct errtext *err)
{
	struct cursor c = {ret_f, data, len, err};
	struct filter_file_head head;

	ret_f->npolicies = ret_f->nblocks = ret_f->nslots = ret_f->nfixups = ret_f->ninsns =
		ret_f->ncalls = ret_f->nfrees = ret_f->nnames = 0;
	if (len > FILTER_FILE_MAX)
		return errtext_set(err, -EINVAL, "longer than %u bytes", FILTER_FILE_MAX);
	if (!get(&c, &head, sizeof head) ||
	    memcmp(head.magic, FILTER_FILE_MAGIC, sizeof head.magic) != 0)
		return errtext_set(err, -EINVAL,
				   "no compiled policy: make it by 'mayfly-seccomp compile'");
	if (head.npolicies == 0 || head.npolicies > FILTER_FILE_POLICIES)
		return errtext_set(err, -EINVAL, "1 to %d policies, not %u", FILTER_FILE_POLICIES,
				   head.npolicies);
	for (unsigned i = 0; i < head.npolicies; i++) {
		int r = get_policy(&c, &ret_f->policies[i]);

		if (r < 0)
			return r;
		ret_f->npolicies++;
	}
	return c.left ? errtext_set(err, -EINVAL, "%zu bytes behind the end", c.left) : 0;
}

static int read_all(int fd, uint8_t *buf, size_t cap, struct errtext *err)
{
	struct stat st;
	size_t n = 0;
	ssize_t got;

	if (fstat(fd, &st) < 0)
		return errtext_set(err, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return errtext_set(err, -EINVAL, "not a regular file");
	if (st.st_mode & 022)
		return errtext_set(
			err, -EPERM,
			"others can write it, and it decides what is allowed: chmod go-w");
	while (n < cap && (got = read(fd, buf + n, cap - n)) != 0) {
		if (got < 0 && errno != EINTR)
			return errtext_set(err, -errno, "%s", strerror(errno));
		n += got > 0 ? (size_t)got : 0;
	}
	return (int)n;
}

int filter_file_read(struct filter_file *ret_f, const char *path, struct errtext *err)
{
	static uint8_t buf[FILTER_FILE_MAX + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return errtext_set(err, -errno, "%s", strerror(errno));
	int n = read_all(fd, buf, sizeof buf, err);
	close(fd);
	return n < 0 ? n : filter_file_parse(ret_f, buf, (size_t)n, err);
}

const struct filter_policy *filter_file_find(const struct filter_file *f, const char *name)
{
	for (unsigned i = 0; i < f->npolicies; i++)
		if (strcmp(f->policies[i].name, name) == 0)
			return &f->policies[i];
	return NULL;
}
