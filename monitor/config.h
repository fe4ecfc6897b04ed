/* SPDX-License-Identifier: MIT
 *
 * config.h: what one VM is made of, as said on the command line or in a JSON file. opts.c and
 * config_json.c fill it through one set of judges (config_field.c), config.c checks it as a whole;
 * everything after them trusts it. Plain data: no fds, nothing opened. Main thread.
 */
#ifndef MONITOR_CONFIG_H
#define MONITOR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/errtext.h"

#define CONFIG_MAX_BLK		4
#define CONFIG_MAX_NET		4
#define CONFIG_MAX_ALLOW	32
#define CONFIG_MAX_FWD		16
#define CONFIG_MAX_ENV		32
#define CONFIG_MEM_MIN		(UINT64_C(2) << 20)
#define CONFIG_MEM_MAX		(UINT64_C(3) << 30)
#define CONFIG_MEM_DEF		(UINT64_C(16) << 20)
#define CONFIG_SERVE_TIMEOUT_MS 30000u
#define CONFIG_OVERLAY_MEM_DEF	(UINT64_C(64) << 20) /* overlay=mem without overlay-max */

/* Firecracker's TokenBucket: `size` tokens, full at the start and regained evenly every refill_ms,
 * and `burst` once on top. size or refill_ms 0: no limit. */
struct token_bucket {
	uint64_t size, burst, refill_ms;
};

struct rate_config {
	struct token_bucket bw, ops; /* bytes; requests or frames */
};

struct blk_config {
	const char *id; /* 1..31 characters of [A-Za-z0-9_-] */
	const char *path;
	const char *overlay;  /* what is written goes there: "mem" or a file; NULL = to path */
	uint64_t overlay_max; /* bytes, a multiple of 4096; 0 = not said */
	bool ro, direct;      /* direct: O_DIRECT */
	unsigned queues;      /* 1..8 */
	struct rate_config limit;
};

/*
 * Allow-list entry: destination net and port range; proto 0 = any, 6, 17, 1, 58. IPv4 is v4-mapped,
 * so an IPv6 prefix that covers ::ffff:0:0/96 covers IPv4 too. Ports other than 0..65535 with proto
 * 0 mean TCP and UDP.
 */
struct net_allow {
	uint8_t addr[16];
	uint8_t prefix; /* 0..128, over the mapped form */
	uint8_t proto;
	uint16_t port_lo, port_hi; /* 0..65535 */
};

/* TX policy of one NIC: what may leave the VM. All off = no cost. */
struct net_policy {
	bool antispoof;	      /* only our MAC and addrs[] as source */
	bool restrict_dest;   /* only allow[] as destination */
	uint8_t addrs[4][16]; /* own addresses, v4-mapped or v6 */
	unsigned naddrs;
	struct net_allow allow[CONFIG_MAX_ALLOW];
	unsigned nallow;
};

struct net_fwd { /* user-mode port forwarding: host side -> guest side */
	bool udp;
	uint32_t host_addr; /* IPv4, host order; default 127.0.0.1 */
	uint16_t host_port, guest_port;
};

enum net_backend { NET_TAP, NET_USER, NET_FD };

struct net_config {
	const char *id;
	enum net_backend backend;
	const char *tap; /* NET_TAP: interface name */
	int fd;		 /* NET_FD: an open tap or SOCK_SEQPACKET/DGRAM socket handed over */
	bool has_mac;
	uint8_t mac[6];
	uint16_t mtu; /* 0 = 1500 */
	/* Of a VM that is restored or copied: what its guest is told to be from now on. */
	uint32_t ip4, gw4, dns4; /* host order, 0 = as before */
	uint8_t prefix4;
	struct net_fwd fwd[CONFIG_MAX_FWD];
	unsigned nfwd;
	bool host_loopback; /* NET_USER: the guest reaches the host's 127.0.0.1 as 10.0.2.2 */
	struct net_policy policy;
	struct rate_config rx_limit, tx_limit;
};

enum idle_mode {
	IDLE_AUTO, /* IDLE_EXIT unless the image cannot */
	IDLE_EXIT, /* the guest idles by an exit; one thread does everything */
	IDLE_HLT   /* the guest idles by HLT; ioeventfd, irqfd and an I/O thread */
};

