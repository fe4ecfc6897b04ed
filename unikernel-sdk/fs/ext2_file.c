/* SPDX-License-Identifier: MIT
 *
 * ext2_file.c: bytes of files. Small and sequential reads go through the buffer cache with
 * read-ahead; runs of whole blocks that are large go straight between the disk and the caller's
 * buffer. Holes and unwritten blocks read as zero. Runs on the one vCPU; the caller's memory is
 * trusted.
 */
#include "fs/ext2.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/cache.h"
#include "fs/ext2_map.h"

#define m uk__ext2

#define DIRECT_READ  (128u << 10) /* from this size on a run bypasses the cache */
#define DIRECT_WRITE (64u << 10)
#define AHEAD_FIRST  (32u << 10)  /* the window starts here, doubles... */
#define AHEAD_MAX    (512u << 10) /* ...up to here or a quarter of the cache */
#define ALLOC_MAX    1024u	  /* blocks allocated at once */

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* --- reading ------------------------------------------------------------------------- */

static uint32_t ahead_max(void)
{
	return min_u32(AHEAD_MAX / m.bsize, uk__cache_blocks() / 4);
}

/* Note a read of [off, off + len) and decide how far to read ahead of it. */
static void ahead_note(struct uk_ahead *ra, int64_t off, size_t len)
{
	if (off == ra->next && off >= 0) {
		ra->window = ra->window ? min_u32(ra->window * 2, ahead_max())
					: min_u32(AHEAD_FIRST / m.bsize, ahead_max());
	} else {
		ra->window = 0;
		ra->issued = 0;
	}
	if (off == 0)
		ra->issued = 0;
	ra->next = off + (int64_t)len;
}

/*
 * Ask for the blocks [lblk, lblk + want) and, when the reader is sequential, the window behind
 * them, unless most of that has been asked for. Only the run at lblk: at an extent's end the next
 * call goes on.
 */
static void ahead_issue(struct uk_node *n, struct uk_ahead *ra, const struct uk_extent *ext,
			uint32_t want)
{
	uint32_t lblk = ext->lblk, end = lblk + want, from = lblk;
	uint64_t blocks = ((uint64_t)uk__node_size(n) + m.bsize - 1) / m.bsize;

	if (ra->window) {
		if (ra->issued > lblk && ra->issued >= end + ra->window / 2)
			return;
		if (ra->issued > lblk && ra->issued <= lblk + ext->len)
			from = ra->issued;
		end += ra->window;
	}
	if (end - lblk > ext->len)
		end = lblk + ext->len;
	if (end > blocks)
		end = (uint32_t)blocks;
	if (end <= from)
		return;
	/* Whole requests: what is left over comes with the next window. */
	if (end - from > UK_BLK_SG && end - (end - from) % UK_BLK_SG >= lblk + want)
		end -= (end - from) % UK_BLK_SG;
	uk__cache_readahead(ext->pblk + (from - lblk), end - from);
	ra->issued = end;
}

static ssize_t read_mapped(struct uk_node *n, struct uk_ahead *ra, const struct uk_extent *ext,
			   uint8_t *buf, size_t len, uint32_t in)
{
	uint32_t whole = in == 0 ? min_u32(ext->len, (uint32_t)(len / m.bsize)) : 0;
	uint32_t want = min_u32(ext->len, (uint32_t)((in + len + m.bsize - 1) / m.bsize));
	uint64_t pblk = ext->pblk;
	size_t done = 0;
	int r;

	if ((uint64_t)whole * m.bsize >= DIRECT_READ) {
		r = uk__cache_read_direct(pblk, whole, buf);
		return r < 0 ? r : (ssize_t)whole * m.bsize;
	}
	want = min_u32(want, ahead_max() ? ahead_max() : 1);
	ahead_issue(n, ra, ext, want);
	for (uint32_t i = 0; i < want && done < len; i++, in = 0) {
		uint32_t k = (uint32_t)(len - done < m.bsize - in ? len - done : m.bsize - in);

		r = uk__cache_read(pblk + i, in, buf + done, k);
		if (r < 0)
			return done ? (ssize_t)done : r;
		done += k;
		/* A stream larger than the cache would only push out what is hot. */
		if (in + k == m.bsize && ra->window &&
		    (uint64_t)uk__node_size(n) / m.bsize > uk__cache_blocks() / 2)
			uk__cache_cool(pblk + i, 1);
	}
	return (ssize_t)done;
}

