/* SPDX-License-Identifier: MIT
 *
 * main.c: mayfly-usernet, the user-mode network of one VM: libslirp between the monitor's socket
 * and the host's ordinary sockets. It is a process of its own because it parses the guest's TCP/IP:
 * whoever breaks it holds a process of nobody's without privileges, not the monitor. One thread,
 * one poll loop.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "monitor/backend/usernet/args.h"
#include "monitor/backend/usernet/link.h"

#define NOBODY	  65534u
#define MAX_TIMER 4
#define BURST	  64 /* frames from the guest before the network gets its turn */

struct timer {
	bool used, armed;
	SlirpTimerId id;
	void *cb_opaque;
	int64_t expire_ms;
};

struct net {
	Slirp *slirp;
	struct link link;
	struct timer timer[MAX_TIMER];
	struct pollfd *pfd;
	unsigned npfd, maxpfd;
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* --- what libslirp asks of us --- */

static ssize_t cb_send_packet(const void *buf, size_t len, void *opaque)
{
	struct net *n = opaque;

	link_send(&n->link, buf, len);
	return (ssize_t)len;
}

static void cb_guest_error(const char *msg, void *opaque)
{
	(void)msg; /* a guest can cause these at will */
	(void)opaque;
}

static int64_t cb_clock(void *opaque)
{
	(void)opaque;
	return now_ns();
}

static void *cb_timer_new(SlirpTimerId id, void *cb_opaque, void *opaque)
{
	struct net *n = opaque;

	for (unsigned i = 0; i < MAX_TIMER; i++) {
		if (!n->timer[i].used) {
			n->timer[i] =
				(struct timer){.used = true, .id = id, .cb_opaque = cb_opaque};
			return &n->timer[i];
		}
	}
	return NULL;
}

static void cb_timer_free(void *timer, void *opaque)
{
	struct timer *t = timer;

	(void)opaque;
	if (t)
		t->used = t->armed = false;
}

static void cb_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
	struct timer *t = timer;

	(void)opaque;
	if (t) {
		t->expire_ms = expire_ms;
		t->armed = true;
	}
}

static void cb_poll_fd(int fd, void *opaque)
{
	(void)fd; /* all of them are handed in again before every poll */
	(void)opaque;
}

static void cb_notify(void *opaque)
{
	(void)opaque; /* one thread: the loop comes round by itself */
}

static const SlirpCb callbacks = {
	.send_packet = cb_send_packet,
	.guest_error = cb_guest_error,
	.clock_get_ns = cb_clock,
	.timer_free = cb_timer_free,
	.timer_mod = cb_timer_mod,
	.register_poll_fd = cb_poll_fd,
	.unregister_poll_fd = cb_poll_fd,
	.notify = cb_notify,
	.timer_new_opaque = cb_timer_new,
};

/* --- start
 * ------------------------------------------------------------------------------------------------
 */

static Slirp *start_slirp(struct net *n, const struct usernet_args *a)
{
	SlirpConfig cfg = {
		.version = 4,
		.in_enabled = true,
		.in6_enabled = true,
		.vprefix_len = 64,
		.disable_host_loopback = !a->host_loopback,
	};

	inet_pton(AF_INET, "10.0.2.0", &cfg.vnetwork);
	inet_pton(AF_INET, "255.255.255.0", &cfg.vnetmask);
	inet_pton(AF_INET, "10.0.2.2", &cfg.vhost);
	inet_pton(AF_INET, "10.0.2.3", &cfg.vnameserver);
	inet_pton(AF_INET, "10.0.2.15", &cfg.vdhcp_start);
	inet_pton(AF_INET6, "fec0::", &cfg.vprefix_addr6);
	inet_pton(AF_INET6, "fec0::2", &cfg.vhost6);
	inet_pton(AF_INET6, "fec0::3", &cfg.vnameserver6);
	return slirp_new(&cfg, &callbacks, n);
}

