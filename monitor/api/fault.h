/* SPDX-License-Identifier: MIT
 *
 * fault.h: why a call was refused: Firecracker's message for people, beside it a code that never
 * changes its meaning and the offending field, for programs. Any thread.
 */
#ifndef MONITOR_API_FAULT_H
#define MONITOR_API_FAULT_H

struct api_fault {
	int status;	  /* HTTP */
	const char *code; /* one of Error.code in docs/openapi.yaml */
	char field[128];  /* "" = none */
	char text[512];
};

/* Sets text and code, status 400, and leaves field. Returns -EINVAL, so that a judge can end with
 * it. Control characters and bytes that are not ASCII become '?'. */
int fault_set(struct api_fault *f, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* field is "name" put before what is there: "name.field", or "name[...". Returns -EINVAL. */
int fault_field(struct api_fault *f, const char *name);

#endif
