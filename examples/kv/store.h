/* SPDX-License-Identifier: MIT
 *
 * store.h: keys and values in one append-only log file, kv.log, with a checksum per record; the
 * index is in memory, values are read from the log. What is in the log at start is judged record by
 * record: the first one that is not whole ends it (a torn tail) and is cut off. Keys and values may
 * hold any bytes.
 *
 * Log: the 8 bytes "MFKVLOG1", then records: u32 crc (CRC-32 of all that follows), u8 type (1 set,
 * 2 delete), u8 key length, u16 zero, u32 value length, key, value. Little endian.
 */
#ifndef KV_STORE_H
#define KV_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index.h"

#define KV_VALUE_MAX   16384 /* bytes */
#define KV_RECORD_HEAD 12
#define KV_RECORD_MAX  (KV_RECORD_HEAD + KV_KEY_MAX + KV_VALUE_MAX)
#define KV_COMPACT_MIN (1u << 20) /* a log below this size is not compacted by itself */

struct store {
	int dir_fd, log_fd;
	uint64_t end;  /* of the log; appends go here */
	uint64_t live; /* bytes of records that the index points at */
	bool dirty;    /* appended since the last sync */
	bool failed;   /* a sync failed: what the disk holds is unknown, nothing more may be
			  acknowledged */
	uint64_t cut;  /* bytes that recovery cut off */
	struct index index;
	unsigned char record[KV_RECORD_MAX];
};

/*
 * Opens or makes the store in directory `dir`. 0; -EPROTO when kv.log is not such a log; -ENOSPC
 * when it holds more than max_keys keys; or another -errno.
 */
int store_open(struct store *s, const char *dir, uint32_t max_keys, uint32_t seed);
void store_close(struct store *s);

/* Reads a value into buf (KV_VALUE_MAX bytes). Its length, -ENOENT, -EIO or -EBADMSG (the record
 * has changed). */
int store_get(struct store *s, const char *key, size_t key_len, void *buf);

/* Appends; durable only after store_sync(). 0, -ENOSPC (disk or number of keys), -EIO, -ENOMEM. On
 * an error the store is as before. */
int store_set(struct store *s, const char *key, size_t key_len, const void *value, size_t len);

/* Appends a deletion. 1, 0 when there was no such key, or -errno as store_set(). */
int store_del(struct store *s, const char *key, size_t key_len);

/* Makes all appends durable. An error is final (s->failed): only a new store_open() can tell what
 * the disk holds. */
int store_sync(struct store *s);

/* Is more than half of a large log dead? */
bool store_wants_compact(const struct store *s);

/* Rewrites the log with live records only and swaps it in atomically; the old one stays if anything
 * fails. Call it with nothing unsynced. */
int store_compact(struct store *s);

#endif
