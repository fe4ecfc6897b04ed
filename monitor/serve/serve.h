/* SPDX-License-Identifier: MIT
 *
 * serve.h: --serve: an HTTP front for a VM that answers one request and is put back to where it was
 * ready for it. The guest sees one request at a time and never the connection. vCPU thread; while a
 * request runs in the guest nothing here runs.
 */
#ifndef MONITOR_SERVE_SERVE_H
#define MONITOR_SERVE_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/metrics.h"

struct vm;
struct vm_config;

/* Listen where cfg->serve says; connections wait until the guest is ready. Nothing when it says
 * nothing. 0, or -errno with a message that names the option. */
int serve_open(struct vm *vm, const struct vm_config *cfg, char *err, size_t errlen);
void serve_close(struct vm *vm);
/* The listening socket of a VM that serves. */
int serve_fd(const struct vm *vm);

/* The guest stands at its freeze point for the first time. */
void serve_ready(struct vm *vm);
/* The guest wrote gpa, of a struct uk_reply, to UK_CTL_REPLY. */
void serve_reply(struct vm *vm, uint64_t gpa);
/*
 * The guest ended, crashed or ran out of time. True: that was one request's fault, its client has
 * been told, and the VM is ready for the next. status: 500 or 504.
 */
bool serve_failed(struct vm *vm, int status);
/* A timer set for requests fired. */
void serve_alarm(struct vm *vm);

/* The guest must not run: there is no request for it. */
bool serve_waiting(const struct vm *vm);
/* Wait for one, until a signal comes at the latest. */
void serve_wait(struct vm *vm);

struct serve_metrics serve_metrics(const struct vm *vm);

#endif
