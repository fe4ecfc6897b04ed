/* SPDX-License-Identifier: MIT
 *
 * sockopt.c: the socket options that all kinds share. Options that only tune what we do not have
 * (marks, priorities, timestamps) are refused with ENOPROTOOPT, as a kernel without the feature
 * does. One vCPU.
 */
#include "net/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

#include "lwip/opt.h"

#define BUF_MIN 4608
#define BUF_MAX (4 << 20)

/* A time option is a struct timeval of two longs, also under its 64-bit-time name. */
static int set_timeo(uint64_t *ns, const void *val, socklen_t len)
{
	struct timeval tv;

	if (len < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, val, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	if (tv.tv_sec < 0)
		*ns = 1; /* as Linux: do not wait */
	else if (tv.tv_sec > 1000000000)
		*ns = 0;
	else
		*ns = (uint64_t)tv.tv_sec * 1000000000u + (uint64_t)tv.tv_usec * 1000u;
	return 0;
}

static int set_linger(struct uk_sock *s, const void *val, socklen_t len)
{
	struct linger l;

	if (len < sizeof(l))
		return -EINVAL;
	memcpy(&l, val, sizeof(l));
	s->linger = l.l_onoff;
	s->linger_s = l.l_linger > 0 ? (uint32_t)l.l_linger : 0;
	return 0;
}

/* Linux doubles what is asked for, for its bookkeeping; programs read the double back. */
static uint32_t buf_size(int v)
{
	if (v < BUF_MIN / 2)
		return BUF_MIN;
	return v > BUF_MAX / 2 ? BUF_MAX : (uint32_t)v * 2;
}

static int set_socket(struct uk_sock *s, int name, int v)
{
	switch (name) {
	case SO_REUSEADDR:
		s->reuse = v;
		break;
	case SO_KEEPALIVE:
		s->keepalive = v;
		break;
	case SO_BROADCAST:
		s->broadcast = v;
		break;
	case SO_SNDBUF:
		s->sndbuf = buf_size(v);
		break;
	case SO_RCVBUF:
		s->rcvbuf = buf_size(v);
		break;
	case SO_REUSEPORT: /* one process: the first socket on a port gets everything */
	case SO_DONTROUTE:
	case SO_OOBINLINE:
	case SO_PRIORITY:
	case SO_RCVLOWAT:
		return 0;
	default:
		return -ENOPROTOOPT;
	}
	return 0;
}

static int set_ip(struct uk_sock *s, int name, int v)
{
	switch (name) {
	case IP_TOS:
		s->tos = v & 0xff;
		return 0;
	case IP_TTL:
		if (v == -1)
			v = 0;
		else if (v < 1 || v > 255)
			return -EINVAL;
		s->ttl = v;
		return 0;
	case IP_MTU_DISCOVER:
	case IP_RECVERR:
		return 0; /* errors that matter are reported anyway */
	default:
		return -ENOPROTOOPT;
	}
}

static int set_ipv6(struct uk_sock *s, int name, int v)
{
	switch (name) {
	case IPV6_V6ONLY:
		s->v6only = v;
		return 0;
	case IPV6_TCLASS:
		s->tos = v < 0 ? 0 : v & 0xff;
		return 0;
	case IPV6_UNICAST_HOPS:
		if (v < -1 || v == 0 || v > 255)
			return -EINVAL;
		s->ttl = v < 0 ? 0 : v;
		return 0;
	case IPV6_MTU_DISCOVER:
	case IPV6_RECVERR:
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

long uk__sock_setopt(struct uk_sock *s, int level, int name, const void *val, socklen_t len)
{
	int v = 0, r;

	if (!val)
		return -EFAULT;
	if (level == SOL_SOCKET && name == SO_LINGER)
		return set_linger(s, val, len);
	if (level == SOL_SOCKET && name == SO_RCVTIMEO)
		return set_timeo(&s->rcvtimeo, val, len);
	if (level == SOL_SOCKET && name == SO_SNDTIMEO)
		return set_timeo(&s->sndtimeo, val, len);
	r = uk__mcast_setopt(uk__udp_groups(s), level, name, val, len);
	if (r != -ENOPROTOOPT)
		return r;
	if (len >= sizeof(v))
		memcpy(&v, val, sizeof(v));
	else if (level == IPPROTO_IP && len >= 1) /* IP options may be a byte */
		v = *(const uint8_t *)val;
	else
		return -EINVAL;
	if (s->ops->setopt && level >= 0) {
		r = s->ops->setopt(s, level, name, v);
		if (r != -ENOPROTOOPT)
			return r;
	}
	if (level == SOL_SOCKET)
		r = set_socket(s, name, v);
	else if (level == IPPROTO_IP)
		r = set_ip(s, name, v);
	else if (level == IPPROTO_IPV6)
		r = set_ipv6(s, name, v);
	else
		r = -ENOPROTOOPT;
	if (r == 0 && s->ops->setopt)
		s->ops->setopt(s, -1, 0, 0);
	return r;
}

static int get_socket(struct uk_sock *s, int name, int *ret)
{
	switch (name) {
	case SO_ERROR:
		*ret = -uk__sock_take_err(s);
		return 0;
	case SO_TYPE:
		*ret = s->type;
		return 0;
	case SO_DOMAIN:
		*ret = s->domain;
		return 0;
	case SO_PROTOCOL:
		*ret = s->proto;
		return 0;
	case SO_REUSEADDR:
		*ret = s->reuse;
		return 0;
	case SO_KEEPALIVE:
		*ret = s->keepalive;
		return 0;
	case SO_BROADCAST:
		*ret = s->broadcast;
		return 0;
	case SO_SNDBUF:
		*ret = (int)(s->sndbuf ? s->sndbuf : TCP_SND_BUF);
		return 0;
	case SO_RCVBUF:
		*ret = (int)(s->rcvbuf ? s->rcvbuf : TCP_WND);
		return 0;
	case SO_ACCEPTCONN:
		*ret = s->ops->pending && s->ops->accept && s->ops->pending(s) < 0;
		return 0;
	case SO_REUSEPORT:
	case SO_DONTROUTE:
	case SO_OOBINLINE:
	case SO_PRIORITY:
		*ret = 0;
		return 0;
	case SO_RCVLOWAT:
	case SO_SNDLOWAT:
		*ret = 1;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int get_ip(const struct uk_sock *s, int level, int name, int *ret)
{
	if (level == IPPROTO_IP && name == IP_TOS)
		*ret = s->tos;
	else if (level == IPPROTO_IP && name == IP_TTL)
		*ret = s->ttl ? s->ttl : IP_DEFAULT_TTL;
	else if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
		*ret = s->v6only;
	else if (level == IPPROTO_IPV6 && name == IPV6_TCLASS)
		*ret = s->tos;
	else if (level == IPPROTO_IPV6 && name == IPV6_UNICAST_HOPS)
		*ret = s->ttl ? s->ttl : IP_DEFAULT_TTL;
	else
		return -ENOPROTOOPT;
	return 0;
}

static long put(void *val, socklen_t *len, const void *src, size_t n)
{
	if (*len > n)
		*len = (socklen_t)n;
	memcpy(val, src, *len);
	return 0;
}

static long get_timeo(uint64_t ns, void *val, socklen_t *len)
{
	struct timeval tv = {.tv_sec = (time_t)(ns / 1000000000u),
			     .tv_usec = (suseconds_t)(ns % 1000000000u / 1000u)};

	return put(val, len, &tv, sizeof(tv));
}

long uk__sock_getopt(struct uk_sock *s, int level, int name, void *val, socklen_t *len)
{
	int v = 0, r = -ENOPROTOOPT;

	if (!val || !len)
		return -EFAULT;
	if (level == SOL_SOCKET && name == SO_LINGER) {
		struct linger l = {.l_onoff = s->linger, .l_linger = (int)s->linger_s};

		return put(val, len, &l, sizeof(l));
	}
	if (level == SOL_SOCKET && name == SO_RCVTIMEO)
		return get_timeo(s->rcvtimeo, val, len);
	if (level == SOL_SOCKET && name == SO_SNDTIMEO)
		return get_timeo(s->sndtimeo, val, len);
	if (level == SOL_SOCKET)
		r = get_socket(s, name, &v);
	else if (level == IPPROTO_IP || level == IPPROTO_IPV6)
		r = get_ip(s, level, name, &v);
	else if (s->ops->getopt)
		r = s->ops->getopt(s, level, name, &v);
	return r < 0 ? r : put(val, len, &v, sizeof(v));
}
