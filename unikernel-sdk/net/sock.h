/* SPDX-License-Identifier: MIT
 *
 * sock.h: sockets as the files of net/ share them. A socket is a uk_file whose priv is a struct
 * uk_sock, embedded in the state of its kind (TCP, UDP, Unix pair). Functions return >= 0 or
 * -errno.
 */
#ifndef UK_NET_SOCK_H
#define UK_NET_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "fd.h"
#include "lwip/ip_addr.h"

struct uk_addr {
	ip_addr_t ip;
	uint16_t port;
	bool unspec; /* AF_UNSPEC: connect() dissolves */
};

struct uk_sock;

/* NULL: -EOPNOTSUPP. nonblock: -EAGAIN or -EINPROGRESS in place of waiting. */
struct uk_sock_ops {
	int (*bind)(struct uk_sock *s, const struct uk_addr *a);
	int (*connect)(struct uk_sock *s, const struct uk_addr *a, bool nonblock);
	int (*listen)(struct uk_sock *s, int backlog);
	int (*accept)(struct uk_sock *s, bool nonblock, struct uk_sock **ret_child);
	/* to: NULL when send() named nobody. flags: MSG_*; MSG_DONTWAIT stands for nonblock. */
	ssize_t (*send)(struct uk_sock *s, const struct iovec *iov, int n, int flags,
			const struct uk_addr *to);
	/* *flags: MSG_* in, what recvmsg reports out. *from is left alone by streams. */
	ssize_t (*recv)(struct uk_sock *s, const struct iovec *iov, int n, int *flags,
			struct uk_addr *from);
	int (*shutdown)(struct uk_sock *s, int how);
	int (*name)(struct uk_sock *s, bool peer, struct uk_addr *ret_addr);
	uint32_t (*poll)(struct uk_sock *s);
	long (*pending)(struct uk_sock *s); /* FIONREAD */
	/* Options of the kind, -ENOPROTOOPT for others. Level -1: apply the common ones in struct
	 * uk_sock. */
	int (*setopt)(struct uk_sock *s, int level, int name, int value);
	int (*getopt)(struct uk_sock *s, int level, int name, int *ret_value);
	void (*close)(struct uk_sock *s); /* frees the state */
};

#define UK_SHUT_RD 1u
#define UK_SHUT_WR 2u

struct uk_sock {
	const struct uk_sock_ops *ops;
	struct uk_file *file; /* NULL before uk__sock_install */
	struct uk_sock *next; /* of those that wait for the stack as a whole, see uk__sock_starve */
	bool starving;
	int domain, type, proto;
	int err; /* positive errno, reported once */
	unsigned shut;
	uint64_t rcvtimeo, sndtimeo; /* ns, 0 = for ever */
	uint32_t sndbuf, rcvbuf;
	bool v6only, reuse, broadcast, keepalive, linger;
	uint32_t linger_s;
	int tos, ttl; /* ttl 0 = default */
};

extern const struct uk_fops uk__sock_fops;

/* Common part of a new socket. */
void uk__sock_init(struct uk_sock *s, const struct uk_sock_ops *ops, int domain, int type,
		   int proto);
/* A new descriptor for s; closes s when that fails. */
int uk__sock_install(struct uk_sock *s, int flags);
/* NULL: -EBADF or -ENOTSOCK in *ret_err. */
struct uk_sock *uk__sock_get(int fd, bool *ret_nonblock, int *ret_err);
/* Take the pending error: -errno or 0. */
int uk__sock_take_err(struct uk_sock *s);
/* Wait for ready(s); 0, -EAGAIN after timeo ns (0 = for ever), -EINTR. */
int uk__sock_wait(struct uk_sock *s, bool (*ready)(void *s), uint64_t timeo);
size_t uk__iov_len(const struct iovec *iov, int n);
/* Flow control by lwIP's heap and the devices' rings: may any socket send? */
bool uk__sock_may_send(void);
/* Something that ops->poll tells became true. */
void uk__sock_news(struct uk_sock *s);
/* s is not writable for want of memory or ring space: uk__sock_feed tells its watchers when there
 * is some. */
void uk__sock_starve(struct uk_sock *s);
void uk__sock_feed(void);
/* Before s is freed. */
void uk__sock_gone(struct uk_sock *s);

/* Constructors: 0 and a socket, or -errno. */
int uk__tcp_new(int domain, struct uk_sock **ret_sock);
int uk__udp_new(int domain, int proto, struct uk_sock **ret_sock);
int uk__unix_pair(int type, struct uk_sock *ret_pair[2]);

/* msg.c: send through s->ops, with SIGPIPE where Linux raises it. */
ssize_t uk__sock_send(struct uk_sock *s, const struct iovec *iov, int n, int flags,
		      const struct uk_addr *to);

/* addr.c: sockaddr to address for a socket of that domain: mapped IPv4 becomes IPv4. -EINVAL,
 * -EAFNOSUPPORT. */
int uk__addr_in(int domain, const void *sa, socklen_t len, struct uk_addr *ret_addr);
/* The other way, cut to *len; *len becomes the full length. */
void uk__addr_out(int domain, const struct uk_addr *a, void *sa, socklen_t *len);
/* err_t of lwIP to -errno. */
int uk__net_errno(int lwip_err);
/* May the address be bound: any, multicast or ours? Waits for DHCP when that could decide it. */
bool uk__addr_bindable(const ip_addr_t *ip);
/* Wait for an address of our own if a packet to there needs one. */
void uk__addr_prepare(const ip_addr_t *dest);

/* sockopt.c, ifconf.c, msg.c */
long uk__sock_setopt(struct uk_sock *s, int level, int name, const void *val, socklen_t len);
long uk__sock_getopt(struct uk_sock *s, int level, int name, void *val, socklen_t *len);
long uk__sock_ioctl(struct uk_file *f, unsigned long req, long arg);

/* mcast.c: group membership by setsockopt, owned by the UDP socket. */
struct uk_mcast;
int uk__mcast_setopt(struct uk_mcast **list, int level, int name, const void *val, socklen_t len);
void uk__mcast_leave_all(struct uk_mcast **list);
struct uk_mcast **uk__udp_groups(struct uk_sock *s); /* NULL when s is not a UDP socket */

/* sock_udp.c, sock_tcp.c: an ICMP error for a packet from local_port to the remote address and
 * port; seq: TCP's number in it. */
void uk__udp_icmp(uint16_t local_port, const ip_addr_t *remote, uint16_t port, int err);
/* Is `payload` within what the connection of this segment may always have waiting to be read?
 * Addresses and header as in the packet. */
bool uk__tcp_starved(const uint8_t *src_ip, bool v6, const uint8_t *tcp, unsigned payload);
void uk__tcp_icmp(uint16_t local_port, const ip_addr_t *remote, uint16_t port, uint32_t seq,
		  int err);

#endif
