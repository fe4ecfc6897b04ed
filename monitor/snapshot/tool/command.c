/* SPDX-License-Identifier: MIT
 *
 * command.c: see command.h: checking, packing, unpacking. What is written takes the place of what
 * was there in one step (newfile.h), memory first, then the state, then its signature.
 */
#include "monitor/snapshot/tool/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/errbuf.h"
#include "lib/fullio.h"
#include "monitor/snapshot/memfile.h"
#include "monitor/snapshot/newfile.h"
#include "monitor/snapshot/tool/packed.h"

#define NS INT64_C(1000000000)

static bool is_stream(const char *path)
{
	return strcmp(path, "-") == 0;
}

int command_open(const char *path, char *err, size_t errlen)
{
	int fd = is_stream(path) ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? err_put(err, errlen, -errno, "%s: %s", path, strerror(errno)) : fd;
}

bool command_is_packed(int fd)
{
	char magic[sizeof SNAP_PACK_MAGIC - 1];
	int r = full_read(fd, magic, sizeof magic, 0);

	return r == -ESPIPE || (!r && !memcmp(magic, SNAP_PACK_MAGIC, sizeof magic));
}

static int open_layer(struct snapshot **ret, const struct command *c, char *err, size_t errlen)
{
	const struct restore_config rc = {
		.path = c->arg[0], .mem = c->mem, .key = c->key, .sig = c->sig};

	return snap_files_open_layer(ret, &rc, err, errlen);
}

static const char *sig_path(const struct command *c, const char *state, char buf[PATH_MAX])
{
	if (c->sig)
		return c->sig;
	snprintf(buf, PATH_MAX, "%s.sig", state);
	return buf;
}

/* --- verify --- */

static int verify_packed(const struct command *c, int fd, char *err, size_t errlen)
{
	struct packed p;
	int r = packed_open(&p, fd, c->arg[0], c->key, err, errlen);

	r = r ? r : packed_contents(&p, -1, NULL, err, errlen);
	packed_close(&p);
	return r;
}

static int verify_disks(const struct snapshot *s, char *err, size_t errlen)
{
	uint8_t *piece = malloc(SNAP_CHUNK);
	struct pieces p;
	int r = piece ? 0 : err_put(err, errlen, -ENOMEM, "%s: out of memory", s->mem_path);

	pieces_begin_disks(&p, &s->v);
	while (!r && pieces_next(&p)) {
		r = full_read(s->mem, piece, p.len, p.at);
		r = r ? err_put(err, errlen, r, "%s: %s", s->mem_path, strerror(-r))
		      : pieces_check(&p, piece, s->mem_path, err, errlen);
	}
	free(piece);
	return r;
}

static int verify_files(const struct command *c, char *err, size_t errlen)
{
	struct snapshot *s = NULL;
	int r = open_layer(&s, c, err, errlen);

	r = r ? r : memfile_verify(s->mem, s->mem_path, &s->v, err, errlen);
	r = r ? r : verify_disks(s, err, errlen);
	snap_files_close(s);
	return r;
}

int command_verify(const struct command *c, char *err, size_t errlen)
{
	int fd = command_open(c->arg[0], err, errlen), r;

	if (fd < 0)
		return fd;
	r = command_is_packed(fd) ? verify_packed(c, fd, err, errlen)
				  : verify_files(c, err, errlen);
	close(fd);
	if (!r)
		err_put(err, errlen, 0, "%s: whole%s", c->arg[0],
			c->key ? ", and signed by that key" : "; signature not looked at (--key)");
	return r;
}

/* --- pack --- */

/* The signature that lies beside the state, when one does. */
static int read_sig(const struct command *c, uint8_t sig[SNAP_SIG], bool *ret_there, char *err,
		    size_t errlen)
{
	char buf[PATH_MAX];
	const char *path = sig_path(c, c->arg[0], buf);
	void *data;
	size_t len;

	*ret_there = c->sig || c->key || !access(path, F_OK);
	if (!*ret_there)
		return 0;
	int r = snap_read(path, 4096, &data, &len, err, errlen);

	if (r)
		return r;
	if (len == SNAP_SIG)
		memcpy(sig, data, SNAP_SIG);
	else
		r = err_put(err, errlen, -EINVAL, "%s: is no signature: %zu bytes, not %u", path,
			    len, SNAP_SIG);
	free(data);
	return r;
}

static int pack_to_file(const struct command *c, const struct snapshot *s, const uint8_t *sig,
			uint64_t *ret_len, char *err, size_t errlen)
{
	struct newfile nf = {.fd = -1};
	int r = newfile_open(&nf, c->arg[1], err, errlen);

	r = r ? r : packed_write(s, sig, c->level, nf.fd, c->arg[1], ret_len, err, errlen);
	r = r ? r : newfile_sync(&nf, err, errlen);
	r = r ? r : newfile_commit(&nf, err, errlen);
	newfile_close(&nf);
	return r;
}

int command_pack(const struct command *c, char *err, size_t errlen)
{
	struct snapshot *s = NULL;
	uint8_t sig[SNAP_SIG];
	uint64_t len = 0;
	bool has_sig = false;
	int r = open_layer(&s, c, err, errlen);

	r = r ? r : read_sig(c, sig, &has_sig, err, errlen);
	if (!r)
		r = is_stream(c->arg[1])
			    ? packed_write(s, has_sig ? sig : NULL, c->level, STDOUT_FILENO,
					   "standard output", &len, err, errlen)
			    : pack_to_file(c, s, has_sig ? sig : NULL, &len, err, errlen);
	if (!r && !is_stream(c->arg[1]))
		err_put(err, errlen, 0, "%s: %lu KiB, of %lu KiB", c->arg[1], (len + 1023) / 1024,
			packed_room(&s->v, s->len) / 1024);
	snap_files_close(s);
	return r;
}

