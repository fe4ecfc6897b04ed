/* SPDX-License-Identifier: MIT
 *
 * link.c: see link.h.
 */
#include "monitor/backend/usernet/link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* 1 sent (or not sendable at all), 0 the socket is full. */
static int try_send(struct link *l, const void *frame, size_t len)
{
	ssize_t ret;

	do {
		ret = send(l->fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (ret < 0 && errno == EINTR);
	if (ret >= 0)
		return 1;
	if (errno == EAGAIN || errno == ENOBUFS)
		return 0;
	l->closed = errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN;
	return 1;
}

void link_send(struct link *l, const void *frame, size_t len)
{
	if (l->closed || len > LINK_FRAME_MAX || (!l->count && try_send(l, frame, len)) ||
	    l->count == LINK_QUEUE)
		return;
	unsigned slot = (l->head + l->count++) % LINK_QUEUE;

	memcpy(l->frame[slot], frame, len);
	l->len[slot] = (uint16_t)len;
}

void link_flush(struct link *l)
{
	while (l->count && try_send(l, l->frame[l->head], l->len[l->head])) {
		l->head = (l->head + 1) % LINK_QUEUE;
		l->count--;
	}
}

size_t link_recv(struct link *l, void *buf, size_t len)
{
	ssize_t ret;

	do {
		ret = recv(l->fd, buf, len, MSG_DONTWAIT);
	} while (ret < 0 && errno == EINTR);
	if (ret > USERNET_BYE)
		return (size_t)ret;
	if (ret >= 0 || errno != EAGAIN)
		l->closed = true;
	return 0;
}
