/* SPDX-License-Identifier: MIT
 *
 * metrics_json.h: the counters of metrics.h, and what the kernel counts about this process, as
 * JSON. The schema is docs/metrics.md. Main thread; while the VM runs it reads counters that
 * another thread bumps, so one report is not a snapshot of one instant. Not in a signal handler.
 */
#ifndef MONITOR_METRICS_JSON_H
#define MONITOR_METRICS_JSON_H

#include <stdbool.h>

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
	bool memory; /* also read /proc/self/smaps_rollup, which costs a walk of the page tables */
	const struct vm_metrics *vm;
	const struct serve_metrics *serve;   /* NULL: left out */
	const struct rewind_metrics *rewind; /* likewise */
	const struct metrics_dev *devs;
	unsigned ndevs;
};

/*
 * Write the report to path: a new file that replaces the old one at once, so that a reader never
 * sees half of it; "-" is standard output. A path that exists and is not a regular file (a FIFO,
 * /dev/fd/N) is written to as it is. 0 or -errno.
 */
int metrics_write(const char *path, const struct metrics_report *rep);
/* To an open file. 0 or -errno. */
int metrics_write_fd(int fd, const struct metrics_report *rep);

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
