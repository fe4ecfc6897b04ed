/* SPDX-License-Identifier: MIT
 *
 * overlay_file.c: an overlay that outlives its VM. The file: one page with struct overlay_head; the
 * map, a bit a cluster, in whole pages; the clusters at their own places, sparse; behind them, at
 * their own places again, what is kept for a rewind.
 *
 * What makes FLUSH durable: clusters are written to their places; FLUSH syncs them, then writes the
 * pages of the map that have changed, then syncs these. So a bit in the file is never younger than
 * its cluster, and what was flushed is there after a kill or a power cut, while what was not may be
 * missing or be read from the image below, which is what a disk may do too. The head is there
 * before anything else. Little endian. The file is hostile until it has been judged; what its
 * clusters hold is the guest's business. Main thread; sync: the device's.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/errbuf.h"
#include "lib/handed.h"
#include "lib/vec.h"
#include "monitor/backend/overlay_priv.h"
#include "monitor/config.h"

#define MAGIC	"MAYFLYOV"
#define VERSION 1u

_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "the file's is the host's");

struct overlay_head {
	char magic[8];
	uint32_t version;
	uint32_t cluster;
	uint64_t base_size;
	int64_t base_mtime_ns; /* 0: a block device, which has none */
	uint8_t zero[CL - 32];
};

_Static_assert(sizeof(struct overlay_head) == CL, "one page");

struct who {
	const struct blk_config *cfg;
	char *err;
	size_t errlen;
};

#define REFUSE(w, e, fmt, ...)                                                             \
	err_put((w)->err, (w)->errlen, e, "--block id=%s: overlay %s: " fmt, (w)->cfg->id, \
		(w)->cfg->overlay, __VA_ARGS__)

static void base_head(const struct overlay *ov, struct overlay_head *h)
{
	*h = (struct overlay_head){
		.version = VERSION,
		.cluster = CL,
		.base_size = ov->size,
		.base_mtime_ns = ov->mtime_ns,
	};
	memcpy(h->magic, MAGIC, sizeof h->magic);
}

/* Is this file for the image below, as it is? */
static int judge_head(const struct who *w, const struct overlay_head *h,
		      const struct overlay_head *want)
{
	static const uint8_t zero[sizeof h->zero];

	if (memcmp(h->magic, MAGIC, sizeof h->magic) != 0)
		return REFUSE(w, -EINVAL, "%s",
			      "is something else: name a new file, or an empty one");
	if (h->version != VERSION || h->cluster != CL || memcmp(h->zero, zero, sizeof zero) != 0)
		return REFUSE(w, -EINVAL,
			      "has format version %u with clusters of %u bytes, this monitor "
			      "reads %u with %u: start with a new file",
			      h->version, h->cluster, VERSION, CL);
	if (h->base_size != want->base_size)
		return REFUSE(w, -ESTALE,
			      "belongs to an image of %lu bytes, %s has %lu: name its image, or a "
			      "new overlay",
			      h->base_size, w->cfg->path, want->base_size);
	if (h->base_mtime_ns != want->base_mtime_ns)
		return REFUSE(
			w, -ESTALE,
			"belongs to another image, or %s was written to since: name its "
			"image, or a new overlay (copies of an image keep its time with cp -p)",
			w->cfg->path);
	return 0;
}

