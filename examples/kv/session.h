/* SPDX-License-Identifier: MIT
 *
 * session.h: one client and its protocol. Lines end with LF or CR LF; words are separated by one or
 * more blanks.
 *
 *   SET key length LF data LF  -> +OK             data: `length` bytes of anything
 *   GET key                    -> $length LF data LF, or $-1
 *   DEL key                    -> :1 or :0
 *   COUNT                      -> :number of keys
 *   SYNC | COMPACT | PING      -> +OK | +OK | +PONG
 *   QUIT                       -> +OK, then the connection closes
 *
 * Errors are "-ERR text". Replies come in order, end with CR LF, and go out only after everything
 * they acknowledge is on the disk: a client may send any number of commands at once and pays for
 * one sync. Keys are 1 to 250 bytes without blanks and control characters; values up to 16384
 * bytes.
 */
#ifndef KV_SESSION_H
#define KV_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store.h"

#define KV_LINE_MAX 512
#define KV_IN_MAX   (KV_LINE_MAX + KV_VALUE_MAX + 2)
#define KV_OUT_HIGH 16384 /* replies waiting beyond this stop the reading of commands */
#define KV_OUT_MAX  (KV_OUT_HIGH + KV_VALUE_MAX + 64)

struct bytes {
	char *p;
	size_t len, cap;
};

struct session {
	struct session *next;
	int fd;
	uint32_t interest;
	bool closing;	/* no more commands; close when the replies are out */
	bool lingering; /* the replies are out and our side is shut: waiting for the client to close
			 */
	bool eof;	/* the client sends no more */
	bool broken;	/* close at once */
	uint64_t skip;	/* bytes of an oversized value still to be thrown away */
	struct bytes in, out;
};

/* Serves commands from the input until there is none complete or the replies reach KV_OUT_HIGH.
 * True when it did anything. */
bool session_run(struct session *c, struct store *s);

/* Reads what the socket has, as far as there is room. */
void session_read(struct session *c);

/* Sends replies until they are out or the socket blocks. True when anything went out: there may be
 * room for commands to run. */
bool session_write(struct session *c);

void session_free(struct session *c);

#endif
