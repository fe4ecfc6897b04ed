/* SPDX-License-Identifier: MIT
 *
 * mayfly.h: what a program may ask of its VM beyond POSIX: to be frozen at a point of its choice,
 * to learn that it is a clone, and to answer one request and be put back. Compiled by mayfly-cc
 * against the SDK; by any other compiler it gives the nearest a process can do: no freezing, and
 * one CGI request (RFC 3875) per process.
 */
#ifndef MAYFLY_H
#define MAYFLY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How mayfly_freeze() came back. */
enum mayfly_why {
	MAYFLY_NOT_FROZEN, /* nobody wanted a snapshot: all is as before */
	MAYFLY_ORIGINAL,   /* a snapshot was taken, and this is the VM it was taken of */
	MAYFLY_CLONE,	   /* restored from the snapshot, perhaps beside others */
	MAYFLY_REWOUND	   /* gone back to the snapshot in place */
};

/*
 * "I am initialised, and nothing here is secret or unique": the point at which the VM may be
 * snapshotted. Files are synced before. In a clone, when this returns, random numbers are reseeded,
 * the wall clock is right (the monotonic one did not jump), MAC, IPv4 address, hostname and
 * environment are those given at restore, and the functions of mayfly_on_restore() have run.
 * Returns an enum mayfly_why.
 */
int mayfly_freeze(void);

/*
 * Call fn(arg) in every clone and after every rewind, in the order of registration: before
 * mayfly_freeze() returns. In one that was made while the program was anywhere else, at the next
 * call that waits (poll, select, epoll_wait, accept, recv, sleep, sched_yield and their kin); fn
 * may do there what the program might. 0, or -1 with errno ENOMEM. At most 16.
 */
int mayfly_on_restore(void (*fn)(void *arg), void *arg);

/* 16 bytes that no other run from this snapshot has, right at each call; all zero in a program that
 * was never frozen nor restored. Lives as long as the program. */
const uint8_t *mayfly_generation(void);

/* --- one request per VM --- */

struct mayfly_request {
	const char *method; /* "GET" */
	const char *target; /* "/path?query", as sent */
	const char *head;   /* header lines, each ended by CR LF, then NUL: see mayfly_header() */
	const void *body;   /* NUL-terminated for convenience */
	size_t body_len;
};

/*
 * Freeze and wait for a request: what follows runs once per request, in a VM that is put back to
 * this point afterwards (`mayfly-monitor --serve`). max: largest request to be taken, bytes, 0 = 64
 * KiB. 0 and a request, or -1 with errno: ENOTCONN when nobody serves requests here, EBADMSG when
 * the request cannot be parsed.
 */
int mayfly_ready(struct mayfly_request *ret_req, size_t max);

/* Value of header `name` (no case) copied to buf, cut to len - 1. Its full length, or -1 when it is
 * absent. */
long mayfly_header(const struct mayfly_request *req, const char *name, char *buf, size_t len);

/*
 * The answer; nothing after it runs. status: HTTP status 100..599. type: Content-Type, NULL =
 * "text/plain". A program that ends without it is answered for with status 500.
 */
__attribute__((noreturn)) void mayfly_reply(int status, const char *type, const void *body,
					    size_t len);

#ifdef __cplusplus
}
#endif

#ifndef __mayfly__
#include "mayfly_process.h"
#endif
#endif
