/* SPDX-License-Identifier: MIT
 *
 * wset_file.c: see wset_file.h and wset.h.
 */
#include "monitor/snapshot/wset_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "monitor/snapshot/hash.h"
#include "monitor/snapshot/newfile.h"

int wset_write(const char *path, const uint8_t id[SNAP_ID], const struct wset_run *run,
	       uint32_t nruns)
{
	struct wset_head head = {.version = SNAP_VERSION, .nruns = nruns};
	const size_t len = nruns * sizeof *run;
	struct newfile nf;
	char err[PATH_MAX + 64];

	memcpy(head.magic, WSET_MAGIC, sizeof head.magic);
	memcpy(head.id, id, SNAP_ID);
	snap_hash(head.checksum, run, len);
	int r = newfile_open(&nf, path, err, sizeof err);

	if (r)
		return r;
	if (write(nf.fd, &head, sizeof head) != sizeof head ||
	    write(nf.fd, run, len) != (ssize_t)len)
		r = -EIO;
	/* Not synced: when the machine dies it is made again. */
	r = r ? r : newfile_commit(&nf, err, sizeof err);
	newfile_close(&nf);
	return r;
}

const struct wset_run *wset_decode(const void *buf, size_t len, const uint8_t id[SNAP_ID],
				   uint64_t npages, uint32_t *ret_nruns)
{
	const struct wset_head *h = buf;
	const struct wset_run *run = (const void *)(h + 1);
	uint8_t sum[SNAP_HASH];
	uint64_t at = 0;

	if (len < sizeof *h || memcmp(h->magic, WSET_MAGIC, sizeof h->magic) != 0 ||
	    h->version != SNAP_VERSION || memcmp(h->id, id, SNAP_ID) != 0 ||
	    (len - sizeof *h) / sizeof *run != h->nruns || (len - sizeof *h) % sizeof *run)
		return NULL;
	snap_hash(sum, run, len - sizeof *h);
	if (memcmp(sum, h->checksum, sizeof sum) != 0)
		return NULL;
	for (uint32_t i = 0; i < h->nruns; i++) {
		uint64_t count = run[i].count & ~WSET_WRITTEN;

		if (!count || run[i].first < at || count > npages || run[i].first > npages - count)
			return NULL;
		at = run[i].first + count;
	}
	*ret_nruns = h->nruns;
	return run;
}
