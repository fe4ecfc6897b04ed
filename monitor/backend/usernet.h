/* SPDX-License-Identifier: MIT
 *
 * usernet.h: the rootless network: starts mayfly-usernet (a process of its own, see usernet/) and
 * talks to it over a SOCK_SEQPACKET pair, one Ethernet frame a message, no vnet header. The helper
 * is trusted with frames and nothing else. Before the first frame it sends one message, "ok" or a
 * line of text saying what failed.
 */
#ifndef MONITOR_BACKEND_USERNET_H
#define MONITOR_BACKEND_USERNET_H

#include <stddef.h>
#include <sys/types.h>

struct net_config;

struct usernet {
	int fd; /* our end; non-blocking */
	pid_t pid;
};

/* Starts the helper and returns at once. 0 or -errno, with a message in err. */
int usernet_spawn(struct usernet *ret_un, const struct net_config *cfg, char *err, size_t errlen);
/* Until the helper has bound its ports. 0, or -errno with the helper's own words in err
 * (-EADDRINUSE...). To be called once, before the first frame. */
int usernet_wait_ready(struct usernet *un, const struct net_config *cfg, char *err, size_t errlen);
/* Closes our end, which ends the helper, and collects it. */
void usernet_stop(struct usernet *un);
/*
 * The same for a confined monitor, which can neither close nor wait: ask the helper to end, and
 * wait a moment until it has, so that its ports are free when we are gone.
 */
void usernet_leave(struct usernet *un);

#endif