/* --- unpack --- */

/* Before a byte is written: a small file can ask for much. */
static int check_room(const struct command *c, const struct packed *p, int fd, char *err,
		      size_t errlen)
{
	uint64_t room = packed_room(&p->v, p->head.state_len);
	struct statvfs fs;

	if (c->limit && room > c->limit)
		return err_put(err, errlen, -EFBIG, "%s: unpacks to %lu bytes, --limit is %lu",
			       p->path, room, c->limit);
	if (fstatvfs(fd, &fs))
		return err_put(err, errlen, -errno, "%s: %s", c->arg[1], strerror(errno));
	if (room > (uint64_t)fs.f_bavail * fs.f_frsize)
		return err_put(err, errlen, -ENOSPC,
			       "%s: unpacks to %lu bytes, and there is room for %lu at %s", p->path,
			       room, (uint64_t)fs.f_bavail * fs.f_frsize, c->arg[1]);
	return 0;
}

/* Every byte of it has just been compared with its hash: a restore need not do it again. */
static int set_time(struct newfile *nf, int64_t ns, char *err, size_t errlen)
{
	int64_t sec = ns / NS - (ns % NS < 0);
	const struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT},
				       {.tv_sec = sec, .tv_nsec = ns - sec * NS}};

	if (futimens(nf->fd, ts))
		return err_put(err, errlen, -errno, "%s: %s", nf->path, strerror(errno));
	return newfile_sync(nf, err, errlen);
}

static int write_small(struct newfile *nf, const char *path, const void *data, uint64_t len,
		       char *err, size_t errlen)
{
	int r = newfile_open(nf, path, err, errlen);

	if (r)
		return r;
	r = full_write(nf->fd, data, len, 0);
	return r ? err_put(err, errlen, r, "%s: %s", path, strerror(-r))
		 : newfile_sync(nf, err, errlen);
}

/*
 * A writer that died between its last two steps has left a state whose signature has its temporary
 * name (files_read.c finds it there): it gets its own before ours takes that one. It is recognised
 * by the state's temporary name, which is taken before it and given up before it, and it is no
 * older than the signature that it is to replace.
 */
static int finish_sig(const char *state, const char *sig, char *err, size_t errlen)
{
	char sig_new[PATH_MAX], state_new[PATH_MAX];
	struct stat a, b;

	if ((size_t)snprintf(sig_new, sizeof sig_new, "%s.new", sig) >= sizeof sig_new ||
	    (size_t)snprintf(state_new, sizeof state_new, "%s.new", state) >= sizeof state_new)
		return err_put(err, errlen, -ENAMETOOLONG, "%s: %s", state, strerror(ENAMETOOLONG));
	if (lstat(sig_new, &a) || a.st_size != SNAP_SIG || !lstat(state_new, &b))
		return 0;
	if (!lstat(sig, &b) &&
	    (b.st_mtim.tv_sec > a.st_mtim.tv_sec ||
	     (b.st_mtim.tv_sec == a.st_mtim.tv_sec && b.st_mtim.tv_nsec > a.st_mtim.tv_nsec)))
		return 0;
	if (rename(sig_new, sig))
		return err_put(err, errlen, -errno, "%s: %s", sig, strerror(errno));
	int r = newfile_sync_dir(sig);

	return r ? err_put(err, errlen, r, "%s: %s", sig, strerror(-r)) : 0;
}

static int unpack_to(const struct command *c, struct packed *p, char *err, size_t errlen)
{
	struct newfile mem = {.fd = -1}, state = {.fd = -1}, sig = {.fd = -1};
	char mem_path[PATH_MAX], buf[PATH_MAX];
	const char *at = sig_path(c, c->arg[1], buf);

	if ((size_t)snprintf(mem_path, sizeof mem_path, c->mem ? "%s" : "%s.mem",
			     c->mem ? c->mem : c->arg[1]) >= sizeof mem_path)
		return err_put(err, errlen, -ENAMETOOLONG, "%s: %s", c->arg[1],
			       strerror(ENAMETOOLONG));
	int r = finish_sig(c->arg[1], at, err, errlen);

	r = r ? r : newfile_open(&mem, mem_path, err, errlen);
	r = r ? r : check_room(c, p, mem.fd, err, errlen);
	r = r ? r : packed_contents(p, mem.fd, mem_path, err, errlen);
	r = r ? r : set_time(&mem, p->v.head->mem_mtime_ns, err, errlen);
	r = r ? r : write_small(&state, c->arg[1], p->state, p->head.state_len, err, errlen);
	if (!r && p->head.has_sig)
		r = write_small(&sig, at, p->head.sig, SNAP_SIG, err, errlen);
	r = r ? r : snap_files_commit(&mem, &state, err, errlen);
	if (!r && p->head.has_sig)
		r = newfile_commit(&sig, err, errlen);
	newfile_close(&sig);
	newfile_close(&state);
	newfile_close(&mem);
	return r;
}

int command_unpack(const struct command *c, char *err, size_t errlen)
{
	const char *name = is_stream(c->arg[0]) ? "standard input" : c->arg[0];
	int fd = command_open(c->arg[0], err, errlen), r;
	struct packed p;

	if (fd < 0)
		return fd;
	r = packed_open(&p, fd, name, c->key, err, errlen);
	r = r ? r : unpack_to(c, &p, err, errlen);
	packed_close(&p);
	close(fd);
	return r;
}
