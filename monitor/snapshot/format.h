/* SPDX-License-Identifier: MIT
 *
 * format.h: snapshot files, version 2. Little endian, plain structs, everything bounded.
 *
 * State file: struct snap_head, then the sections in the order of enum snap_sect, each at a
 * multiple of 8 and directly after the one before (gaps are zero); nothing follows. A signature is
 * 64 bytes of Ed25519 over the whole file, in a file of its own.
 *
 * Memory file: guest-physical memory at its own addresses, so that it can be mapped; pages that are
 * not in the page map are holes. After it, for each disk with an overlay in memory that is not
 * empty (dev_state.ov_off): how many clusters, their numbers ascending, zeroes up to a whole page,
 * the clusters. At the end one page with struct snap_foot, which ties it to its state file.
 */
#ifndef MONITOR_SNAPSHOT_FORMAT_H
#define MONITOR_SNAPSHOT_FORMAT_H

#include <stdint.h>

#define SNAP_MAGIC	 "MAYFLYSS"
#define SNAP_FOOT_MAGIC	 "MAYFLYMM"
#define SNAP_PACK_MAGIC	 "MAYFLYPK" /* of a packed snapshot: tool/packed.h */
#define SNAP_VERSION	 2u
#define SNAP_PAGE	 4096u
#define SNAP_CHUNK	 65536u /* what one leaf of the hash tree covers */
#define SNAP_CHUNK_PAGES (SNAP_CHUNK / SNAP_PAGE)
#define SNAP_HASH	 32u /* BLAKE2b-256 */
#define SNAP_ID		 16u
#define SNAP_CONFIG_MAX	 65536u
#define SNAP_SIG	 64u
#define SNAP_DIFF	 0x1u /* flag: only pages that changed since base_id */

enum snap_sect {
	SNAP_STATE,  /* struct vm_state */
	SNAP_CPU,    /* struct snap_cpu */
	SNAP_CONFIG, /* JSON, as --config-file reads it */
	SNAP_PAGES,  /* page map: bit p of word p / 64 set when page p is in the memory file */
	SNAP_LEAVES, /* hash of each chunk that has a page in the file, absent pages taken as zeros
		      */
	SNAP_SECTS
};

struct snap_span {
	uint64_t off, len;
};

struct snap_head {
	char magic[8];
	uint32_t version;
	uint32_t head_size;	     /* sizeof(struct snap_head) */
	uint8_t checksum[SNAP_HASH]; /* of everything after this field */
	uint64_t file_size;
	uint32_t flags;
	uint32_t chunk;		  /* SNAP_CHUNK */
	uint8_t id[SNAP_ID];	  /* random; the memory file has the same */
	uint8_t base_id[SNAP_ID]; /* SNAP_DIFF: of the snapshot below */
	uint8_t root[SNAP_HASH];  /* of the page map and the leaves */
	uint64_t mem_size;
	int64_t mem_mtime_ns; /* of the memory file when it was complete */
	struct snap_span sect[SNAP_SECTS];
};

struct snap_foot {
	char magic[8];
	uint32_t version;
	uint32_t flags;
	uint8_t id[SNAP_ID];
	uint8_t root[SNAP_HASH];
	uint64_t mem_size;
};

/* What the CPU of the saved VM could do; words of CPUID as KVM offered them. */
enum snap_cpu_word {
	CPU_1_ECX,
	CPU_1_EDX,
	CPU_7_EBX,
	CPU_7_ECX,
	CPU_7_EDX,
	CPU_7_1_EAX,
	CPU_D_EAX, /* XCR0 */
	CPU_D_1_EAX,
	CPU_EXT_1_ECX,
	CPU_EXT_1_EDX,
	CPU_EXT_8_EBX,
	CPU_WORDS
};

struct snap_cpu {
	char vendor[12];
	uint32_t word[CPU_WORDS];
};

_Static_assert(sizeof(struct snap_head) == 8 + 8 + 32 + 8 + 8 + 16 + 16 + 32 + 16 + 16 * SNAP_SECTS,
	       "snap_head has no padding");
_Static_assert(sizeof(struct snap_foot) == 72, "snap_foot has no padding");
_Static_assert(sizeof(struct snap_cpu) == 56, "snap_cpu has no padding");

#endif
