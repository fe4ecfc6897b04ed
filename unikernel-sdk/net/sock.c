/* SPDX-License-Identifier: MIT
 *
 * sock.c: what all sockets have in common: creation, descriptors, the calls that do not move data,
 * and the file operations. Pointers come from the application, which shares our address space. One
 * vCPU.
 */
#include "net/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "net/mem.h"
#include "net/net.h"
#include "net/netif.h"
#include "net/syscall.h"
#include "net/timers.h"
#include "platform.h"
#include "sys.h"
#include "wait.h"

#define MEM_LOW 8192u

void uk__sock_init(struct uk_sock *s, const struct uk_sock_ops *ops, int domain, int type,
		   int proto)
{
	s->ops = ops;
	s->domain = domain;
	s->type = type;
	s->proto = proto;
}

int uk__sock_install(struct uk_sock *s, int flags)
{
	int fd;
	struct uk_file *f =
		uk__file_new(&uk__sock_fops, O_RDWR | (flags & SOCK_NONBLOCK ? O_NONBLOCK : 0), s);

	if (!f) {
		s->ops->close(s);
		return -ENOMEM;
	}
	s->file = f;
	fd = uk__fd_install(f, 0, flags & SOCK_CLOEXEC);
	if (fd < 0)
		uk__file_put(f);
	return fd;
}

struct uk_sock *uk__sock_get(int fd, bool *ret_nonblock, int *ret_err)
{
	struct uk_file *f = uk__fd_get(fd);

	if (!f || f->ops != &uk__sock_fops) {
		*ret_err = f ? -ENOTSOCK : -EBADF;
		return NULL;
	}
	if (ret_nonblock)
		*ret_nonblock = f->flags & O_NONBLOCK;
	return f->priv;
}

int uk__sock_take_err(struct uk_sock *s)
{
	int err = s->err;

	s->err = 0;
	return -err;
}

int uk__sock_wait(struct uk_sock *s, bool (*ready)(void *s), uint64_t timeo)
{
	int r = uk__wait(ready, s, timeo ? uk__mono_ns() + timeo : UK_FOREVER);

	return r == -ETIMEDOUT ? -EAGAIN : r;
}

size_t uk__iov_len(const struct iovec *iov, int n)
{
	size_t len = 0;

	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

bool uk__sock_may_send(void)
{
	for (unsigned i = 0; i < UK_MAX_NICS && uk__nifs[i]; i++)
		if (uk__nifs[i]->tx_full)
			return false;
	return uk__net_mem_room() >= MEM_LOW;
}

void uk__sock_news(struct uk_sock *s)
{
	if (s->file)
		uk__file_ready(s->file);
}

static struct uk_sock *starving;
static uint64_t starved_at; /* uk__net_mem_frees() when the last one joined */

void uk__sock_starve(struct uk_sock *s)
{
	starved_at = uk__net_mem_frees();
	if (s->starving)
		return;
	s->starving = true;
	s->next = starving;
	starving = s;
}

void uk__sock_feed(void)
{
	struct uk_sock *s = starving;

	if (!s || !uk__sock_may_send() || starved_at == uk__net_mem_frees())
		return;
	starving = NULL;
	while (s) {
		struct uk_sock *next = s->next;

		s->starving = false;
		uk__sock_news(s);
		s = next;
	}
}

void uk__sock_gone(struct uk_sock *s)
{
	struct uk_sock **p = &starving;

	while (s->starving && *p != s)
		p = &(*p)->next;
	if (s->starving)
		*p = s->next;
}

/* --- system calls
 * ------------------------------------------------------------------------------------ */

static long do_socket(int domain, int type_flags, int proto)
{
	int type = type_flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct uk_sock *s;
	int r;

	if (domain != AF_INET && domain != AF_INET6)
		return -EAFNOSUPPORT;
	uk__net_start();
	if (type == SOCK_STREAM && (proto == 0 || proto == 6))
		r = uk__tcp_new(domain, &s);
	else if (type == SOCK_DGRAM && (proto == 0 || proto == 17))
		r = uk__udp_new(domain, proto, &s);
	else
		r = type == SOCK_STREAM || type == SOCK_DGRAM ? -EPROTONOSUPPORT : -ESOCKTNOSUPPORT;
	return r < 0 ? r : uk__sock_install(s, type_flags);
}

static long do_socketpair(int domain, int type_flags, int proto, int *ret_fds)
{
	struct uk_sock *pair[2];
	int r, a, b;

	if (domain != AF_UNIX)
		return domain == AF_INET || domain == AF_INET6 ? -EOPNOTSUPP : -EAFNOSUPPORT;
	if (proto != 0)
		return -EPROTONOSUPPORT;
	r = uk__unix_pair(type_flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), pair);
	if (r < 0)
		return r;
	a = uk__sock_install(pair[0], type_flags);
	b = uk__sock_install(pair[1], type_flags);
	if (a >= 0 && b >= 0) {
		ret_fds[0] = a;
		ret_fds[1] = b;
		return 0;
	}
	if (a >= 0)
		uk_syscall(SYS_close, a, 0, 0, 0, 0, 0);
	if (b >= 0)
		uk_syscall(SYS_close, b, 0, 0, 0, 0, 0);
	return a < 0 ? a : b;
}

static long do_bind(struct uk_sock *s, const void *sa, socklen_t len)
{
	struct uk_addr a;
	int r = uk__addr_in(s->domain, sa, len, &a);

	if (r < 0)
		return r;
	if (!s->ops->bind)
		return -EOPNOTSUPP;
	if (a.unspec) /* as Linux: AF_UNSPEC binds an IPv4 socket to any */
		return -EAFNOSUPPORT;
	if (!uk__addr_bindable(&a.ip))
		return -EADDRNOTAVAIL;
	return s->ops->bind(s, &a);
}