ssize_t uk__node_read(struct uk_node *n, struct uk_ahead *ra, void *buf, size_t len, int64_t off)
{
	int64_t size = uk__node_size(n);
	uint8_t *p = buf;
	size_t done = 0;

	if (n->dead)
		return -EIO;
	if (off < 0)
		return -EINVAL;
	if (off >= size || len == 0)
		return 0;
	if ((uint64_t)(size - off) < len)
		len = (size_t)(size - off);
	ahead_note(ra, off, len);
	while (done < len) {
		uint64_t pos = (uint64_t)off + done;
		uint32_t in = (uint32_t)(pos % m.bsize);
		struct uk_extent ext;
		ssize_t k;

		if (pos / m.bsize >= UINT32_MAX)
			return done ? (ssize_t)done : uk__ext2_err(EXT2_ET_FILE_TOO_BIG);
		k = uk__node_map(n, (uint32_t)(pos / m.bsize), &ext);
		if (k == 0 && (ext.pblk == 0 || ext.unwritten)) {
			uint64_t run = (uint64_t)ext.len * m.bsize - in;

			k = (ssize_t)(run < len - done ? run : len - done);
			memset(p + done, 0, (size_t)k);
		} else if (k == 0) {
			k = read_mapped(n, ra, &ext, p + done, len - done, in);
		}
		if (k < 0)
			return done ? (ssize_t)done : k;
		done += (size_t)k;
	}
	return (ssize_t)done;
}

/* --- writing ------------------------------------------------------------------------- */

/* fresh: the blocks hold garbage, what is not written must become zero. */
static ssize_t write_blocks(uint64_t pblk, uint32_t run, const uint8_t *buf, size_t len,
			    uint32_t in, bool fresh)
{
	uint32_t whole = in == 0 ? min_u32(run, (uint32_t)(len / m.bsize)) : 0;
	size_t done = 0;
	int r;

	if ((uint64_t)whole * m.bsize >= DIRECT_WRITE) {
		r = uk__cache_write_direct(pblk, whole, buf);
		return r < 0 ? r : (ssize_t)whole * m.bsize;
	}
	for (uint32_t i = 0; i < run && done < len; i++, in = 0) {
		uint32_t k = (uint32_t)(len - done < m.bsize - in ? len - done : m.bsize - in);

		r = uk__cache_write(pblk + i, in, buf + done, k, true, fresh);
		if (r < 0)
			return done ? (ssize_t)done : r;
		done += k;
	}
	return (ssize_t)done;
}

static ssize_t write_unwritten(struct uk_node *n, const struct uk_extent *ext, const uint8_t *buf,
			       size_t len, uint32_t in)
{
	size_t k = len < m.bsize - in ? len : m.bsize - in;
	int r = uk__cache_write(ext->pblk, in, buf, (uint32_t)k, true, true);

	if (r == 0)
		r = uk__node_set_written(n, ext->lblk, ext->pblk);
	return r < 0 ? r : (ssize_t)k;
}

