/* SPDX-License-Identifier: MIT
 *
 * store.h: the state file of a snapshot: packing it, judging one from outside, its signature. Pure
 * but for snap_read. A state file is hostile until snap_decode has passed it. Any thread.
 */
#ifndef MONITOR_SNAPSHOT_STORE_H
#define MONITOR_SNAPSHOT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/snapshot/format.h"
#include "monitor/snapshot/state.h"

/* A state file in memory. After snap_decode everything points into buf. */
struct snap_view {
	const struct snap_head *head;
	const struct vm_state *state;
	const struct snap_cpu *cpu;
	const char *config; /* JSON, NUL-terminated */
	const uint64_t *pages;
	const uint8_t (*leaves)[SNAP_HASH];
	uint64_t npages;  /* of the guest */
	uint64_t nchunks; /* of the guest; the last may be shorter */
	uint64_t nleaves;
};

/* What snap_encode packs. head: id, base_id, flags, mem_mtime_ns are taken from it. */
struct snap_parts {
	struct snap_head head;
	const struct vm_state *state;
	const struct snap_cpu *cpu;
	const char *config;
	const uint64_t *pages;
	const uint8_t (*leaves)[SNAP_HASH];
	uint64_t nleaves;
};

/* Words of a page map for so many bytes of memory. */
static inline uint64_t snap_map_words(uint64_t mem_size)
{
	return (mem_size / SNAP_PAGE + 63) / 64;
}

static inline uint64_t snap_nchunks(uint64_t mem_size)
{
	return (mem_size + SNAP_CHUNK - 1) / SNAP_CHUNK;
}

/* The pages of a chunk that are in the file, bit 0 = its first. */
static inline uint16_t snap_chunk_mask(const uint64_t *pages, uint64_t chunk)
{
	return (uint16_t)(pages[chunk / 4] >> chunk % 4 * 16);
}

/* The root of the hash tree. */
void snap_root(uint8_t ret_root[SNAP_HASH], const uint64_t *pages, uint64_t mem_size,
	       const uint8_t (*leaves)[SNAP_HASH], uint64_t nleaves);

/* A state file in fresh memory, to be freed; NULL when there is none. */
void *snap_encode(const struct snap_parts *parts, size_t *ret_len);
/* Make checksum and root of a file in memory true again. Only for whoever changed it on purpose. */
void snap_seal(void *buf, size_t len);
/*
 * Judge len bytes at buf (8-aligned, writable by nobody else). 0 and the view, or -EINVAL with a
 * message that says what is wrong with the file.
 */
int snap_decode(const void *buf, size_t len, struct snap_view *ret_view, char *err, size_t errlen);

/* Read a whole file of at most max bytes into fresh memory. 0 or -errno with a message. */
int snap_read(const char *path, size_t max, void **ret_buf, size_t *ret_len, char *err,
	      size_t errlen);
/*
 * Is sig (a file) the signature of len bytes at buf by the key in the file key? The key is an
 * Ed25519 public key, 32 bytes raw or as DER (openssl pkey -pubout -outform DER). 0 or -errno with
 * a message.
 */
int snap_verify(const void *buf, size_t len, const char *key, const char *sig, char *err,
		size_t errlen);
/* The same of a signature in memory; where says where it came from. */
int snap_verify_bytes(const void *buf, size_t len, const char *key, const uint8_t sig[SNAP_SIG],
		      const char *where, char *err, size_t errlen);

/* More than the largest guest's state file. */
#define SNAP_STATE_MAX (UINT64_C(4) << 20)

#endif