static long do_connect(struct uk_sock *s, bool nonblock, const void *sa, socklen_t len)
{
	struct uk_addr a;
	int r = uk__addr_in(s->domain, sa, len, &a);

	if (r < 0)
		return r;
	if (!s->ops->connect)
		return -EISCONN;
	if (!a.unspec) {
		/* Connecting to "any" means this host. */
		if (ip_addr_isany(&a.ip) && s->domain == AF_INET)
			ip_addr_set_loopback(0, &a.ip);
		else if (ip_addr_isany(&a.ip))
			ip_addr_set_loopback(1, &a.ip);
		uk__addr_prepare(&a.ip);
	}
	return s->ops->connect(s, &a, nonblock);
}

static long do_accept(struct uk_sock *s, bool nonblock, void *sa, socklen_t *len, int flags)
{
	struct uk_sock *child;
	struct uk_addr peer;
	int r, fd;

	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	if (!s->ops->accept)
		return -EOPNOTSUPP;
	r = s->ops->accept(s, nonblock, &child);
	if (r < 0)
		return r;
	memset(&peer, 0, sizeof(peer));
	child->ops->name(child, true, &peer);
	fd = uk__sock_install(child, flags);
	if (fd >= 0 && sa && len)
		uk__addr_out(s->domain, &peer, sa, len);
	return fd;
}

static long do_name(struct uk_sock *s, bool peer, void *sa, socklen_t *len)
{
	struct uk_addr a;
	int r;

	if (s->domain == AF_UNIX) {
		sa_family_t family = AF_UNIX;

		memcpy(sa, &family, *len < sizeof(family) ? *len : sizeof(family));
		*len = sizeof(family);
		return 0;
	}
	memset(&a, 0, sizeof(a));
	r = s->ops->name(s, peer, &a);
	if (r == 0)
		uk__addr_out(s->domain, &a, sa, len);
	return r;
}

static long do_shutdown(struct uk_sock *s, int how)
{
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return -EINVAL;
	return s->ops->shutdown(s, how);
}

static long on_socket(struct uk_sock *s, bool nonblock, long n, const long a[6])
{
	switch (n) {
	case SYS_bind:
		return do_bind(s, (const void *)a[1], (socklen_t)a[2]);
	case SYS_connect:
		return do_connect(s, nonblock, (const void *)a[1], (socklen_t)a[2]);
	case SYS_listen:
		return s->ops->listen ? s->ops->listen(s, (int)a[1]) : -EOPNOTSUPP;
	case SYS_accept:
		return do_accept(s, nonblock, (void *)a[1], (socklen_t *)a[2], 0);
	case SYS_accept4:
		return do_accept(s, nonblock, (void *)a[1], (socklen_t *)a[2], (int)a[3]);
	case SYS_shutdown:
		return do_shutdown(s, (int)a[1]);
	case SYS_getsockname:
		return do_name(s, false, (void *)a[1], (socklen_t *)a[2]);
	case SYS_getpeername:
		return do_name(s, true, (void *)a[1], (socklen_t *)a[2]);
	case SYS_setsockopt:
		return uk__sock_setopt(s, (int)a[1], (int)a[2], (const void *)a[3],
				       (socklen_t)a[4]);
	default:
		return uk__sock_getopt(s, (int)a[1], (int)a[2], (void *)a[3], (socklen_t *)a[4]);
	}
}

long uk__sock_syscall(long n, const long a[6])
{
	struct uk_sock *s;
	bool nonblock;
	int err = 0;

	switch (n) {
	case SYS_socket:
		return do_socket((int)a[0], (int)a[1], (int)a[2]);
	case SYS_socketpair:
		return do_socketpair((int)a[0], (int)a[1], (int)a[2], (int *)a[3]);
	case SYS_bind:
	case SYS_connect:
	case SYS_listen:
	case SYS_accept:
	case SYS_accept4:
	case SYS_shutdown:
	case SYS_getsockname:
	case SYS_getpeername:
	case SYS_setsockopt:
	case SYS_getsockopt:
		s = uk__sock_get((int)a[0], &nonblock, &err);
		return s ? on_socket(s, nonblock, n, a) : err;
	default:
		return UK_NOSYS;
	}
}

/* --- file operations
 * --------------------------------------------------------------------------------- */

static ssize_t sock_readv(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	struct uk_sock *s = f->priv;
	int flags = f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0;
	struct uk_addr from;
	ssize_t r;

	if (off >= 0)
		return -ESPIPE;
	r = s->ops->recv(s, iov, n, &flags, &from);
	uk__net_flush();
	return r;
}

static ssize_t sock_writev(struct uk_file *f, const struct iovec *iov, int n, int64_t off)
{
	struct uk_sock *s = f->priv;
	ssize_t r;

	if (off >= 0)
		return -ESPIPE;
	uk__net_timers_touch();
	r = uk__sock_send(s, iov, n, f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0, NULL);
	uk__net_flush();
	return r;
}

static int sock_fstat(struct uk_file *f, struct stat *st)
{
	(void)f;
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFSOCK | 0777;
	st->st_blksize = 4096;
	return 0;
}

static uint32_t sock_poll(struct uk_file *f)
{
	struct uk_sock *s = f->priv;

	return s->ops->poll(s);
}

static void sock_release(struct uk_file *f)
{
	struct uk_sock *s = f->priv;

	uk__net_timers_touch();
	s->ops->close(s);
	uk__net_flush();
}

const struct uk_fops uk__sock_fops = {
	.name = "socket",
	.readv = sock_readv,
	.writev = sock_writev,
	.ioctl = uk__sock_ioctl,
	.fstat = sock_fstat,
	.poll = sock_poll,
	.release = sock_release,
	.notifies = true,
};
