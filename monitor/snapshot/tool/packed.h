/* SPDX-License-Identifier: MIT
 *
 * packed.h: a packed snapshot, version 1: one file, or one stream, little endian.
 *
 * struct packed_head, then the state file and the contents of the memory file, as records. The
 * state comes first, cut into pieces of SNAP_CHUNK (the last may be shorter), and says what
 * follows: each chunk of memory that has a page in the file, absent pages as zeroes, then what lies
 * in overlays in memory, disk by disk, in pieces of SNAP_CHUNK. A record is its length (32 bits;
 * RECORD_PLAIN when it is not compressed) and so many bytes. Nothing follows the last one.
 *
 * The state file is kept byte for byte, with its hash tree, so that its signature, which is in the
 * head when there is one, covers a packed snapshot too. A packed file is hostile: a record is at
 * most as long as its piece, no piece is longer than SNAP_CHUNK, and each is compared with its hash
 * before it is believed, so that whoever reads one needs two pieces and a state file of memory.
 */
#ifndef MONITOR_SNAPSHOT_TOOL_PACKED_H
#define MONITOR_SNAPSHOT_TOOL_PACKED_H

#include <sodium/crypto_generichash_blake2b.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/snapshot/files.h"

#define PACKED_VERSION 1u
#define RECORD_PLAIN   0x80000000u
#define PACKED_LEVEL   3 /* of zstd */

struct packed_head {
	char magic[8]; /* SNAP_PACK_MAGIC */
	uint32_t version;
	uint32_t head_size; /* sizeof(struct packed_head) */
	uint64_t state_len;
	uint32_t has_sig;
	uint32_t pad;
	uint8_t sig[SNAP_SIG];
};

_Static_assert(sizeof(struct packed_head) == 32 + SNAP_SIG, "packed_head has no padding");

/* --- the pieces that a state says there are (pieces.c) --- */

struct pieces {
	const struct snap_view *v;
	uint64_t chunk, leaf;
	unsigned dev;
	uint64_t off; /* in the disk's part */
	crypto_generichash_blake2b_state hash;
	/* The one that pieces_next found. */
	uint64_t at; /* in the memory file */
	size_t len;
};

void pieces_begin(struct pieces *p, const struct snap_view *v);
/* Only the disks'. */
void pieces_begin_disks(struct pieces *p, const struct snap_view *v);
bool pieces_next(struct pieces *p);
/* Is data this piece? A disk's are judged with the last of them. 0, or -EBADMSG and a message. */
int pieces_check(struct pieces *p, const uint8_t *data, const char *path, char *err, size_t errlen);

/* --- packing and unpacking, of descriptors (pack.c, unpack.c); path is for messages --- */

/* Write s, all of it checked on the way, to out, from where it stands. sig may be NULL. 0 and the
 * bytes written, or -errno with a message. */
int packed_write(const struct snapshot *s, const uint8_t *sig, int level, int out, const char *path,
		 uint64_t *ret_len, char *err, size_t errlen);

struct packed {
	struct packed_head head;
	int fd;
	const char *path;
	void *dctx;
	uint8_t *buf; /* of one record, and one piece */
	void *state;  /* head.state_len bytes */
	struct snap_view v;
};

/*
 * Read head and state from fd, which may be a pipe; with key, check the signature before anything
 * in the state is looked at. 0, or -errno with a message; p is to be closed either way.
 */
int packed_open(struct packed *p, int fd, const char *path, const char *key, char *err,
		size_t errlen);
/*
 * Read the rest and check it; with out >= 0, make it the memory file out, whole but for its time
 * stamp. 0, or -errno with a message.
 */
int packed_contents(struct packed *p, int out, const char *out_path, char *err, size_t errlen);
void packed_close(struct packed *p); /* not fd */

/* Bytes that the files of a snapshot take up at most. */
uint64_t packed_room(const struct snap_view *v, uint64_t state_len);

#endif
