/* SPDX-License-Identifier: MIT
 *
 * link.h: the wire to the monitor: a packet socket and a queue for frames that it does not take at
 * once. While something is queued the caller reads nothing more from the network, which is how a
 * slow guest slows its peers down instead of losing frames. One thread.
 */
#ifndef MONITOR_BACKEND_USERNET_LINK_H
#define MONITOR_BACKEND_USERNET_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LINK_FRAME_MAX 1518u
#define LINK_QUEUE     512u
#define USERNET_BYE    1u /* bytes of the message by which the monitor says that it ends */

struct link {
	int fd;
	bool closed; /* the monitor is gone */
	unsigned head, count;
	uint16_t len[LINK_QUEUE];
	uint8_t frame[LINK_QUEUE][LINK_FRAME_MAX];
};

/* Sends or queues; a frame that finds the queue full is lost, as on any wire. */
void link_send(struct link *l, const void *frame, size_t len);
/* Sends what is queued, as far as it goes. */
void link_flush(struct link *l);
/* The next frame from the guest: its length, 0 when none waits or the link is closed. */
size_t link_recv(struct link *l, void *buf, size_t len);

#endif
