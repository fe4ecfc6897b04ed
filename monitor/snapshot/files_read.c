/* SPDX-License-Identifier: MIT
 *
 * files_read.c: see files.h: opening and restoring.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/errbuf.h"
#include "lib/fullio.h"
#include "monitor/snapshot/files.h"
#include "monitor/snapshot/memfile.h"

/* Beside the state file, and where a writer died before it could give the signature that name,
 * under the name that it had until then. Whatever proves the state is the right one. */
static int verify_beside(const struct snapshot *s, const char *path, const char *key, char *err,
			 size_t errlen)
{
	char sig[PATH_MAX], new[PATH_MAX], ignored[8];

	if ((size_t)snprintf(new, sizeof new, "%s.sig.new", path) >= sizeof new) {
		snprintf(err, errlen, "%s: %s", path, strerror(ENAMETOOLONG));
		return -ENAMETOOLONG;
	}
	snprintf(sig, sizeof sig, "%.*s", (int)(strlen(new) - strlen(".new")), new);
	int r = snap_verify(s->buf, s->len, key, sig, err, errlen);

	return r && snap_verify(s->buf, s->len, key, new, ignored, sizeof ignored) ? r : 0;
}

static bool is_packed(const char *path)
{
	char magic[sizeof SNAP_PACK_MAGIC - 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool yes = fd >= 0 && !full_read(fd, magic, sizeof magic, 0) &&
		   !memcmp(magic, SNAP_PACK_MAGIC, sizeof magic);

	if (fd >= 0)
		close(fd);
	return yes;
}

static int read_state(struct snapshot *s, const struct restore_config *rc, const char *path,
		      const char *sig, char *err, size_t errlen)
{
	char why[300];
	int r = snap_read(path, SNAP_STATE_MAX, &s->buf, &s->len, err, errlen);

	if (!r && rc->key)
		r = sig ? snap_verify(s->buf, s->len, rc->key, sig, err, errlen)
			: verify_beside(s, path, rc->key, err, errlen);
	if (!r) {
		r = snap_decode(s->buf, s->len, &s->v, why, sizeof why);
		if (r)
			snprintf(err, errlen, "%s: %s", path, why);
	}
	if (r && is_packed(path))
		r = err_put(err, errlen, -EINVAL,
			    "%s: is a packed snapshot; unpack it first: mayfly-snapshot unpack %s "
			    "STATE",
			    path, path);
	return r;
}

static int open_mem(struct snapshot *s, const char *path, const char *mem, char *err, size_t errlen)
{
	int n = mem ? snprintf(s->mem_path, sizeof s->mem_path, "%s", mem)
		    : snprintf(s->mem_path, sizeof s->mem_path, "%s.mem", path);

	if (n < 0 || (size_t)n >= sizeof s->mem_path) {
		snprintf(err, errlen, "%s: %s", path, strerror(ENAMETOOLONG));
		return -ENAMETOOLONG;
	}
	return memfile_open(s->mem_path, &s->v, &s->mem, &s->changed, err, errlen);
}

static int open_one(struct snapshot **ret, const struct restore_config *rc, const char *path,
		    const char *mem, const char *sig, char *err, size_t errlen)
{
	struct snapshot *s = calloc(1, sizeof *s);

	if (!s) {
		snprintf(err, errlen, "%s: out of memory", path);
		return -ENOMEM;
	}
	s->mem = -1;
	int r = read_state(s, rc, path, sig, err, errlen);

	r = r ? r : open_mem(s, path, mem, err, errlen);
	if (r)
		snap_files_close(s);
	else
		*ret = s;
	return r;
}

static int open_base(struct snapshot *s, const struct restore_config *rc, char *err, size_t errlen)
{
	if (!rc->base) {
		snprintf(err, errlen,
			 "%s: is a diff; say base=STATE, the state file of the snapshot below it",
			 rc->path);
		return -EINVAL;
	}
	int r = open_one(&s->base, rc, rc->base, rc->base_mem, NULL, err, errlen);

	if (r)
		return r;
	const struct snap_head *b = s->base->v.head;

	if (b->flags & SNAP_DIFF || memcmp(b->id, s->v.head->base_id, SNAP_ID) != 0 ||
	    b->mem_size != s->v.head->mem_size) {
		snprintf(err, errlen, "%s: is not the snapshot that %s was taken on top of",
			 rc->base, rc->path);
		return -EINVAL;
	}
	return 0;
}

int snap_files_open_layer(struct snapshot **ret, const struct restore_config *rc, char *err,
			  size_t errlen)
{
	return open_one(ret, rc, rc->path, rc->mem, rc->sig, err, errlen);
}

int snap_files_open(struct snapshot **ret, const struct restore_config *rc, char *err,
		    size_t errlen)
{
	struct snapshot *s = NULL;
	int r = snap_files_open_layer(&s, rc, err, errlen);

	if (!r && s->v.head->flags & SNAP_DIFF)
		r = open_base(s, rc, err, errlen);
	if (r)
		snap_files_close(s);
	else
		*ret = s;
	return r;
}

void snap_files_close(struct snapshot *s)
{
	if (!s)
		return;
	snap_files_close(s->base);
	if (s->mem >= 0)
		close(s->mem);
	free(s->buf);
	free(s);
}

struct vm_state *snap_files_state(struct snapshot *s)
{
	return (void *)((uint8_t *)s->buf + s->v.head->sect[SNAP_STATE].off);
}

int snap_files_memory(const struct snapshot *s, enum restore_verify verify, uint8_t *base,
		      char *err, size_t errlen)
{
	int r = s->base ? snap_files_memory(s->base, verify, base, err, errlen) : 0;

	if (r)
		return r;
	if (verify == VERIFY_COPY || verify == VERIFY_LAZY)
		return memfile_load(s->mem, s->mem_path, &s->v, base, err, errlen);
	/* Untouched since it was written: reading all of it again would find nothing. */
	if (verify == VERIFY_FULL || (verify == VERIFY_AUTO && s->changed))
		r = memfile_verify(s->mem, s->mem_path, &s->v, err, errlen);
	return r ? r : memfile_map(s->mem, s->mem_path, &s->v, base, err, errlen);
}