static int bind_ports(struct net *n, const struct usernet_args *a, char *err, size_t errlen)
{
	struct in_addr guest;

	inet_pton(AF_INET, "10.0.2.15", &guest);
	for (unsigned i = 0; i < a->nfwd; i++) {
		const struct usernet_fwd *f = &a->fwd[i];
		char host[INET_ADDRSTRLEN];
		int e;

		if (!slirp_add_hostfwd(n->slirp, f->udp, f->host, f->host_port, guest,
				       f->guest_port))
			continue;
		e = errno ? errno : EADDRINUSE;
		inet_ntop(AF_INET, &f->host, host, sizeof host);
		const char *why = e == EADDRINUSE ? "is in use" : strerror(e);
		if (a->run)
			snprintf(err, errlen, "%d --fwd: port %u on %s %s: choose another", e,
				 f->host_port, host, why);
		else
			snprintf(err, errlen,
				 "%d --net id=%s: port %u on %s %s: choose another with "
				 "fwd=PORT:%u",
				 e, a->id, f->host_port, host, why, f->guest_port);
		return -e;
	}
	return 0;
}

/* After the ports are bound nothing privileged is left to do. */
static int drop_privileges(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (geteuid() == 0 && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
			       setresuid(NOBODY, NOBODY, NOBODY)))
		return -errno;
	/* Changing the uid forgets this one. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return -errno;
	return 0;
}

static bool is_packet_socket(int fd)
{
	int type = 0;
	socklen_t len = sizeof type;

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_SEQPACKET;
}

static void report(int fd, const char *msg)
{
	if (send(fd, msg, strlen(msg), MSG_NOSIGNAL) < 0)
		fprintf(stderr, "mayfly-usernet: %s\n", msg);
}

/* --- loop
 * -------------------------------------------------------------------------------------------------
 */

static int add_poll(int fd, int events, void *opaque)
{
	struct net *n = opaque;

	if (n->npfd == n->maxpfd) {
		unsigned max = n->maxpfd ? 2 * n->maxpfd : 64;
		struct pollfd *p = realloc(n->pfd, max * sizeof *p);

		if (!p)
			return -1; /* not watched this time round */
		n->pfd = p;
		n->maxpfd = max;
	}
	n->pfd[n->npfd] =
		(struct pollfd){.fd = fd,
				.events = (short)((events & SLIRP_POLL_IN ? POLLIN : 0) |
						  (events & SLIRP_POLL_OUT ? POLLOUT : 0) |
						  (events & SLIRP_POLL_PRI ? POLLPRI : 0))};
	return (int)n->npfd++;
}

static int get_revents(int idx, void *opaque)
{
	struct net *n = opaque;
	int r, ev = 0;

	if (idx < 0 || (unsigned)idx >= n->npfd)
		return 0;
	r = n->pfd[idx].revents;
	ev |= r & POLLIN ? SLIRP_POLL_IN : 0;
	ev |= r & POLLOUT ? SLIRP_POLL_OUT : 0;
	ev |= r & POLLPRI ? SLIRP_POLL_PRI : 0;
	ev |= r & POLLERR ? SLIRP_POLL_ERR : 0;
	ev |= r & POLLHUP ? SLIRP_POLL_HUP : 0;
	return ev;
}

static void run_timers(struct net *n)
{
	int64_t now = now_ns() / 1000000;

	for (unsigned i = 0; i < MAX_TIMER; i++) {
		struct timer *t = &n->timer[i];

		if (t->used && t->armed && t->expire_ms <= now) {
			t->armed = false;
			slirp_handle_timer(n->slirp, t->id, t->cb_opaque);
		}
	}
}

static int poll_timeout(const struct net *n, uint32_t timeout)
{
	int64_t now = now_ns() / 1000000;

	for (unsigned i = 0; i < MAX_TIMER; i++) {
		const struct timer *t = &n->timer[i];

		if (t->used && t->armed && t->expire_ms - now < timeout)
			timeout = t->expire_ms > now ? (uint32_t)(t->expire_ms - now) : 0;
	}
	return timeout > INT32_MAX ? -1 : (int)timeout;
}

