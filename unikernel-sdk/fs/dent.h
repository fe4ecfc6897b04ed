/* SPDX-License-Identifier: MIT
 *
 * dent.h: records of getdents64, for every kind of directory.
 */
#ifndef UK_FS_DENT_H
#define UK_FS_DENT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct uk_dent64 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* Append one record at buf: its size, 0 when it does not fit. off: where the next entry is. */
static inline size_t uk__dent_put(void *buf, size_t room, uint64_t ino, int64_t off, uint8_t type,
				  const char *name, size_t len)
{
	size_t reclen = (offsetof(struct uk_dent64, name) + len + 1 + 7) & ~(size_t)7;
	struct uk_dent64 *d = buf;

	if (reclen > room)
		return 0;
	memset(buf, 0, reclen);
	d->ino = ino;
	d->off = off;
	d->reclen = (uint16_t)reclen;
	d->type = type;
	memcpy(d->name, name, len);
	return reclen;
}

#endif
