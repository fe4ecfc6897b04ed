/* SPDX-License-Identifier: MIT
 *
 * hwctl.c: the command channel of the kvm_amd lane, both ends in one program. In the nested machine
 * `hwctl init` is PID 1 and keeps one agent per virtio-serial port; on the host `hwctl exec` sends
 * a command line to a free port, copies its output and returns its status. Test equipment: both
 * ends trust each other. A client that goes away takes its command with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define MAGIC	  "MFLYREQ1"
#define NONCE	  16u
#define CMD_MAX	  65536u
#define CHUNK	  16384u
#define MAX_PORTS 16

/* Request: this header, then len bytes of shell command. Answer: the nonce, then frames. */
struct request {
	char magic[8];
	uint8_t nonce[NONCE];
	uint32_t len;
};

/* Frame: 'o' standard output, 'e' standard error, 'x' wait status in len (no payload). */
struct frame {
	uint8_t type;
	uint8_t pad[3];
	uint32_t len;
};

static volatile sig_atomic_t got_signal;

static void on_signal(int sig)
{
	got_signal = sig;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

__attribute__((format(printf, 1, 2))) static int fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("hwctl: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return 125;
}

/* --- guest end -----------------------------------------------------------------------------------
 */

/* One command of one client. pgid 0 = none runs. */
struct agent {
	int port;
	int out, err; /* read ends, -1 = at end of file */
	pid_t pgid;
	struct request req;
	size_t have; /* bytes of req and cmd read so far */
	char cmd[CMD_MAX + 1];
};

/* Sends all of it, or returns -EPIPE when the client is gone. */
static int port_send(int port, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		struct pollfd pfd = {.fd = port, .events = POLLOUT};
		ssize_t n = write(port, p, len);

		if (n > 0) {
			p += n;
			len -= (size_t)n;
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -EPIPE;
		poll(&pfd, 1, -1);
		if (pfd.revents & POLLHUP)
			return -EPIPE;
	}
	return 0;
}

static int send_frame(int port, uint8_t type, const void *data, uint32_t len)
{
	struct frame f = {.type = type, .len = len};
	int r = port_send(port, &f, sizeof(f));

	return r || !data ? r : port_send(port, data, len);
}

static void agent_drop(struct agent *a)
{
	if (a->pgid) {
		kill(a->pgid, SIGKILL); /* it may not have its session yet */
		kill(-a->pgid, SIGKILL);
		waitpid(a->pgid, NULL, 0);
	}
	if (a->out >= 0)
		close(a->out);
	if (a->err >= 0)
		close(a->err);
	a->pgid = 0;
	a->out = a->err = -1;
	a->have = 0;
}

static void agent_spawn(struct agent *a)
{
	int out[2], err[2];

	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
		agent_drop(a);
		return;
	}
	a->pgid = fork();
	if (a->pgid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setsid();
		dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		execl("/bin/sh", "sh", "-c", a->cmd, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	a->out = out[0];
	a->err = err[0];
}

/* Reads what the port has; starts the command once it is complete. A byte that arrives while a
 * command runs comes from a new client: the old one's command is killed. */
static int agent_receive(struct agent *a)
{
	size_t hdr = sizeof(a->req), want;
	char *dst;
	ssize_t n;

	if (a->pgid)
		agent_drop(a);
	want = a->have < hdr ? hdr - a->have : hdr + a->req.len - a->have;
	dst = a->have < hdr ? (char *)&a->req + a->have : a->cmd + (a->have - hdr);
	n = read(a->port, dst, want);
	if (n <= 0)
		return n == 0 || (errno != EAGAIN && errno != EINTR) ? -EPIPE : 0;
	a->have += (size_t)n;
	/* Left-overs of a client that died in mid-request: skip to the next magic. */
	while (a->have && memcmp(&a->req, MAGIC, a->have < 8 ? a->have : 8) != 0)
		memmove(&a->req, (char *)&a->req + 1, --a->have);
	if (a->have < hdr)
		return 0;
	if (a->req.len > CMD_MAX)
		return -EPIPE;
	if (a->have < hdr + a->req.len)
		return 0;
	a->cmd[a->req.len] = 0;
	if (port_send(a->port, a->req.nonce, NONCE))
		return -EPIPE;
	agent_spawn(a);
	return 0;
}

static int agent_forward(struct agent *a, int *fd, uint8_t type)
{
	static char buf[CHUNK];
	ssize_t n = read(*fd, buf, sizeof(buf));

	if (n > 0)
		return send_frame(a->port, type, buf, (uint32_t)n);
	close(*fd);
	*fd = -1;
	return 0;
}

static int agent_finish(struct agent *a)
{
	int status = 0, r;

	if (waitpid(a->pgid, &status, 0) < 0)
		status = 127 << 8;
	kill(-a->pgid, SIGKILL); /* what it left in the background */
	a->pgid = 0;
	r = send_frame(a->port, 'x', NULL, (uint32_t)status);
	agent_drop(a);
	return r;
}

static int agent_step(struct agent *a)
{
	struct pollfd p[3] = {{.fd = a->port, .events = POLLIN},
			      {.fd = a->out, .events = POLLIN},
			      {.fd = a->err, .events = POLLIN}};
	int r = 0;

	if (poll(p, 3, -1) < 0)
		return 0;
	if (p[0].revents & POLLHUP)
		return -EPIPE;
	if (p[0].revents & POLLIN)
		return agent_receive(a);
	if (p[1].revents)
		r = agent_forward(a, &a->out, 'o');
	if (!r && p[2].revents)
		r = agent_forward(a, &a->err, 'e');
	if (!r && a->pgid && a->out < 0 && a->err < 0)
		r = agent_finish(a);
	return r;
}

/* The first part of the name depends on the bus; the host announces its ports one by one after the
 * driver has come up. */
static int port_open(int nr)
{
	const struct timespec again = {.tv_nsec = 20000000};
	char pattern[32];
	glob_t g;
	int fd;

	snprintf(pattern, sizeof(pattern), "/dev/vport*p%d", nr);
	while (glob(pattern, 0, NULL, &g))
		nanosleep(&again, NULL);
	fd = open(g.gl_pathv[0], O_RDWR | O_NONBLOCK | O_CLOEXEC);
	globfree(&g);
	return fd;
}

/* The driver raises SIGIO when a client comes or goes. */
static int agent(int nr)
{
	static struct agent a = {.out = -1, .err = -1};
	const struct timespec again = {.tv_nsec = 50000000};
	sigset_t io;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	a.port = port_open(nr);
	if (a.port < 0)
		return fail("port %d: %s", nr, strerror(errno));
	sigemptyset(&io);
	sigaddset(&io, SIGIO);
	sigprocmask(SIG_BLOCK, &io, NULL);
	fcntl(a.port, F_SETOWN, getpid());
	fcntl(a.port, F_SETFL, O_RDWR | O_NONBLOCK | O_ASYNC);
	for (;;) {
		if (agent_step(&a) == 0)
			continue;
		agent_drop(&a);
		sigtimedwait(&io, NULL, &again);
	}
}

static int agent_init(int nports)
{
	for (int i = 1; i <= nports; i++) {
		if (fork() == 0)
			_exit(agent(i));
	}
	for (;;)
		if (wait(NULL) < 0)
			pause();
}

/* --- host end ------------------------------------------------------------------------------------
 */

/* Takes the first port that nobody uses; the lock lives as long as the process. */
static int client_connect(const char *dir)
{
	char path[100];

	for (int i = 1; i <= MAX_PORTS; i++) {
		struct sockaddr_un sa = {.sun_family = AF_UNIX};
		int lock, s;

		snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/port%d", dir, i);
		if (access(sa.sun_path, F_OK))
			break;
		snprintf(path, sizeof(path), "%s/lock%d", dir, i);
		lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
		if (lock < 0)
			return -errno;
		if (flock(lock, LOCK_EX | LOCK_NB)) {
			close(lock);
			continue;
		}
		s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (s < 0 || connect(s, (struct sockaddr *)&sa, sizeof(sa)))
			return -errno;
		return s;
	}
	return -EBUSY;
}

/* Reads exactly len bytes, or returns -EPIPE (machine gone), -EINTR (signal) or -ETIME. */
static int client_read(int s, void *buf, size_t len, int64_t deadline)
{
	char *p = buf;

	while (len) {
		struct pollfd pfd = {.fd = s, .events = POLLIN};
		int64_t left = (deadline - now_ns()) / 1000000;
		int r = got_signal ? -1 : left > 0 ? poll(&pfd, 1, (int)left) : 0;
		ssize_t n;

		if (r <= 0)
			return r < 0 ? -EINTR : -ETIME;
		n = read(s, p, len);
		if (n <= 0)
			return -EPIPE;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Discards what an earlier client left unread, up to our nonce. */
static int client_sync(int s, const uint8_t *nonce, int64_t deadline)
{
	uint8_t win[NONCE];
	int r = client_read(s, win, NONCE, deadline);

	while (!r && memcmp(win, nonce, NONCE) != 0) {
		memmove(win, win + 1, NONCE - 1);
		r = client_read(s, win + NONCE - 1, 1, deadline);
	}
	return r;
}

static int client_copy(int s, int64_t deadline)
{
	static char buf[CHUNK];
	struct frame f;
	int r;

	for (;;) {
		r = client_read(s, &f, sizeof(f), deadline);
		if (r)
			return r;
		if (f.type == 'x')
			return WIFEXITED(f.len) ? WEXITSTATUS(f.len) : 128 + WTERMSIG(f.len);
		if (f.len > sizeof(buf))
			return -EPIPE;
		r = client_read(s, buf, f.len, deadline);
		if (r)
			return r;
		for (size_t off = 0; off < f.len;) {
			ssize_t n = write(f.type == 'o' ? 1 : 2, buf + off, f.len - off);

			if (n < 0)
				return -EINTR;
			off += (size_t)n;
		}
	}
}

static int client(const char *dir, int seconds, const char *cmd)
{
	struct request req = {.magic = MAGIC, .len = (uint32_t)strlen(cmd)};
	struct sigaction sa = {.sa_handler = on_signal};
	int64_t deadline = now_ns() + seconds * 1000000000LL;
	int s, r;

	if (strlen(cmd) > CMD_MAX)
		return fail("the command is longer than %u bytes", CMD_MAX);
	s = client_connect(dir);
	if (s < 0)
		return fail("no free port in %s: %s (is the machine running?)", dir, strerror(-s));
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (getrandom(req.nonce, NONCE, 0) != NONCE)
		return fail("getrandom: %s", strerror(errno));
	if (write(s, &req, sizeof(req)) != sizeof(req) ||
	    write(s, cmd, req.len) != (ssize_t)req.len)
		return fail("the machine does not take the command");
	r = client_sync(s, req.nonce, deadline);
	if (!r)
		r = client_copy(s, deadline);
	if (r == -ETIME) {
		fail("no end after %d s: killed", seconds);
		return 124;
	}
	if (r == -EINTR)
		return 128 + (got_signal ? got_signal : SIGPIPE);
	return r == -EPIPE ? fail("the machine is gone: see %s/console.log", dir) : r;
}

/* The nested kernel calibrates its TSC against an emulated PIT; the host's exact figure is better.
 */
static int tsc_khz(void)
{
	const struct timespec span = {.tv_nsec = 200000000};
	int64_t t0 = now_ns(), t1;
	uint64_t c0 = __rdtsc(), c1;

	nanosleep(&span, NULL);
	t1 = now_ns();
	c1 = __rdtsc();
	printf("%lld\n", (long long)((double)(c1 - c0) * 1e6 / (double)(t1 - t0) + 0.5));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "init"))
		return agent_init((int)strtol(argv[2], NULL, 10));
	if (argc == 5 && !strcmp(argv[1], "exec"))
		return client(argv[2], (int)strtol(argv[3], NULL, 10), argv[4]);
	if (argc == 2 && !strcmp(argv[1], "tsc-khz"))
		return tsc_khz();
	fputs("usage: hwctl exec DIR SECONDS COMMAND | tsc-khz | init PORTS\n", stderr);
	return 125;
}
