/* SPDX-License-Identifier: MIT
 *
 * listen.h: the address of --serve: PORT, ADDR:PORT, [ADDR6]:PORT, unix:PATH or fd:N. Main thread;
 * the text is the user's and hostile.
 */
#ifndef MONITOR_SERVE_LISTEN_H
#define MONITOR_SERVE_LISTEN_H

#include <stddef.h>
#include <sys/socket.h>

struct serve_addr {
	int fd; /* >= 0: a listening socket that was handed over */
	socklen_t len;
	struct sockaddr_storage addr;
};

/* Judge text without touching anything. 0, or -EINVAL with a message that says what would do. */
int serve_addr_parse(const char *text, struct serve_addr *ret, char *err, size_t errlen);
/* A non-blocking listening socket, or -errno with a message. A stale unix socket is replaced, a
 * live one is not. */
int serve_listen(const char *text, char *err, size_t errlen);
/* As it can be typed into curl: "http://127.0.0.1:8080/" or "unix:PATH". */
void serve_addr_print(int fd, char *buf, size_t len);

#endif