/* Up to len bytes from off on; what the file does not have is zeroes. */
static int read_some(int fd, void *buf, uint64_t len, uint64_t off)
{
	uint8_t *p = buf;

	while (len) {
		ssize_t got = vec_get(fd, p, len < 1u << 20 ? len : 1u << 20, off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		p += got;
		off += (uint64_t)got;
		len -= (uint64_t)got;
	}
	memset(p, 0, len);
	return 0;
}

static int read_map(const struct who *w, struct overlay *ov)
{
	uint64_t words = (ov->clusters + 63) / 64, rest = ov->map_pages * CL - words * 8;
	int r = read_some(ov->file.fd, ov->map, words * 8, CL);
	uint8_t beyond = 0;

	r = r ? r : read_some(ov->file.fd, ov->buf, rest, CL + words * 8);
	if (r)
		return REFUSE(w, r, "%s", strerror(-r));
	for (uint64_t i = 0; i < rest; i++)
		beyond |= ov->buf[i];
	if (beyond || (ov->clusters % 64 && ov->map[words - 1] >> ov->clusters % 64))
		return REFUSE(w, -EINVAL, "%s",
			      "is damaged: it has clusters beyond the end of the disk");
	for (uint64_t i = 0; i < words; i++)
		ov->used += (unsigned)__builtin_popcountll(ov->map[i]);
	return 0;
}

static int same_as_base(const struct who *w, const struct overlay *ov, const struct stat *b)
{
	struct stat a;

	if (fstat(ov->base->fd, &a) || a.st_dev != b->st_dev || a.st_ino != b->st_ino)
		return 0;
	return REFUSE(w, -EINVAL, "%s", "is the image below: name another file");
}

static int open_locked(const struct who *w, struct overlay *ov, uint64_t *ret_size)
{
	struct stat st;
	int fd = handed_open(w->cfg->overlay, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
			     0600);

	if (fd < 0)
		return REFUSE(w, -errno, "cannot be opened: %s", strerror(errno));
	ov->file.fd = fd;
	if (fstat(fd, &st))
		return REFUSE(w, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return REFUSE(w, -EINVAL, "%s", "is no regular file");
	int r = same_as_base(w, ov, &st);

	if (r)
		return r;
	/* io_uring must not see O_NONBLOCK. */
	if (fcntl(fd, F_SETFL, 0))
		return REFUSE(w, -errno, "%s", strerror(errno));
	if (bfile_lock(fd, false))
		return REFUSE(w, -EBUSY, "%s",
			      "is in use by another VM: give each VM an overlay of its own");
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

/* A new one. Its name is durable too, or a flushed write could be lost with it. */
static int make(const struct who *w, struct overlay *ov, const struct overlay_head *h)
{
	if (vec_put_at(ov->file.fd, h, sizeof *h, 0) != sizeof *h || fsync(ov->file.fd))
		return REFUSE(w, -EIO, "cannot be written: %s", strerror(errno));
	if (handed_number(w->cfg->overlay) >= 0)
		return 0;
	char dir[PATH_MAX];
	const char *slash = strrchr(w->cfg->overlay, '/');

	snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - w->cfg->overlay + 1) : 1,
		 slash ? w->cfg->overlay : ".");
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = fd < 0 ? -errno : 0;

	/* A folder that one may not look into is not ours to sync. */
	if (fd < 0)
		return r == -EACCES ? 0 : REFUSE(w, r, "%s: %s", dir, strerror(-r));
	(void)fsync(fd);
	close(fd);
	return 0;
}

int overlay_file_open(struct overlay *ov, const struct blk_config *cfg, char *err, size_t errlen)
{
	const struct who w = {cfg, err, errlen};
	struct overlay_head *want = malloc(2 * sizeof *want), *have = want + 1;
	uint64_t size = 0;

	if (!want)
		return REFUSE(&w, -ENOMEM, "%s", strerror(ENOMEM));
	ov->map_pages = ((ov->clusters + 7) / 8 + CL - 1) / CL;
	ov->data = CL + ov->map_pages * CL;
	ov->file = (struct bfile){.fd = -1, .align = 1, .size = ov->data + 2 * ov->span};
	ov->stale = calloc((ov->map_pages + 63) / 64, sizeof *ov->stale);
	int r = ov->stale ? 0 : REFUSE(&w, -ENOMEM, "%s", strerror(ENOMEM));

	base_head(ov, want);
	r = r ? r : open_locked(&w, ov, &size);
	if (!r && !size) {
		r = make(&w, ov, want);
	} else if (!r) {
		r = read_some(ov->file.fd, have, sizeof *have, 0);
		r = r ? REFUSE(&w, r, "%s", strerror(-r)) : judge_head(&w, have, want);
		r = r ? r : read_map(&w, ov);
	}
	/* Holes read as zeroes, the end as an error. */
	if (!r && size < ov->data + ov->span &&
	    ftruncate(ov->file.fd, (off_t)(ov->data + ov->span)))
		r = REFUSE(&w, -errno, "cannot be made as large as the disk: %s", strerror(errno));
	free(want);
	return r;
}

bool overlay_sync_is_plain(const struct overlay *ov)
{
	for (uint64_t i = 0; i < (ov->map_pages + 63) / 64; i++)
		if (ov->stale[i])
			return false;
	return true;
}

static int write_map_page(struct overlay *ov, uint64_t page)
{
	const uint8_t *map = (const uint8_t *)ov->map;
	uint64_t len = (ov->clusters + 63) / 64 * 8 - page * CL;
	ssize_t n;

	len = len < CL ? len : CL;
	do
		n = vec_put_at(ov->file.fd, map + page * CL, len, CL + page * CL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
}

int overlay_file_sync(struct overlay *ov)
{
	int r = bfile_sync(&ov->file);

	if (r || overlay_sync_is_plain(ov))
		return r;
	for (uint64_t i = 0; i < (ov->map_pages + 63) / 64; i++)
		for (uint64_t w = ov->stale[i]; w; w &= w - 1) {
			r = write_map_page(ov, i * 64 + (unsigned)__builtin_ctzll(w));
			if (r)
				return r;
		}
	r = bfile_sync(&ov->file);
	if (!r)
		memset(ov->stale, 0, (ov->map_pages + 63) / 64 * sizeof *ov->stale);
	return r;
}