static void loop(struct net *n)
{
	static uint8_t frame[65536];
	size_t len;

	while (!n->link.closed) {
		uint32_t timeout = UINT32_MAX;
		bool hold = n->link.count > 0;

		n->npfd = 0;
		if (add_poll(n->link.fd, SLIRP_POLL_IN | (hold ? SLIRP_POLL_OUT : 0), n) < 0)
			return;
		if (!hold)
			slirp_pollfds_fill(n->slirp, &timeout, add_poll, n);
		int ret = poll(n->pfd, n->npfd, poll_timeout(n, timeout));

		if (ret < 0 && errno != EINTR)
			return;
		link_flush(&n->link);
		if (!hold)
			slirp_pollfds_poll(n->slirp, ret < 0, get_revents, n);
		run_timers(n);
		for (unsigned i = 0; i < BURST && (len = link_recv(&n->link, frame, sizeof frame));
		     i++)
			slirp_input(n->slirp, frame, (int)len);
	}
}

/* Our end of a new pair in *fd, in a process of its own; the caller's process waits for its word
 * and becomes the command. Returns in the former only; -errno in the latter. */
static int run_beside(const struct usernet_args *a, int *fd)
{
	char msg[320];
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		return -errno;
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close(sv[0]);
		setpgid(0, 0); /* the terminal's Ctrl-C is for the monitor */
		*fd = sv[1];
		return 0;
	}
	close(sv[1]);
	ssize_t n = recv(sv[0], msg, sizeof msg - 1, 0);
	msg[n > 0 ? n : 0] = 0;
	if (strcmp(msg, "ok") != 0) {
		fprintf(stderr, "mayfly-usernet: %s\n",
			msg[strspn(msg, "0123456789 ")] ? msg + strspn(msg, "0123456789 ")
							: "the network does not start");
		exit(2);
	}
	if ((sv[0] == a->fd ? fcntl(a->fd, F_SETFD, 0) : dup2(sv[0], a->fd)) < 0)
		return -errno;
	execvp(a->run[0], a->run);
	return -errno;
}

/* Serve until the other end is closed. Exit status. */
static int serve(const struct usernet_args *a, int fd)
{
	static struct net n;
	char err[320];

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	n.link.fd = fd;
	n.slirp = start_slirp(&n, a);
	if (!n.slirp) {
		report(fd, "12 mayfly-usernet: libslirp does not start");
		return 2;
	}
	if (bind_ports(&n, a, err, sizeof err)) {
		report(fd, err);
		return 2;
	}
	int ret = drop_privileges();
	if (ret) {
		snprintf(err, sizeof err, "%d mayfly-usernet: cannot drop privileges: %s", -ret,
			 strerror(-ret));
		report(fd, err);
		return 2;
	}
	report(fd, "ok");
	loop(&n);
	slirp_cleanup(n.slirp);
	return 0;
}

int main(int argc, char **argv)
{
	struct usernet_args a;
	char err[320];
	int ret = usernet_args_parse(&a, argc, argv, err, sizeof err);

	if (ret > 0)
		return 0;
	if (ret < 0) {
		fprintf(stderr, "%s\n", err);
		return 2;
	}
	int fd = a.fd;
	ret = a.run ? run_beside(&a, &fd) : 0;
	if (ret < 0) {
		fprintf(stderr, "mayfly-usernet: --run %s: %s\n", a.run[0], strerror(-ret));
		return 2;
	}
	if (!is_packet_socket(fd)) {
		fprintf(stderr,
			"mayfly-usernet: descriptor %d is no SOCK_SEQPACKET socket: mayfly-monitor "
			"--net "
			"id=eth0,user starts this program\n",
			fd);
		return 2;
	}
	return serve(&a, fd);
}
