/* SPDX-License-Identifier: MIT
 *
 * pool.c: see pool.h. The pool passes on one message to a monitor and one or two back; it reads
 * neither, so that neither a client nor a monitor that a guest has taken over finds a parser of
 * root's here. New jails are made when no client waits for an answer.
 */
#include "jailer/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jailer/path.h"
#include "jailer/plan.h"
#include "jailer/record.h"
#include "jailer/sys.h"
#include "lib/log.h"

#define MESSAGE_MAX (64u << 10)
#define FDS_MAX	    16
#define CLIENTS	    64	 /* without a jail; more wait in the socket's queue */
#define QUIET_MS    2	 /* without a new client, before a jail is made */
#define BACKOFF_MS  1000 /* after one that could not be made */

/* A slot is FREE when its jailer has ended and its client, if any, was told. */
enum state { FREE, MAKING, READY, ASKED, RUNNING };

struct slot {
	enum state state;
	pid_t pid;  /* its jailer */
	int sock;   /* of its monitor; -1 once that has told how its VM's start went */
	int client; /* who waits for its end, or -1 */
};

struct pool {
	const struct jail_opts *opts;
	int (*start)(const struct jail_opts *opts);
	struct slot slot[POOL_SLOTS];
	int listen_fd, signal_fd, dir_fd, record_fd;
	int client[CLIENTS];	    /* that have not said anything yet; -1: none */
	char name[JAIL_ID_MAX + 8]; /* of the socket, in dir_fd */
	sigset_t mask;
	bool failed; /* the last jail could not be made */
	bool ending;
};

static char message[MESSAGE_MAX];

/* --- messages --- */

struct parcel {
	struct iovec iov;
	struct msghdr msg;
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
};

static void close_fds(struct parcel *p)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(&p->msg);
	int fd;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof fd; i++) {
		memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
		close(fd);
	}
}

