/* SPDX-License-Identifier: MIT
 *
 * vmm.h: what the API can do to a VM, as a table, so that the API is tested and fuzzed without one.
 * Called by the API thread; each waits until it is done. 0, or -errno with a message in err;
 * -ESHUTDOWN: the VM has ended.
 */
#ifndef MONITOR_API_VMM_H
#define MONITOR_API_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "monitor/config.h"
#include "monitor/control.h"

/* What PATCH says of a rate: size or refill_ms 0 is no limit, not given leaves it as it is. */
struct api_bucket {
	bool given;
	uint64_t size, burst, refill_ms;
};

struct api_limits {
	struct api_bucket bandwidth, ops;
};

/* What PUT /snapshot/load says of the snapshot; key and sig may be NULL. */
struct api_snapshot {
	const char *state, *mem, *key, *sig;
	bool track_dirty;
};

struct api_vmm {
	/* The API thread begins: bind it by its filter if there is a VM. */
	void (*confine)(void *ctx);
	enum vm_phase (*phase)(void *ctx);
	/* Fill in cfg (zeroed) with what the command line says. */
	int (*base_config)(void *ctx, struct vm_config *cfg, struct errtext *err);
	/* Make the VM and let it run, or not yet. On success cfg belongs to the VM, until the end.
	 */
	int (*start)(void *ctx, struct vm_config *cfg, bool paused, char *err, size_t errlen);
	/* Fill in cfg (of base_config) with what the snapshot's VM is made of. */
	int (*load_config)(void *ctx, struct vm_config *cfg, const struct api_snapshot *snap,
			   char *err, size_t errlen);
	int (*pause)(void *ctx, char *err, size_t errlen);
	int (*resume)(void *ctx, char *err, size_t errlen);
	int (*stop)(void *ctx, char *err, size_t errlen);
	int (*flush_metrics)(void *ctx, char *err, size_t errlen);
	/* PATCH of a device. path NULL: the file stays. */
	int (*patch_drive)(void *ctx, const char *id, const char *path,
			   const struct api_limits *limit, char *err, size_t errlen);
	int (*patch_net)(void *ctx, const char *id, const struct api_limits *rx,
			 const struct api_limits *tx, char *err, size_t errlen);
	int (*snapshot)(void *ctx, const char *state, const char *mem, bool diff, char *err,
			size_t errlen);
	/* Mark the point to return to, or return to it. */
	int (*rewind)(void *ctx, bool mark, char *err, size_t errlen);
	/* Fill in cfg (zeroed) with what a copy of the VM inherits. */
	int (*fork_config)(void *ctx, struct vm_config *cfg, struct errtext *err);
	int (*fork)(void *ctx, struct vm_config *const *cfg, unsigned n, pid_t *ret_pids, char *err,
		    size_t errlen);
	/* Look whether the guest passed a mark that is an event. True: there is one to come. */
	bool (*watch)(void *ctx);
	/* Prometheus text, to be freed; NULL: out of memory. */
	char *(*metrics)(void *ctx, size_t *ret_len);
	/* The configuration in force as docs/config.md's JSON, to be freed; NULL: there is none. */
	char *(*config)(void *ctx);
};

/* monitor/api/vm.c: the real one. */
extern const struct api_vmm api_vmm_real;

#endif
