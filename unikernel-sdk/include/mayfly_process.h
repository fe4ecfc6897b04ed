/* SPDX-License-Identifier: MIT
 *
 * mayfly_process.h: mayfly.h for a Linux process: nothing freezes, and mayfly_ready() takes its one
 * request the CGI way (RFC 3875), from the environment and stdin. Included by mayfly.h, not by
 * programs.
 */
#ifndef MAYFLY_PROCESS_H
#define MAYFLY_PROCESS_H

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mayfly.h"

static inline int mayfly_process_freeze(void)
{
	return MAYFLY_NOT_FROZEN;
}

static inline int mayfly_process_on_restore(void (*fn)(void *), void *arg)
{
	(void)fn;
	(void)arg;
	return 0;
}

static inline const uint8_t *mayfly_process_generation(void)
{
	static const uint8_t none[16];

	return none;
}

static inline int mayfly_process_ready(struct mayfly_request *req, size_t max)
{
	const char *method = getenv("REQUEST_METHOD"), *path = getenv("PATH_INFO"),
		   *length = getenv("CONTENT_LENGTH");
	size_t len = length ? strtoul(length, NULL, 10) : 0;

	if (!method) {
		errno = ENOTCONN;
		return -1;
	}
	if (len > (max ? max : 65536)) {
		errno = EBADMSG;
		return -1;
	}
	char *body = (char *)calloc(1, len + 1);

	if (!body)
		return -1;
	req->method = method;
	req->target = path ? path : "/";
	req->head = "";
	req->body = body;
	req->body_len = fread(body, 1, len, stdin);
	return 0;
}

static inline long mayfly_process_header(const struct mayfly_request *req, const char *name,
					 char *buf, size_t len)
{
	char var[80] = "HTTP_";
	size_t n = 5;

	(void)req;
	for (; *name && n < sizeof(var) - 1; name++)
		var[n++] = *name == '-' ? '_' : (char)toupper((unsigned char)*name);
	var[n] = '\0';
	const char *v = getenv(var);

	if (v && len)
		snprintf(buf, len, "%s", v);
	return v ? (long)strlen(v) : -1;
}

__attribute__((noreturn)) static inline void mayfly_process_reply(int status, const char *type,
								  const void *body, size_t len)
{
	printf("Status: %d\r\nContent-Type: %s\r\n\r\n", status, type ? type : "text/plain");
	fwrite(body, 1, len, stdout);
	exit(0);
}

#define mayfly_freeze	  mayfly_process_freeze
#define mayfly_on_restore mayfly_process_on_restore
#define mayfly_generation mayfly_process_generation
#define mayfly_ready	  mayfly_process_ready
#define mayfly_header	  mayfly_process_header
#define mayfly_reply	  mayfly_process_reply

#endif
