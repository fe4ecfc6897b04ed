/* SPDX-License-Identifier: MIT
 *
 * memfile.h: the memory file of a snapshot (format.h): written sparse from a stopped VM's memory,
 * hashed on the way; mapped copy-on-write, or verified into private memory, when one is restored.
 * The file is hostile until its foot has been compared with a state file that was judged. Any
 * thread.
 */
#ifndef MONITOR_SNAPSHOT_MEMFILE_H
#define MONITOR_SNAPSHOT_MEMFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/snapshot/store.h"

/* What memfile_write found: to be freed with memfile_map_free. */
struct memfile_map {
	uint64_t *pages; /* snap_map_words(size) */
	uint8_t (*leaves)[SNAP_HASH];
	uint64_t nleaves;
	uint64_t stored; /* pages with content that were written */
};

/*
 * Write size bytes at base to the empty file fd: pages that are not zero, or, with only, the pages
 * whose bit is set there (zero ones as holes). 0 or -errno; ret is to be freed either way.
 */
int memfile_write(int fd, const uint8_t *base, uint64_t size, const uint64_t *only,
		  struct memfile_map *ret);
void memfile_map_free(struct memfile_map *m);
/* One chunk of size bytes to at; pages of zeroes stay holes. 0 or -errno. */
int memfile_put_chunk(int fd, const uint8_t *chunk, uint64_t size, uint64_t at);
/* Foot, size; disks: bytes between memory and foot. 0 or -errno. */
int memfile_finish(int fd, const struct snap_head *head, uint64_t disks);
/* The id in the foot of an open memory file; false when it is none. */
bool memfile_id(int fd, uint8_t ret_id[SNAP_ID]);

/*
 * Open the memory file that belongs to v: path, or path.old, which a writer that died between two
 * renames has left. ret_changed: it is not as it was written, by its time stamp. 0 and *ret_fd, or
 * -errno with a message.
 */
int memfile_open(const char *path, const struct snap_view *v, int *ret_fd, bool *ret_changed,
		 char *err, size_t errlen);
/* Every byte against the hash tree. 0 or -errno with a message that says where it differs. */
int memfile_verify(int fd, const char *path, const struct snap_view *v, char *err, size_t errlen);
/*
 * Put the file's pages over guest memory at base, copy-on-write: clean pages are those of the page
 * cache. Long runs of pages that the file does not have stay as they are: zero, or the snapshot
 * below.
 */
int memfile_map(int fd, const char *path, const struct snap_view *v, uint8_t *base, char *err,
		size_t errlen);
/* Read them into private memory instead and check them there: nobody can change them afterwards. */
int memfile_load(int fd, const char *path, const struct snap_view *v, uint8_t *base, char *err,
		 size_t errlen);

/* One chunk of size bytes (the last is shorter), as it is in memory, against its leaf. */
bool memfile_chunk_ok(const uint8_t *chunk, uint64_t size, const uint8_t leaf[SNAP_HASH]);

#endif
