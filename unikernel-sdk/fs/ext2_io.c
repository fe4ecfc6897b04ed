/* SPDX-License-Identifier: MIT
 *
 * ext2_io.c: libext2fs' I/O manager over the buffer cache: every metadata read and write of the
 * library comes through here, in any block size, for whole blocks or byte ranges. There is one
 * channel, for the one mounted disk. Block numbers come from the disk's contents and are checked
 * against its size.
 */
#include "fs/ext2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cache.h"

static struct struct_io_channel channel;
static char channel_name[] = "disk";

static errcode_t io_open(const char *name, int flags, io_channel *ret_channel)
{
	(void)name;
	(void)flags;
	memset(&channel, 0, sizeof(channel));
	channel.magic = EXT2_ET_MAGIC_IO_CHANNEL;
	channel.manager = uk__ext2_io;
	channel.name = channel_name;
	channel.block_size = 1024;
	channel.refcount = 1;
	*ret_channel = &channel;
	return 0;
}

static errcode_t io_close(io_channel io)
{
	(void)io;
	return 0;
}

static errcode_t io_set_blksize(io_channel io, int blksize)
{
	io->block_size = blksize;
	return 0;
}

/* A negative count is a number of bytes, a positive one a number of blocks. */
static bool range(io_channel io, unsigned long long block, int count, uint64_t *ret_off,
		  uint64_t *ret_len)
{
	uint64_t size = uk__ext2.disk->sectors * UK_SECTOR, bs = (uint64_t)io->block_size;
	uint64_t len = count < 0 ? -(uint64_t)(int64_t)count : (uint64_t)count * bs;

	if (block > size / bs || len > size - block * bs)
		return false;
	*ret_off = block * bs;
	*ret_len = len;
	return true;
}

static errcode_t io_read(io_channel io, unsigned long long block, int count, void *data)
{
	uint32_t bs = uk__ext2.bsize;
	uint64_t off, len;
	uint8_t *p = data;

	if (!range(io, block, count, &off, &len))
		return EXT2_ET_SHORT_READ;
	if (len > bs)
		uk__cache_readahead(off / bs, (uint32_t)(len / bs));
	while (len > 0) {
		uint32_t in = (uint32_t)(off % bs);
		uint32_t n = len < bs - in ? (uint32_t)len : bs - in;

		if (uk__cache_read(off / bs, in, p, n) < 0)
			return EIO;
		off += n;
		len -= n;
		p += n;
	}
	return 0;
}

static errcode_t io_write(io_channel io, unsigned long long block, int count, const void *data)
{
	uint32_t bs = uk__ext2.bsize;
	uint64_t off, len;
	const uint8_t *p = data;

	if (!range(io, block, count, &off, &len))
		return EXT2_ET_SHORT_WRITE;
	while (len > 0) {
		uint32_t in = (uint32_t)(off % bs);
		uint32_t n = len < bs - in ? (uint32_t)len : bs - in;
		int r = uk__cache_write(off / bs, in, p, n, false, false);

		if (r < 0)
			return -r;
		off += n;
		len -= n;
		p += n;
	}
	return 0;
}

static errcode_t io_read32(io_channel io, unsigned long block, int count, void *data)
{
	return io_read(io, block, count, data);
}

static errcode_t io_write32(io_channel io, unsigned long block, int count, const void *data)
{
	return io_write(io, block, count, data);
}

/* The library's own flushes order nothing for us: uk__ext2_writeback() does. */
static errcode_t io_flush(io_channel io)
{
	(void)io;
	return 0;
}

static errcode_t io_readahead(io_channel io, unsigned long long block, unsigned long long count)
{
	if ((uint32_t)io->block_size == uk__ext2.bsize && count < 64)
		uk__cache_readahead(block, (uint32_t)count);
	return 0;
}

static errcode_t io_zeroout(io_channel io, unsigned long long block, unsigned long long count)
{
	uint32_t bs = uk__ext2.bsize;
	uint64_t off, len;
	int r = 0;

	if (count > INT32_MAX || !range(io, block, (int)count, &off, &len))
		return EXT2_ET_SHORT_WRITE;
	if ((uint32_t)io->block_size != bs)
		return EXT2_ET_UNIMPLEMENTED;
	if (count > 32) {
		uk__cache_drop(block, count);
		return -uk__blk_range(uk__ext2.disk, UK_BLK_ZERO, off / UK_SECTOR, len / UK_SECTOR);
	}
	for (; count > 0 && r == 0; count--, block++)
		r = uk__cache_write(block, 0, NULL, bs, true, true);
	return -r;
}

static struct struct_io_manager manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "mayfly block cache",
	.open = io_open,
	.close = io_close,
	.set_blksize = io_set_blksize,
	.read_blk = io_read32,
	.write_blk = io_write32,
	.flush = io_flush,
	.read_blk64 = io_read,
	.write_blk64 = io_write,
	.cache_readahead = io_readahead,
	.zeroout = io_zeroout,
};
io_manager uk__ext2_io = &manager;
