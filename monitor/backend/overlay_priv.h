/* SPDX-License-Identifier: MIT
 *
 * overlay_priv.h: what overlay.c (layers, limit, rewinding), overlay_store.c (where clusters lie)
 * and overlay_file.c (the file's format) share.
 */
#ifndef MONITOR_BACKEND_OVERLAY_PRIV_H
#define MONITOR_BACKEND_OVERLAY_PRIV_H

#include "monitor/backend/file.h"
#include "monitor/backend/overlay.h"

#define CL OVERLAY_CLUSTER

/* Clusters lie at their own place in one of two areas, as large as the disk each. */
enum area {
	LIVE, /* what the guest reads */
	KEPT  /* what it read at the mark */
};

struct overlay {
	struct bfile *base;
	uint64_t size;	   /* of the disk, bytes */
	int64_t mtime_ns;  /* of the image below, 0: a block device, which has none */
	uint64_t clusters; /* of the disk */
	uint64_t span;	   /* of an area, bytes */
	uint64_t max;	   /* clusters that may lie here, those kept included */
	uint64_t used, kept;
	uint64_t *map; /* a bit a cluster: it lies here */
	struct overlay_metrics m;

	/* Since the mark. */
	bool marked;
	uint64_t *touched; /* a bit a cluster: it is in the log */
	uint64_t *had;	   /* ... and lay here at the mark: it is in KEPT */
	uint32_t *log;
	uint64_t nlog;

	uint8_t *mem;	   /* both areas, or NULL */
	struct bfile file; /* or this, */
	uint64_t data;	   /* where the areas begin in it, */
	uint64_t *stale;   /* and a bit a page of the map: the file has an older one */
	uint64_t map_pages;

	struct iovec part[OVERLAY_IOV_MAX];
	uint8_t buf[CL] __attribute__((aligned(4096)));
};

static inline bool bit_get(const uint64_t *map, uint64_t i)
{
	return map[i / 64] >> i % 64 & 1;
}

static inline void bit_set(uint64_t *map, uint64_t i)
{
	map[i / 64] |= UINT64_C(1) << i % 64;
}

static inline void bit_clear(uint64_t *map, uint64_t i)
{
	map[i / 64] &= ~(UINT64_C(1) << i % 64);
}

/* Bytes of cluster c that the disk has. */
static inline uint32_t cluster_len(const struct overlay *ov, uint64_t c)
{
	return ov->size - c * CL < CL ? (uint32_t)(ov->size - c * CL) : CL;
}

/* --- overlay_store.c --- */

/* len bytes of address space that costs nothing until it is touched; NULL when there is none. */
void *store_reserve(uint64_t len);
int store_read(struct overlay *ov, struct iovec *iov, unsigned n, uint64_t off);
int store_write(struct overlay *ov, struct iovec *iov, unsigned n, uint64_t off);
/* One cluster between an area and a buffer. */
int store_get(struct overlay *ov, enum area area, uint64_t c, void *buf);
int store_put(struct overlay *ov, enum area area, uint64_t c, const void *buf);
/* n clusters from c on hold nothing any more; they read as zeroes. */
int store_drop(struct overlay *ov, enum area area, uint64_t c, uint64_t n);
int store_zero(struct overlay *ov, uint64_t c, uint64_t n);
/* The cluster's bit has changed. */
void store_mapped(struct overlay *ov, uint64_t c);

/* --- overlay_file.c --- */

/* The file cfg->overlay, made or judged; fills in file, data, stale, map, used. 0 or -errno with a
 * message. */
int overlay_file_open(struct overlay *ov, const struct blk_config *cfg, char *err, size_t errlen);
/* What was written is durable, then the map. */
int overlay_file_sync(struct overlay *ov);

#endif
