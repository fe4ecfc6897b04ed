/* SPDX-License-Identifier: MIT
 *
 * metrics.h: counters of one VM, plain words bumped by their one writer (the thread that serves the
 * device) and read at the end or on SIGUSR1. Cheap enough to be always on. metrics.c lists every
 * one of them by name, as does docs/metrics.md.
 */
#ifndef MONITOR_METRICS_H
#define MONITOR_METRICS_H

#include <stdint.h>

struct net_metrics {
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
	uint64_t rx_dropped;	  /* no room in the ring or larger than the buffers */
	uint64_t tx_errors;	  /* malformed, or the backend refused the frame */
	uint64_t tx_full;	  /* times the backend was full and frames waited in the ring */
	uint64_t tx_denied_spoof; /* policy: foreign MAC or IP source */
	uint64_t tx_denied_dest;  /* policy: destination not allowed */
	uint64_t rx_throttled, tx_throttled; /* times frames had to wait for the rate limit */
	uint64_t notifications, interrupts;
};

struct blk_metrics {
	uint64_t read_reqs, write_reqs, flush_reqs, discard_reqs, zero_reqs, other_reqs;
	uint64_t read_bytes, write_bytes, errors;
	uint64_t inline_reqs, uring_reqs;
	uint64_t throttled; /* times the next request had to wait for the rate limit */
	uint64_t notifications, interrupts;
	uint64_t overlay_clusters; /* that lie in its overlay now */
	uint64_t overlay_copyups;  /* of which a part was fetched from the image below */
	uint64_t overlay_full;	   /* requests that it had no room for */
};

/* A VM with --serve. */
struct serve_metrics {
	uint64_t requests; /* given to the guest */
	uint64_t failed;   /* of those: answered by us with 500, 502 or 504 */
	uint64_t timeouts; /* of those: 504 */
	uint64_t bad;	   /* refused before the guest saw them: too large for it */
};

/* A VM that was rewound. */
struct rewind_metrics {
	uint64_t rewinds;
	uint64_t dirty;	 /* pages that were looked at, all rewinds */
	uint64_t copied; /* of those: differed and were put back */
	uint64_t cooled; /* were let go after many rewinds without a write */
};

struct vm_metrics {
	uint64_t exits; /* KVM_RUN returns, all reasons */
	uint64_t exits_mmio, exits_io, exits_intr, exits_hlt, exits_shutdown, exits_other;
	uint64_t ctl_idle, ctl_console, ctl_exit,
		ctl_crash;    /* MMIO exits on the control page, by register */
	uint64_t virtio_mmio; /* MMIO exits on device registers */
	uint64_t doorbells;   /* of those: QueueNotify */
	uint64_t ioeventfd_kicks,
		irqs; /* IDLE_HLT: kicks seen by the I/O thread; interrupts injected */
	uint64_t console_bytes, console_dropped;
	uint64_t prefetched; /* pages of the working set that were loaded at the restore */
	uint64_t forks, fork_pause_ns; /* the last one's: how long the VM stood still */
	/* monitor stages, CLOCK_MONOTONIC ns; 0 = not reached. Order of time. */
	uint64_t t_start, t_config, t_kvm, t_image, t_enter, t_guest_entry, t_guest_main,
		t_guest_listen, t_exit;
};

#endif
