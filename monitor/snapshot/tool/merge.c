/* SPDX-License-Identifier: MIT
 *
 * merge.c: command_merge: a diff and the full snapshot below it become one full snapshot, with an
 * id of its own. Both are read to their last byte first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/errbuf.h"
#include "lib/fullio.h"
#include "monitor/snapshot/tool/command.h"
#include "monitor/snapshot/tool/packed.h"

/* What lies in overlays is whole in each snapshot: the diff's. */
static int copy_disks(void *arg, int fd, uint64_t at, uint64_t *ret_len, char *err, size_t errlen)
{
	const struct snapshot *s = arg;
	uint8_t *piece = malloc(SNAP_CHUNK);
	struct pieces p;
	int r = piece ? 0 : err_put(err, errlen, -ENOMEM, "out of memory");

	(void)at; /* behind memory of the same size: where it was */
	pieces_begin_disks(&p, &s->v);
	while (!r && pieces_next(&p)) {
		r = full_read(s->mem, piece, p.len, p.at);
		r = r ? err_put(err, errlen, r, "%s: %s", s->mem_path, strerror(-r))
		      : pieces_check(&p, piece, s->mem_path, err, errlen);
		r = r ? r : full_write(fd, piece, p.len, p.at);
	}
	free(piece);
	*ret_len = vm_state_disks(s->v.state);
	return r;
}

static int merge(const struct command *c, struct snapshot *s, uint8_t *base, char *err,
		 size_t errlen)
{
	const struct snap_source src = {.state = s->v.state,
					.cpu = s->v.cpu,
					.config = s->v.config,
					.base = base,
					.disks = copy_disks,
					.disks_arg = s};
	char mem[PATH_MAX];
	struct snap_written w;
	int r = snap_files_memory(s, VERIFY_FULL, base, err, errlen);

	if (r)
		return r;
	if ((size_t)snprintf(mem, sizeof mem, c->mem ? "%s" : "%s.mem",
			     c->mem ? c->mem : c->arg[2]) >= sizeof mem)
		return err_put(err, errlen, -ENAMETOOLONG, "%s: %s", c->arg[2],
			       strerror(ENAMETOOLONG));
	return snap_files_write(&src, c->arg[2], mem, &w, err, errlen);
}

int command_merge(const struct command *c, char *err, size_t errlen)
{
	const struct restore_config rc = {.path = c->arg[0], .base = c->arg[1], .key = c->key};
	struct snapshot *s = NULL;
	int r = snap_files_open(&s, &rc, err, errlen);

	if (!r && !s->base)
		r = err_put(err, errlen, -EINVAL, "%s: is no diff", c->arg[0]);
	if (r) {
		snap_files_close(s);
		return r;
	}
	uint64_t size = s->v.head->mem_size;
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED) {
		r = err_put(err, errlen, -errno, "%s: %s", c->arg[0], strerror(errno));
	} else {
		r = merge(c, s, base, err, errlen);
		munmap(base, size);
	}
	snap_files_close(s);
	return r;
}
