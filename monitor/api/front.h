/* SPDX-License-Identifier: MIT
 *
 * front.h: the API of a real VM: what main.c starts and stops. Main thread.
 */
#ifndef MONITOR_API_FRONT_H
#define MONITOR_API_FRONT_H

#include <stddef.h>

#include "monitor/config.h"
#include "monitor/opts.h"

struct server;
struct vm;

struct front {
	struct vm *vm;
	int argc; /* the command line, read again for every configuration that calls put together */
	char *const *argv;
	/* In force; NULL before the start. The API's own (start) is freed by front_stop(). */
	const struct vm_config *cfg;
	bool own_cfg;
	char *swapped[CONFIG_MAX_BLK]; /* paths of drives that a call replaced */
	struct server *server;
};

/*
 * Listen at path for calls on vm, from the vCPU thread. cfg: what vm was made of, NULL when it has
 * not been made: then vm_wait_start() comes next. 0 or -errno with a message.
 */
int front_start(struct front *f, const char *path, const char *id, const struct vm_config *cfg,
		char *err, size_t errlen);
/* The VM has ended with that status: tell who listens, end the server. Before vm_destroy(). */
void front_stop(struct front *f, int status);
/* After vm_destroy(). */
void front_fini(struct front *f);

#endif
