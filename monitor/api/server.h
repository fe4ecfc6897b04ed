/* SPDX-License-Identifier: MIT
 *
 * server.h: the API's socket and its thread. Nothing of it exists unless --api-sock asks for it.
 */
#ifndef MONITOR_API_SERVER_H
#define MONITOR_API_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "monitor/api/vmm.h"

struct server;

struct server_config {
	const char *path; /* of the socket; borrowed */
	const char *id;	  /* of the VM, NULL = none; borrowed */
	const struct api_vmm *vmm;
	void *ctx;
	unsigned timeout_ms; /* that a request or an answer may take; 0 = 10 s */
};

struct events;

/* Listen and start the thread; the events of it are in *ret_events until server_stop(). 0, or
 * -errno with a message. The socket belongs to this user alone (mode 0600). */
int server_start(struct server **ret, const struct server_config *cfg, struct events **ret_events,
		 char *err, size_t errlen);
/* Bring out what clients still want to read (events) as far as they do, end the thread, remove the
 * socket. The caller has seen to it that no call waits for the VM (control_ended). Accepts NULL.
 * leave: memory and descriptors go with the process, which is about to end. */
void server_stop(struct server *s, bool leave);

#endif
