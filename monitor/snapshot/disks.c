/* SPDX-License-Identifier: MIT
 *
 * disks.c: see disks.h. A list of the clusters first, so that a restore knows what comes; the hash
 * is over both and stands in the state file, where the signature covers it.
 */
#include "monitor/snapshot/disks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/errbuf.h"
#include "lib/fullio.h"
#include "monitor/backend/overlay.h"
#include "monitor/snapshot/files.h"
#include "monitor/snapshot/hash.h"
#include "monitor/snapshot/state.h"
#include "monitor/virtio/blk.h"
#include "monitor/vm.h"

#define CL OVERLAY_CLUSTER

_Static_assert(CL == SNAP_PAGE, "a cluster is a page of the file");

/* Bytes of a list of n clusters: their number, their numbers, whole pages. */
static uint64_t list_len(uint64_t n)
{
	return ((n + 1) * 8 + CL - 1) / CL * CL;
}

/* --- save --- */

static int save_clusters(struct overlay *ov, const uint64_t *list, uint64_t n, int fd, uint64_t at,
			 crypto_generichash_blake2b_state *h)
{
	uint8_t buf[CL];
	int r = 0;

	for (uint64_t i = 0; i < n && !r; i++) {
		r = overlay_get(ov, list[i], buf);
		if (r)
			break;
		crypto_generichash_blake2b_update(h, buf, CL);
		r = full_write(fd, buf, CL, at + i * CL);
	}
	return r;
}

int disk_save(struct overlay *ov, struct dev_state *st, int fd, uint64_t at, char *err,
	      size_t errlen)
{
	uint64_t n = ov && overlay_in_memory(ov) ? overlay_metrics(ov).clusters : 0, len, c = 0;
	crypto_generichash_blake2b_state h;

	st->ov_off = st->ov_len = 0;
	if (!n)
		return 0;
	len = list_len(n);
	uint64_t *list = calloc(1, len);
	int r = list ? 0 : -ENOMEM;

	if (list) {
		list[0] = n;
		for (uint64_t i = 1; i <= n && overlay_next(ov, c, &c); i++)
			list[i] = c++;
		crypto_generichash_blake2b_init(&h, NULL, 0, SNAP_HASH);
		crypto_generichash_blake2b_update(&h, (const uint8_t *)list, len);
		r = full_write(fd, list, len, at);
		r = r ? r : save_clusters(ov, list + 1, n, fd, at + len, &h);
		crypto_generichash_blake2b_final(&h, st->ov_hash, SNAP_HASH);
	}
	free(list);
	if (r)
		return err_put(err, errlen, r, "what was written to disk '%.31s': %s", st->id,
			       strerror(-r));
	st->ov_off = at;
	st->ov_len = len + n * CL;
	st->ov_base_mtime_ns = overlay_base_mtime_ns(ov);
	return 0;
}

int disks_save(struct vm *vm, struct vm_state *st, int fd, uint64_t at, uint64_t *ret_len,
	       char *err, size_t errlen)
{
	uint64_t start = at;

	for (unsigned i = 0; i < vm->cfg->nblk; i++) {
		int r = disk_save(vblk_overlay(vm->slot[i].dev), &st->dev[i], fd, at, err, errlen);

		if (r)
			return r;
		at += st->dev[i].ov_len;
	}
	*ret_len = at - start;
	return 0;
}

/* --- load --- */

/* Each once, in order, on this disk. */
static bool good_list(const uint64_t *list, uint64_t n, uint64_t clusters)
{
	for (uint64_t i = 0; i < n; i++)
		if (list[i] >= clusters || (i && list[i] <= list[i - 1]))
			return false;
	return true;
}

static int load_clusters(struct overlay *ov, const uint64_t *list, uint64_t n, int fd, uint64_t at,
			 crypto_generichash_blake2b_state *h)
{
	uint8_t buf[CL];
	int r = 0;

	for (uint64_t i = 0; i < n && !r; i++) {
		r = full_read(fd, buf, CL, at + i * CL);
		if (r)
			break;
		crypto_generichash_blake2b_update(h, buf, CL);
		r = overlay_put(ov, list[i], buf);
	}
	return r;
}

static int load(struct overlay *ov, const struct dev_state *st, int fd)
{
	crypto_generichash_blake2b_state h;
	uint8_t sum[SNAP_HASH];
	uint64_t n, *list;
	int r = full_read(fd, &n, sizeof n, st->ov_off);

	if (r)
		return r;
	if (!n || n > st->ov_len / CL || list_len(n) + n * CL != st->ov_len)
		return -EBADMSG;
	list = malloc(list_len(n));
	r = list ? full_read(fd, list, list_len(n), st->ov_off) : -ENOMEM;
	if (!r && (list[0] != n || !good_list(list + 1, n, overlay_clusters(ov))))
		r = -EBADMSG;
	if (!r) {
		crypto_generichash_blake2b_init(&h, NULL, 0, SNAP_HASH);
		crypto_generichash_blake2b_update(&h, (const uint8_t *)list, list_len(n));
		r = load_clusters(ov, list + 1, n, fd, st->ov_off + list_len(n), &h);
		crypto_generichash_blake2b_final(&h, sum, SNAP_HASH);
	}
	free(list);
	return r ? r : memcmp(sum, st->ov_hash, sizeof sum) ? -EBADMSG : 0;
}

int disk_load(struct overlay *ov, const struct dev_state *st, int fd, const char *path, char *err,
	      size_t errlen)
{
	if (!st->ov_len)
		return 0;
	if (!ov)
		return err_put(err, errlen, -EINVAL,
			       "the snapshot has what was written to disk '%.31s', which needs an "
			       "overlay: say --block id=%.31s,overlay=mem or overlay=FILE",
			       st->id, st->id);
	if (overlay_metrics(ov).clusters)
		return err_put(err, errlen, -EINVAL,
			       "the overlay of disk '%.31s' is to hold what the snapshot has: name "
			       "a new file, or an empty one",
			       st->id);
	if (overlay_base_mtime_ns(ov) != st->ov_base_mtime_ns ||
	    overlay_base_size(ov) != st->blk_size)
		return err_put(
			err, errlen, -ESTALE,
			"disk '%.31s' is over another image, or over one that was written to "
			"since: name its image (copies keep its time with cp -p)",
			st->id);
	int r = load(ov, st, fd);

	if (r == -EBADMSG || r == -ENODATA)
		return err_put(err, errlen, r, "%s: was altered: what disk '%.31s' had is damaged",
			       path, st->id);
	return r ? err_put(err, errlen, r, "disk '%.31s': what was written to it: %s", st->id,
			   r == -ENOSPC ? "is more than overlay-max" : strerror(-r))
		 : 0;
}

int disks_load(struct vm *vm, const struct vm_state *st, int fd, const char *path, char *err,
	       size_t errlen)
{
	int r = 0;

	for (unsigned i = 0; i < vm->cfg->nblk && !r; i++)
		r = disk_load(vblk_overlay(vm->slot[i].dev), &st->dev[i], fd, path, err, errlen);
	return r;
}
