/* SPDX-License-Identifier: MIT
 *
 * metrics.h: counters of one VM, plain words bumped by their one writer (the thread that serves the device)
 * and read at the end or on SIGUSR1. Cheap enough to be always on.
 */
#ifndef MONITOR_METRICS_H
#define MONITOR_METRICS_H

#include <stdint.h>

struct net_metrics {
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
	uint64_t rx_dropped;	    /* no room in the ring or larger than the buffers */
	uint64_t tx_errors;	    /* the backend refused the frame */
	uint64_t tx_denied_spoof;   /* policy: foreign MAC or IP source */
	uint64_t tx_denied_dest;    /* policy: destination not allowed */
	uint64_t notifications, interrupts;
};

struct blk_metrics {
	uint64_t read_reqs, write_reqs, flush_reqs, discard_reqs, zero_reqs, other_reqs;
	uint64_t read_bytes, write_bytes, errors;
	uint64_t inline_reqs, uring_reqs;
	uint64_t notifications, interrupts;
};

#endif
