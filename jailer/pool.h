/* SPDX-License-Identifier: MIT
 *
 * pool.h: --pool N: keeps N jails in which everything is ready, the monitor waiting for its VM
 * (--standby), and gives one to each who sends a configuration to the pool's socket. docs/pool.md
 * has the protocol. One process and thread for the pool; each jail has its own jailer as without.
 */
#ifndef JAILER_POOL_H
#define JAILER_POOL_H

#include <signal.h>

#include "jailer/host.h"
#include "jailer/opts.h"
#include "lib/errtext.h"

#define POOL_READY_MAX 64  /* N */
#define POOL_SLOTS     512 /* jails at one time; the k-th has user --uid + k */
#define POOL_FD	       3   /* the waiting monitor's descriptor of its socket */

/*
 * Serve until SIGTERM, SIGINT or SIGHUP: then jails that wait are ended, VMs that run go on under
 * their own jailers. Exit status; 2 with one line logged when the pool cannot be.
 * start(opts): becomes the jailer of one jail, in a process of its own; its exit status.
 */
int pool_serve(const struct jail_opts *opts, const struct jail_host *host,
	       int (*start)(const struct jail_opts *opts));

#endif
