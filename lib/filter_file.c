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

/* A name of letters, digits and "_-/", padded with zeros. Where it is in the names, or -EINVAL. */
static int get_name(struct cursor *c)
{
	static const char ok[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-/";
	struct filter_file *f = c->f;

	if (f->nnames == sizeof f->names / sizeof f->names[0])
		return too_many(c, "names");
	char *name = f->names[f->nnames];
	if (!get(c, name, FILTER_NAME))
		return cut(c);
	size_t n = strnlen(name, FILTER_NAME);
	if (n == 0 || n == FILTER_NAME || strspn(name, ok) != n)
		return errtext_set(c->err, -EINVAL, "a name is malformed");
	return (int)(f->nnames++ * FILTER_NAME);
}

static int get_rule(struct cursor *c, struct filter_policy *p)
{
	struct filter_file *f = c->f;
	uint16_t v[3];

	if (f->nrules == FILTER_FILE_RULES)
		return too_many(c, "rules");
	if (!get(c, v, sizeof v))
		return cut(c);
	if (v[2] > FILTER_FILE_TESTS - f->ntests)
		return too_many(c, "tests");
	f->rules[f->nrules++] = (struct filter_rule){v[0], v[1], p->ntests, v[2]};
	if (!get(c, f->tests + f->ntests, v[2] * sizeof f->tests[0]))
		return cut(c);
	f->ntests += v[2];
	p->ntests = (uint16_t)(p->ntests + v[2]);
	p->nrules++;
	return 0;
}

static int get_block(struct cursor *c, struct filter_policy *p)
{
	struct filter_file *f = c->f;
	struct filter_block *b = &f->blocks[f->nblocks++];
	uint16_t counts[2];
	int r = get_name(c);

	if (r < 0)
		return r;
	if (!get(c, counts, sizeof counts))
		return cut(c);
	*b = (struct filter_block){(uint16_t)r, p->nrules, counts[1], p->nslots, counts[0]};
	if (b->nslots > FILTER_SLOTS)
		return too_many(c, "values in a block");
	for (unsigned i = 0; i < b->nslots; i++) {
		r = get_name(c);
		if (r < 0)
			return r;
		f->slots[f->nslots++] = (uint16_t)r;
		p->nslots++;
	}
	r = 0;
	for (unsigned i = 0; i < b->nrules && r == 0; i++)
		r = get_rule(c, p);
	return r;
}

static int judge(struct cursor *c, const struct filter_policy *p)
{
	const char *why;
	unsigned at;

	if (filter_check(p, &at, &why) == 0)
		return 0;
	return errtext_set(c->err, -EINVAL, "policy '%s': rule %u: %s", p->name, at + 1, why);
}

static int get_policy(struct cursor *c, struct filter_policy *p)
{
	struct filter_file *f = c->f;
	uint32_t n;
	int r = get_name(c);

	if (r < 0)
		return r;
	const char *name = f->names[r / FILTER_NAME];
	if (filter_file_find(f, name))
		return errtext_set(c->err, -EINVAL, "policy '%s' is there twice", name);
	if (!get(c, &n, sizeof n))
		return cut(c);
	if (n == 0 || n > FILTER_BLOCKS - f->nblocks)
		return errtext_set(c->err, -EINVAL, "policy '%s' has no block or too many", name);
	*p = (struct filter_policy){.name = name,
				    .names = f->names[0],
				    .slots = f->slots + f->nslots,
				    .blocks = f->blocks + f->nblocks,
				    .rules = f->rules + f->nrules,
				    .tests = f->tests + f->ntests,
				    .nblocks = (uint16_t)n};
	r = 0;
	for (unsigned i = 0; i < n && r == 0; i++)
		r = get_block(c, p);
	return r < 0 ? errtext_blame(c->err, r, "policy '%s'", name) : judge(c, p);
}

int filter_file_parse(struct filter_file *ret_f, const void *data, size_t len, struct errtext *err)
{
	struct cursor c = {ret_f, data, len, err};
	struct filter_file_head head;

	ret_f->npolicies = ret_f->nnames = ret_f->nblocks = ret_f->nslots = ret_f->nrules =
		ret_f->ntests = 0;
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