/* Length, 0 at the end, -errno; -EMSGSIZE: more than a message may have. */
static ssize_t receive(int fd, struct parcel *p)
{
	*p = (struct parcel){.iov = {.iov_base = message, .iov_len = sizeof message}};
	p->msg = (struct msghdr){.msg_iov = &p->iov,
				 .msg_iovlen = 1,
				 .msg_control = &p->control,
				 .msg_controllen = sizeof p->control};
	ssize_t n = recvmsg(fd, &p->msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -errno;
	if (p->msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		close_fds(p);
		return -EMSGSIZE;
	}
	p->iov.iov_len = (size_t)n;
	return n;
}

static void tell(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return; /* it does not listen */
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* --- jails --- */

static unsigned count(const struct pool *pool, enum state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < POOL_SLOTS; i++)
		n += pool->slot[i].state == state;
	return n;
}

static struct slot *find(struct pool *pool, enum state state)
{
	for (unsigned i = 0; i < POOL_SLOTS; i++)
		if (pool->slot[i].state == state)
			return &pool->slot[i];
	return NULL;
}

/* In the new process: the options of one jail, and only its descriptors. */
static int be_jailer(const struct pool *pool, unsigned k, int sock)
{
	static struct jail_opts opts;
	static char id[JAIL_ID_MAX + 1], name[] = "standby", number[] = "3", option[] = "--standby";
	static char *args[JAIL_ARGS + 1];

	opts = *pool->opts;
	snprintf(id, sizeof id, "%s-%u", pool->opts->id, k);
	opts.id = id;
	opts.uid += k;
	opts.gid += k;
	opts.fds[opts.nfds++] = (struct fd_opt){.name = name, .fd = POOL_FD};
	for (int i = 0; i < opts.nextra; i++)
		args[i] = opts.extra[i];
	args[opts.nextra++] = option;
	args[opts.nextra++] = number;
	opts.extra = args;
	sigprocmask(SIG_SETMASK, &pool->mask, NULL);
	if (dup2(sock, POOL_FD) < 0 || syscall(SYS_close_range, POOL_FD + 1, ~0u, 0) < 0)
		return 2;
	log_init("mayfly-jailer", id);
	return pool->start(&opts);
}

static void make_one(struct pool *pool)
{
	struct slot *s = find(pool, FREE);
	int pair[2];

	pool->failed = true;
	if (!s || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	pid_t pid = fork();
	if (pid == 0)
		_exit(be_jailer(pool, (unsigned)(s - pool->slot), pair[1]));
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return;
	}
	pool->failed = false;
	*s = (struct slot){.state = MAKING, .pid = pid, .sock = pair[0], .client = -1};
}

/* What a monitor says: "ready"; later "ok" or an error, for its client. Its end is told by its
 * jailer's. */
static void on_monitor(struct pool *pool, struct slot *s)
{
	struct parcel p;
	ssize_t n = receive(s->sock, &p);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n > 0)
		close_fds(&p); /* none is expected, but it may be anybody by now */
	if (s->state == MAKING && n == 5 && memcmp(message, "ready", 5) == 0) {
		s->state = READY;
		return;
	}
	if (s->state == ASKED && n > 0) {
		s->state = RUNNING;
		if (send(s->client, message, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			close_fd(&s->client);
	}
	if (s->state == READY)
		s->state = RUNNING; /* on its way out: it has not been asked anything */
	if (s->state == MAKING && n > 0)
		log_warn("%s-%u: %.*s", pool->opts->id, (unsigned)(s - pool->slot), (int)n,
			 message);
	close_fd(&s->sock);
}

/* A client's configuration goes to a jail that waits. */
static void on_client(struct pool *pool, int *client)
{
	struct slot *s = find(pool, READY);
	struct parcel p;

	if (!s)
		return; /* another client was faster: the next one is being made */
	ssize_t n = receive(*client, &p);
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0) {
		if (n < 0)
			tell(*client, "error the message is too long or has too many descriptors");
		close_fd(client);
		return;
	}
	p.msg.msg_flags = 0;
	if (p.msg.msg_controllen == 0)
		p.msg.msg_control = NULL;
	if (sendmsg(s->sock, &p.msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		tell(*client, "error the waiting monitor is gone");
		close_fd(client);
	} else {
		s->client = *client;
		s->state = ASKED;
		*client = -1;
	}
	close_fds(&p);
}

static void on_end(struct pool *pool, pid_t pid, int status)
{
	char text[24];

	for (unsigned i = 0; i < POOL_SLOTS; i++) {
		struct slot *s = &pool->slot[i];

		if (s->state == FREE || s->pid != pid)
			continue;
		if (s->state == MAKING)
			pool->failed = true;
		if (s->state == ASKED && s->sock >= 0)
			on_monitor(pool, s); /* its last words */
		snprintf(text, sizeof text, "exit %d",
			 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		if (s->client >= 0)
			tell(s->client, text);
		close_fd(&s->client);
		close_fd(&s->sock);
		s->state = FREE;
	}
}

static void on_signal(struct pool *pool)
{
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	while (read(pool->signal_fd, &si, sizeof si) == sizeof si)
		pool->ending |= si.ssi_signo != SIGCHLD;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		on_end(pool, pid, status);
}

/* --- the loop --- */

#define WATCHED (2 + POOL_SLOTS + CLIENTS)

struct watch {
	struct pollfd pfd[WATCHED];
	struct slot *slot[WATCHED];
	int *client[WATCHED];
	unsigned n;
};

static void watch(struct watch *w, int fd, struct slot *s, int *client)
{
	w->pfd[w->n] = (struct pollfd){.fd = fd, .events = POLLIN};
	w->client[w->n] = client;
	w->slot[w->n++] = s;
}

static void watch_all(struct watch *w, struct pool *pool)
{
	bool ready = find(pool, READY) != NULL, full = true;

	w->n = 0;
	watch(w, pool->signal_fd, NULL, NULL);
	for (unsigned i = 0; i < CLIENTS; i++) {
		full &= pool->client[i] >= 0;
		if (pool->client[i] >= 0 && ready)
			watch(w, pool->client[i], NULL, &pool->client[i]);
	}
	if (!full)
		watch(w, pool->listen_fd, NULL, NULL);
	for (unsigned i = 0; i < POOL_SLOTS; i++)
		if (pool->slot[i].state != FREE && pool->slot[i].sock >= 0)
			watch(w, pool->slot[i].sock, &pool->slot[i], NULL);
}

static bool anybody_waits(const struct pool *pool)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (pool->client[i] >= 0)
			return true;
	return false;
}

/* How long to wait for events: until a jail may be made, or for ever. */
static int patience(struct pool *pool)
{
	unsigned have = count(pool, READY) + count(pool, MAKING);

	if (have >= pool->opts->pool || !find(pool, FREE))
		return -1;
	return pool->failed ? BACKOFF_MS : anybody_waits(pool) && !have ? 0 : QUIET_MS;
}

static void accept_one(struct pool *pool)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (pool->client[i] < 0) {
			pool->client[i] = accept4(pool->listen_fd, NULL, NULL, SOCK_CLOEXEC);
			return;
		}
}

static void loop(struct pool *pool)
{
	static struct watch w;

	while (!pool->ending) {
		watch_all(&w, pool);
		int n = poll(w.pfd, w.n, patience(pool));
		if (n == 0)
			make_one(pool);
		for (unsigned i = 0; n > 0 && i < w.n; i++) {
			if (!w.pfd[i].revents)
				continue;
			if (w.slot[i])
				on_monitor(pool, w.slot[i]);
			else if (w.client[i])
				on_client(pool, w.client[i]);
			else if (w.pfd[i].fd == pool->signal_fd)
				on_signal(pool);
			else
				accept_one(pool);
		}
	}
}

/* Those that wait see the end of their sockets; their jailers clean up. VMs that run have theirs.
 */
static void end_waiting(struct pool *pool)
{
	for (unsigned i = 0; i < POOL_SLOTS; i++) {
		struct slot *s = &pool->slot[i];

		if (s->state != MAKING && s->state != READY)
			continue;
		close_fd(&s->sock);
		kill(s->pid, SIGTERM);
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
}

/* --- the socket --- */

static int open_dir(const struct jail_opts *o, uid_t euid)
{
	char base[256];
	size_t bad;

	plan_base(base, sizeof base, o, euid);
	int dir = path_open_own_dir(base, euid, 0700, &bad);
	if (dir < 0)
		return dir;
	int sub = path_open_subdir(dir, strrchr(o->exec_file, '/') + 1, euid, 0700);
	close(dir);
	return sub;
}

/* Bound by a name in a directory that only we can write, reached through its descriptor, so that no
 * path is too long; it gets its own name when somebody listens. */
static int listen_at(const struct pool *pool, const char *name)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char early[sizeof pool->name + 1];

	snprintf(early, sizeof early, ".%s", name);
	snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d/%s", pool->dir_fd, early);
	unlinkat(pool->dir_fd, early, 0);
	mode_t old = umask(0177);
	int r = bind(pool->listen_fd, (struct sockaddr *)&sa, sizeof sa) < 0 ||
				listen(pool->listen_fd, POOL_SLOTS) < 0 ||
				renameat(pool->dir_fd, early, pool->dir_fd, name) < 0
			? -errno
			: 0;
	umask(old);
	return r;
}

/* The id is the pool's as long as its record is locked; a socket of that name is a dead one's. */
static int open_socket(struct pool *pool, uid_t euid, const char **ret_what)
{
	pool->dir_fd = open_dir(pool->opts, euid);
	if (pool->dir_fd < 0)
		return pool->dir_fd;
	pool->record_fd = record_open(pool->dir_fd, pool->opts->id, ret_what);
	if (pool->record_fd < 0)
		return pool->record_fd;
	snprintf(pool->name, sizeof pool->name, "%s.sock", pool->opts->id);
	*ret_what = pool->name;
	pool->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return pool->listen_fd < 0 ? -errno : listen_at(pool, pool->name);
}

static int open_signals(struct pool *pool)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, &pool->mask) < 0)
		return -errno;
	pool->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return pool->signal_fd < 0 ? -errno : 0;
}

int pool_serve(const struct jail_opts *opts, const struct jail_host *host,
	       int (*start)(const struct jail_opts *opts))
{
	static struct pool pool;

	const char *what = NULL;

	pool = (struct pool){.opts = opts,
			     .start = start,
			     .listen_fd = -1,
			     .signal_fd = -1,
			     .dir_fd = -1,
			     .record_fd = -1};
	for (unsigned i = 0; i < CLIENTS; i++)
		pool.client[i] = -1;
	int r = open_socket(&pool, host->euid, &what);
	if (r < 0)
		log_err("pool: %s: %s", what ? what : "directory", strerror(-r));
	if (r < 0 && pool.record_fd >= 0)
		record_unlink(pool.dir_fd, opts->id);
	if (r < 0)
		return 2;
	r = open_signals(&pool);
	if (r == 0) {
		loop(&pool);
		end_waiting(&pool);
	}
	record_unlink(pool.dir_fd, opts->id);
	if (r < 0)
		log_err("pool: signals: %s", strerror(-r));
	return r < 0 ? 2 : 0;
}
