/* SPDX-License-Identifier: MIT
 *
 * api.h: one call after the other: routing, the state in which it is allowed, its body, its
 * handler, its answer. Knows requests and VMs only as tables (http/, vmm.h); the server (server.c)
 * owns the sockets. API thread.
 */
#ifndef MONITOR_API_API_H
#define MONITOR_API_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "monitor/api/fault.h"
#include "monitor/api/vmm.h"
#include "monitor/http/request.h"

#define API_ID_MAX   64
#define API_FDS_MAX  16
#define API_BODY_MAX 65536

struct events;

struct api {
	const struct api_vmm *vmm;
	void *ctx;
	const char *id;	       /* of the VM, NULL = none */
	struct events *events; /* may be NULL */
	json_t *model;
};

/* id is borrowed. 0 or -ENOMEM. */
int api_init(struct api *api, const struct api_vmm *vmm, void *ctx, const char *id,
	     struct events *events);
void api_fini(struct api *api);

struct api_call {
	const struct api_route *route;
	char id[API_ID_MAX]; /* from the path */
	json_t *body;
	int fds[API_FDS_MAX]; /* that came with it; a handler that keeps one puts -1 */
	unsigned nfds;
	struct api_fault fault;

	/* the answer */
	int status;
	const char *type;
	char allow[64];	 /* of a 405 */
	char *text;	 /* may be NULL; to be freed */
	size_t text_len; /* bytes */
	bool stream;	 /* the connection now gets events */
};

/* Carry out one request; call->fds and nfds are set by the caller. The answer is in call. Closes
 * what nobody kept of fds. */
void api_handle(struct api *api, const struct http_request *r, struct api_call *call);
/* The answer to what was no request: status, code and why. */
void api_refuse(struct api *api, struct api_call *call, int status, const char *code,
		const char *why);
void api_call_fini(struct api_call *call);

#endif
