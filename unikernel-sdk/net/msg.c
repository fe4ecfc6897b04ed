/* SPDX-License-Identifier: MIT
 *
 * msg.c: the system calls that move data: send*, recv* and their vectors. Runs on the one vCPU.
 */
#include "net/sock.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "net/mem.h"
#include "net/syscall.h"
#include "platform.h"
#include "sys.h"

#define MAX_IOV 1024

ssize_t uk__sock_send(struct uk_sock *s, const struct iovec *iov, int n, int flags,
		      const struct uk_addr *to)
{
	ssize_t r = s->ops->send(s, iov, n, flags, to);

	if (r == -EPIPE && s->type == SOCK_STREAM && !(flags & MSG_NOSIGNAL))
		uk_syscall(SYS_tkill, uk_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0), SIGPIPE, 0, 0, 0,
			   0);
	return r;
}

static ssize_t send_to(struct uk_sock *s, const struct iovec *iov, int n, int flags,
		       const void *name, socklen_t namelen)
{
	struct uk_addr to;
	int r;

	if (!name || s->type == SOCK_STREAM || s->domain == AF_UNIX)
		return uk__sock_send(s, iov, n, flags, NULL);
	r = uk__addr_in(s->domain, name, namelen, &to);
	if (r < 0)
		return r;
	return uk__sock_send(s, iov, n, flags, to.unspec ? NULL : &to);
}

static long do_sendmsg(struct uk_sock *s, const struct msghdr *m, int flags)
{
	if (m->msg_iovlen < 0 || m->msg_iovlen > MAX_IOV)
		return -EMSGSIZE;
	return send_to(s, m->msg_iov, m->msg_iovlen, flags, m->msg_name, m->msg_namelen);
}

static long do_recvmsg(struct uk_sock *s, struct msghdr *m, int flags)
{
	struct uk_addr from;
	ssize_t r;

	if (m->msg_iovlen < 0 || m->msg_iovlen > MAX_IOV)
		return -EMSGSIZE;
	r = s->ops->recv(s, m->msg_iov, m->msg_iovlen, &flags, &from);
	if (r < 0)
		return r;
	if (m->msg_name && s->type != SOCK_STREAM && s->domain != AF_UNIX)
		uk__addr_out(s->domain, &from, m->msg_name, &m->msg_namelen);
	else
		m->msg_namelen = 0;
	m->msg_controllen = 0; /* no ancillary data */
	m->msg_flags = flags & MSG_TRUNC;
	return r;
}

static long do_recvfrom(struct uk_sock *s, void *buf, size_t len, int flags, void *name,
			socklen_t *namelen)
{
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct uk_addr from;
	ssize_t r = s->ops->recv(s, &iov, 1, &flags, &from);

	if (r >= 0 && name && namelen) {
		if (s->type != SOCK_STREAM && s->domain != AF_UNIX)
			uk__addr_out(s->domain, &from, name, namelen);
		else
			*namelen = 0;
	}
	return r;
}

static long do_sendmmsg(struct uk_sock *s, struct mmsghdr *v, unsigned n, int flags)
{
	unsigned i;

	for (i = 0; i < n && i < MAX_IOV; i++) {
		long r = do_sendmsg(s, &v[i].msg_hdr, flags);

		if (r < 0)
			return i ? (long)i : r;
		v[i].msg_len = (unsigned)r;
	}
	return i;
}

static long do_recvmmsg(struct uk_sock *s, struct mmsghdr *v, unsigned n, int flags,
			const struct timespec *timeout)
{
	uint64_t end = UINT64_MAX;
	unsigned i;

	if (timeout)
		end = uk__mono_ns() + (uint64_t)timeout->tv_sec * 1000000000u +
		      (uint64_t)timeout->tv_nsec;
	for (i = 0; i < n && i < MAX_IOV; i++) {
		int one = flags & ~MSG_WAITFORONE;
		long r;

		if (i && (flags & MSG_WAITFORONE))
			one |= MSG_DONTWAIT;
		r = do_recvmsg(s, &v[i].msg_hdr, one);
		if (r < 0)
			return i ? (long)i : r;
		v[i].msg_len = (unsigned)r;
		if (uk__mono_ns() >= end)
			return (long)i + 1;
	}
	return i;
}

static long on_socket(struct uk_sock *s, int nb, long n, const long a[6])
{
	struct iovec iov;

	switch (n) {
	case SYS_sendto:
		iov = (struct iovec){.iov_base = (void *)a[1], .iov_len = (size_t)a[2]};
		return send_to(s, &iov, 1, (int)a[3] | nb, (const void *)a[4], (socklen_t)a[5]);
	case SYS_recvfrom:
		return do_recvfrom(s, (void *)a[1], (size_t)a[2], (int)a[3] | nb, (void *)a[4],
				   (socklen_t *)a[5]);
	case SYS_sendmsg:
		return do_sendmsg(s, (const struct msghdr *)a[1], (int)a[2] | nb);
	case SYS_recvmsg:
		return do_recvmsg(s, (struct msghdr *)a[1], (int)a[2] | nb);
	case SYS_sendmmsg:
		return do_sendmmsg(s, (struct mmsghdr *)a[1], (unsigned)a[2], (int)a[3] | nb);
	default:
		return do_recvmmsg(s, (struct mmsghdr *)a[1], (unsigned)a[2], (int)a[3] | nb,
				   (const struct timespec *)a[4]);
	}
}

long uk__msg_syscall(long n, const long a[6])
{
	struct uk_sock *s;
	bool nonblock;
	int err = 0;

	switch (n) {
	case SYS_sendto:
	case SYS_recvfrom:
	case SYS_sendmsg:
	case SYS_recvmsg:
	case SYS_sendmmsg:
	case SYS_recvmmsg:
		s = uk__sock_get((int)a[0], &nonblock, &err);
		return s ? on_socket(s, nonblock ? MSG_DONTWAIT : 0, n, a) : err;
	default:
		return UK_NOSYS;
	}
}