/* How far the memory file of a snapshot is checked before the guest runs on it. */
enum restore_verify {
	VERIFY_AUTO, /* with a key: lazy, or copy where lazy is not possible; else full when its
			time stamp says that it was touched, or none */
	VERIFY_NONE,
	VERIFY_FULL, /* all of it, in the page cache; then mapped from there */
	VERIFY_COPY, /* all of it, in private memory */
	VERIFY_LAZY  /* in private memory, chunk by chunk as the guest touches them */
};

/* Start from a snapshot instead of a kernel. */
struct restore_config {
	const char *path;	     /* state file; NULL = no restore */
	const char *mem;	     /* memory file; NULL = path with ".mem" */
	const char *base, *base_mem; /* of a diff: the snapshot below */
	const char *key,
		*sig; /* public key to check signatures with; NULL sig = path with ".sig" */
	enum restore_verify verify;
	bool no_prefetch; /* neither use nor record the working set */
};

/* The snapshot that is written when the guest freezes itself. */
struct snapshot_config {
	const char *path; /* state file; NULL = none */
	const char *mem;
	bool run; /* go on afterwards instead of ending */
};

/* The copies that are made when the guest freezes itself. In the texts %d is a copy's number,
 * from 1. */
struct fork_config {
	unsigned n;					     /* 0 = none */
	const char *id, *console, *metrics, *hostname, *tap; /* tap: of the first interface */
};

/* The monitor's own messages, as Firecracker's Logger says it. */
struct log_config {
	bool given;
	const char *path; /* NULL = stderr */
	int level;	  /* enum log_level */
	bool show_level, show_origin;
};

struct snapshot;

struct vm_config {
	const char *kernel;
	const char *cmdline;	   /* "" when not given */
	const char *id;		   /* NULL when not given */
	const char *api_sock;	   /* where to take API calls, NULL = nowhere */
	const char *console;	   /* path, "-" = stdout (default) */
	const char *metrics;	   /* path, NULL = none */
	uint64_t mem;		   /* bytes, multiple of 4096 */
	const char *serve;	   /* where to take requests, NULL = none */
	uint32_t serve_timeout_ms; /* of one request in the guest; 0 = no limit */
	enum idle_mode idle;
	bool boot_timer, dry_run, json; /* json: --dry-run prints JSON */
	struct log_config log;
	bool track_dirty;  /* log written pages, for diff snapshots */
	bool start_paused; /* a copy by vm_fork(): its API resumes it */
	struct restore_config restore;
	struct snapshot_config save;
	struct fork_config fork;
	/* The devices are those of a snapshot (snap) or of the VM that was copied: they can be
	 * re-bound, no more. */
	bool rebind;
	struct snapshot *snap;
	const char *hostname; /* rebind: NULL = as before */
	const char *env[CONFIG_MAX_ENV];
	unsigned nenv;
	struct blk_config blk[CONFIG_MAX_BLK];
	unsigned nblk;
	struct net_config net[CONFIG_MAX_NET];
	unsigned nnet;

	/* Where the strings above live: short ones in pool, what does not fit on the heap. */
	struct config_str *strings;
	unsigned pool_len;
	char pool[1024];
};

/* The defaults. The struct points into itself: it is not to be copied. */
void config_init(struct vm_config *cfg);
/*
 * The configuration of a copy of the VM that src describes, to be re-bound. What is not set in dst
 * points into src, which has to outlive it.
 */
void config_inherit(struct vm_config *dst, const struct vm_config *src);
/* Frees what config_str took and closes the snapshot; accepts a zeroed struct. */
void config_fini(struct vm_config *cfg);
/* A copy of s that lives as long as cfg; NULL when out of memory. */
const char *config_str(struct vm_config *cfg, const char *s);
/* What only the whole can tell: the kernel is there, no id, MAC, tap, fd or host port is used
 * twice. 0 or -EINVAL. */
int config_check(const struct vm_config *cfg, struct errtext *err);
/* Fill in err: one line for the user that names the option or key, the value and the way out.
 * Returns -EINVAL, so that a judge can end with it. */
int config_fail(struct errtext *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The configuration for people, one "key: value" a line. */
void config_print(const struct vm_config *cfg, FILE *out);

#endif
