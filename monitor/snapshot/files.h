/* SPDX-License-Identifier: MIT
 *
 * files.h: both files of a snapshot as one thing: written so that whenever the process dies there
 * is the old snapshot or the new one, whole; opened and checked for a restore. No VM, no KVM.
 */
#ifndef MONITOR_SNAPSHOT_FILES_H
#define MONITOR_SNAPSHOT_FILES_H

#include <limits.h>

#include "monitor/config.h"
#include "monitor/snapshot/store.h"

/* What a snapshot is made of. */
struct snap_source {
	const struct vm_state *state;
	const struct snap_cpu *cpu;
	const char *config;	/* JSON */
	const uint8_t *base;	/* guest memory */
	const uint64_t *only;	/* page map of a diff; NULL = all of it */
	const uint8_t *base_id; /* of the snapshot below a diff */
	/* NULL, or what writes the disks' clusters to the memory file and says so in state. */
	int (*disks)(void *arg, int fd, uint64_t at, uint64_t *ret_len, char *err, size_t errlen);
	void *disks_arg;
};

struct snap_written {
	uint8_t id[SNAP_ID];
	uint64_t stored; /* pages */
};

/*
 * Write it to the files state and mem. In this order: both under temporary names, synced; the old
 * memory file gets a second name, mem.old, while the old state file still needs it; memory renamed,
 * state renamed, mem.old removed. 0, or -errno with a message that names the file: the old snapshot
 * is untouched then.
 */
int snap_files_write(const struct snap_source *src, const char *state, const char *mem,
		     struct snap_written *ret, char *err, size_t errlen);

struct newfile;
/* The last step of it: mem and state, both synced, take their places. */
int snap_files_commit(struct newfile *mem, struct newfile *state, char *err, size_t errlen);

/* A snapshot that was opened and judged. */
struct snapshot {
	void *buf; /* the state file */
	size_t len;
	struct snap_view v;
	int mem;      /* the memory file */
	bool changed; /* its time stamp is not that of its writing */
	char mem_path[PATH_MAX];
	struct snapshot *base; /* of a diff */
};

/*
 * Open the state file, check its signature when there is a key, find its memory file and, for a
 * diff, the snapshot below. 0 and *ret, or -EINVAL with a message.
 */
int snap_files_open(struct snapshot **ret, const struct restore_config *rc, char *err,
		    size_t errlen);
/* The same of one layer: a diff without the snapshot below. rc->base is not looked at. */
int snap_files_open_layer(struct snapshot **ret, const struct restore_config *rc, char *err,
			  size_t errlen);
void snap_files_close(struct snapshot *s); /* accepts NULL */

/* The state, for whoever takes it over: once. */
struct vm_state *snap_files_state(struct snapshot *s);

/*
 * Guest memory as it was, into base (zero until now). How far the memory file is checked, and with
 * it whether its pages are shared, is rc->verify's business. 0 or -errno with a message.
 */
int snap_files_memory(const struct snapshot *s, enum restore_verify verify, uint8_t *base,
		      char *err, size_t errlen);

#endif