static ssize_t write_hole(struct uk_node *n, const struct uk_extent *hole, const uint8_t *buf,
			  size_t len, uint32_t in)
{
	uint32_t want =
		(uint32_t)((in + (len < (1u << 30) ? len : 1u << 30) + m.bsize - 1) / m.bsize);
	struct uk_extent ext;
	bool zeroed;
	int r;

	/* Whole blocks may go straight to the disk; the part of a block behind them is a hole of
	 * its own, so that its rest becomes zero. */
	if (in == 0 && len >= m.bsize)
		want = (uint32_t)((len < (1u << 30) ? len : 1u << 30) / m.bsize);
	want = min_u32(min_u32(want, hole->len), ALLOC_MAX);
	r = uk__node_alloc(n, hole->lblk, want, &zeroed);
	if (r == 0)
		r = uk__node_map(n, hole->lblk, &ext);
	if (r)
		return r;
	if (ext.pblk == 0 || ext.unwritten)
		return uk__ext2_err(EXT2_ET_EXTENT_INVALID_LENGTH);
	if (zeroed)
		return write_blocks(ext.pblk, 1, buf, len, in, false);
	return write_blocks(ext.pblk, min_u32(ext.len, want), buf, len, in, true);
}

/* Blocks beyond the end may hold garbage when a write stopped half way: give them back. */
static void trim_tail(struct uk_node *n)
{
	uint64_t end = ((uint64_t)uk__node_size(n) + m.bsize - 1) / m.bsize;

	if (uk__node_flush(n) == 0)
		ext2fs_punch(m.fs, n->ino, uk__node_inode(n), NULL, end, ~0ULL);
	n->map.len = 0;
	n->dirty = true;
}

static ssize_t write_at(struct uk_node *n, const uint8_t *buf, size_t len, uint64_t pos)
{
	uint32_t in = (uint32_t)(pos % m.bsize);
	struct uk_extent ext;
	int r;

	if (pos / m.bsize >= UINT32_MAX - 1)
		return -EFBIG;
	r = uk__node_map(n, (uint32_t)(pos / m.bsize), &ext);
	if (r)
		return r;
	if (ext.pblk == 0)
		return write_hole(n, &ext, buf, len, in);
	if (ext.unwritten)
		return write_unwritten(n, &ext, buf, len, in);
	return write_blocks(ext.pblk, ext.len, buf, len, in, false);
}

ssize_t uk__node_write(struct uk_node *n, const void *buf, size_t len, int64_t off)
{
	int64_t size = uk__node_size(n);
	const uint8_t *p = buf;
	size_t done = 0;
	ssize_t k = 0;
	int r;

	if (n->dead)
		return -EIO;
	if (off < 0)
		return -EINVAL;
	if (len == 0)
		return 0;
	if (len > INT32_MAX)
		len = INT32_MAX & ~4095u; /* as Linux */
	r = uk__ext2_begin(false);
	/* The end of the old last block becomes visible as zeroes. */
	if (r == 0 && off > size && size % m.bsize)
		r = uk__node_truncate(n, size);
	if (r)
		return r;
	while (done < len) {
		k = write_at(n, p + done, len - done, (uint64_t)off + done);
		if (k < 0)
			break;
		done += (size_t)k;
		if (off + (int64_t)done > uk__node_size(n)) {
			r = uk__ext2_err(ext2fs_inode_size_set(m.fs, uk__node_inode(n),
							       off + (int64_t)done));
			n->dirty = true;
		}
		if (r < 0)
			break;
		if (uk__cache_pressed())
			uk__ext2_writeback(false);
	}
	if (k < 0 && off + (int64_t)done >= uk__node_size(n) && !m.ro)
		trim_tail(n);
	if (done == 0)
		return k < 0 ? k : r;
	uk__node_touch(n, true);
	return (ssize_t)done;
}

ssize_t uk__node_readlink(struct uk_node *n, char *buf, size_t cap)
{
	struct uk_ahead ra = {.next = -1};
	uint64_t len = (uint64_t)uk__node_size(n);

	if (!S_ISLNK(n->inode.i_mode))
		return -EINVAL;
	if (len > cap)
		len = cap;
	if (!ext2fs_is_fast_symlink(uk__node_inode(n)))
		return uk__node_read(n, &ra, buf, len, 0);
	memcpy(buf, n->inode.i_block, len);
	return (ssize_t)len;
}
