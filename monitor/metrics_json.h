/* SPDX-License-Identifier: MIT
 *
 * metrics_json.h: the counters of metrics.h, and what the kernel counts about this process, as
 * JSON. The schema is docs/metrics.md. Main thread; while the VM runs it reads counters that
 * another thread bumps, so one report is not a snapshot of one instant. Not in a signal handler.
 */
#ifndef MONITOR_METRICS_JSON_H
#define MONITOR_METRICS_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "monitor/metrics.h"

/* Exactly one of blk and net is set. */
struct metrics_dev {
	const char *id;
	const struct blk_metrics *blk;
	const struct net_metrics *net;
};

struct metrics_report {
	const char *id;	   /* of the VM; NULL = null */
	const char *image; /* how the image is held, image_sharing_name(); NULL = null */
	uint64_t mem_size; /* guest memory, bytes */
	int exit_status;   /* negative while the VM runs */
	const struct vm_metrics *vm;
	const struct serve_metrics *serve;   /* NULL: left out */
	const struct rewind_metrics *rewind; /* likewise */
	const struct metrics_dev *devs;
	unsigned ndevs;
};

/* Where reports go, opened once: nothing can be opened when they are written. */
struct metrics_out {
	int fd, rollup; /* rollup: /proc/self/smaps_rollup, -1 = none */
	bool file;	/* regular: each report replaces the one before, in place */
	size_t len;	/* of the longest so far */
};

/*
 * path: created or cut to nothing; "-" is standard output; what exists and is no regular file (a
 * FIFO, /dev/fd/N) gets one report after the other. 0 or -errno.
 */
int metrics_open(struct metrics_out *ret_out, const char *path);
void metrics_close(struct metrics_out *out);
/*
 * By one system call where the kernel takes all of it. A reader that comes in the middle of that
 * reads something that is no JSON, and has to read again. 0 or -errno.
 */
int metrics_write(struct metrics_out *out, const struct metrics_report *rep);
/* The text of smaps_rollup, and of it the proportional set size. 0 or -errno. */
int metrics_rollup(int fd, char *text, size_t cap);
unsigned long long metrics_pss_kib(const char *text);

/*
 * Every counter, for another format. All values of one counter come one after the other, devices in
 * their order. group: "vm", "time" (CLOCK_MONOTONIC ns), "block" or "net"; id: the device, else
 * NULL.
 */
void metrics_each(const struct metrics_report *rep,
		  void (*fn)(void *arg, const char *group, const char *name, const char *id,
			     unsigned long long value),
		  void *arg);

#endif
