/* SPDX-License-Identifier: MIT
 *
 * tcp.h: the state of a TCP socket, shared by sock_tcp.c (connections) and tcp_io.c (data).
 */
#ifndef UK_NET_TCP_H
#define UK_NET_TCP_H

#include "lwip/tcp.h"
#include "net/sock.h"

enum tcp_phase {
	TCP_FRESH, /* neither connected nor listening yet, maybe bound */
	TCP_CONNECTING,
	TCP_OPEN, /* was connected, even if both sides are closed by now */
	TCP_LISTENING,
};

struct uk_tcp {
	struct uk_sock s;
	struct tcp_pcb *pcb; /* NULL once lwIP has it to itself, or it died */
	enum tcp_phase phase;
	bool eof; /* peer's FIN arrived */
	bool nodelay, cork;
	uint32_t keepidle, keepintvl, keepcnt; /* s, s, number; 0 = default */
	struct uk_addr local, peer;	       /* kept for when pcb is gone */

	/* Received and not read: pbufs linked by ->next, whose tot_len is not maintained. */
	struct pbuf *rx_head, *rx_tail;
	uint32_t rx_off; /* bytes of rx_head that were read */
	size_t rx_bytes;

	bool starved;	      /* lwIP had no memory for a segment... */
	uint64_t starved_gen; /* ...and may have some when uk__net_mem_frees() moved on */

	/* Listening: connections not accepted yet. Otherwise: link of that list. */
	struct uk_tcp *queue_head, *queue_tail, *queue_next;
	struct uk_tcp *listener; /* while on its queue */
};

ssize_t uk__tcp_send(struct uk_sock *s, const struct iovec *iov, int n, int flags,
		     const struct uk_addr *to);
ssize_t uk__tcp_recv(struct uk_sock *s, const struct iovec *iov, int n, int *flags,
		     struct uk_addr *from);
/* Bytes that send would take now; 0 also when there is no connection. */
size_t uk__tcp_writable(struct uk_tcp *t);
/* lwIP's callback for data and FIN. */
err_t uk__tcp_on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err);
void uk__tcp_drop_rx(struct uk_tcp *t);
/* Leave the connection to lwIP: both directions are closed and it only has to die. */
void uk__tcp_detach(struct uk_tcp *t);
/* Apply the options of the socket to its pcb. */
void uk__tcp_apply(struct uk_tcp *t);

#endif
