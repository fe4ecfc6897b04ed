/* SPDX-License-Identifier: MIT
 *
 * server.c: see server.h. The thread owns everything in struct server but `stop`. All signals are
 * blocked in it: the vCPU thread takes them.
 */
#include "monitor/api/server.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/semwait.h"
#include "lib/vec.h"
#include "monitor/api/client.h"
#include "monitor/api/events.h"

#define CLIENTS	   16
#define TIMEOUT_MS 10000
#define MARKS_MS   50 /* how often to look whether the guest is ready, while somebody listens */

struct server {
	struct server_config cfg;
	struct api api;
	struct events *events;
	int listen_fd, wake_fd;
	bool bound, running, stop;
	sem_t ended;
	pthread_t thread;
	uint64_t timeout;
	struct client client[CLIENTS];
};

/* A free place; when there is none, that of whoever has been silent longest. Events are asked for
 * once and awaited in silence: those are spared. */
static struct client *place(struct server *s)
{
	struct client *oldest = NULL;

	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *c = &s->client[i];

		if (c->fd < 0)
			return c;
		if (!c->stream && (!oldest || c->used < oldest->used))
			oldest = c;
	}
	if (!oldest)
		oldest = &s->client[0];
	client_close(oldest);
	return oldest;
}

static void take_clients(struct server *s)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		if (client_open(place(s), fd, clock_mono_ns()))
			log_warn("API: a client was sent away: no memory");
	}
}

struct poll_set {
	struct pollfd pfd[CLIENTS + 2];
	struct client *client[CLIENTS];
	unsigned n;
};

/* [0] wake, [1] listener, then clients. The timeout in ms, -1 = none. */
static int collect(struct server *s, struct poll_set *set)
{
	uint64_t first = UINT64_MAX, now = clock_mono_ns();
	bool streams = false;

	set->pfd[0] = (struct pollfd){.fd = s->wake_fd, .events = POLLIN};
	set->pfd[1] = (struct pollfd){.fd = s->listen_fd, .events = POLLIN};
	set->n = 0;
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *c = &s->client[i];

		if (c->fd < 0)
			continue;
		set->client[set->n] = c;
		set->pfd[2 + set->n++] = (struct pollfd){.fd = c->fd, .events = client_wants(c)};
		if (c->deadline && c->deadline < first)
			first = c->deadline;
		streams |= c->stream;
	}
	if (streams && s->cfg.vmm->watch(s->cfg.ctx) && first > now + MARKS_MS * 1000000)
		first = now + MARKS_MS * 1000000;
	if (first == UINT64_MAX)
		return -1;
	return first <= now ? 0 : (int)((first - now) / 1000000 + 1);
}

static void serve(struct server *s, const struct poll_set *set)
{
	for (unsigned i = 0; i < set->n; i++) {
		struct client *c = set->client[i];
		short revents = set->pfd[2 + i].revents;
		uint64_t now = clock_mono_ns();
		bool ok = true;

		if (c->fd != set->pfd[2 + i].fd)
			continue;
		if (revents || c->stream)
			ok = client_serve(c, &s->api, revents, now, s->timeout);
		if (ok && c->deadline && c->deadline <= now)
			ok = client_expired(c, &s->api, now);
		if (!ok)
			client_close(c);
	}
}

/* No client finds us any more. */
static void close_all(struct server *s)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (s->client[i].fd >= 0)
			client_close(&s->client[i]);
	if (s->bound)
		unlink(s->cfg.path);
	s->bound = false;
}

static void *server_main(void *arg)
{
	struct server *s = arg;
	struct poll_set set;
	uint64_t n;

	s->cfg.vmm->confine(s->cfg.ctx);
	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		int timeout = collect(s, &set);

		if (poll(set.pfd, set.n + 2, timeout) < 0)
			continue;
		if (set.pfd[0].revents && read(s->wake_fd, &n, sizeof n) < 0)
			continue;
		serve(s, &set);
		if (set.pfd[1].revents)
			take_clients(s);
	}
	/* The exit event is the last that anybody hears. */
	collect(s, &set);
	for (unsigned i = 0; i < set.n + 2; i++)
		set.pfd[i].revents = 0;
	serve(s, &set);
	close_all(s);
	sem_post(&s->ended);
	return NULL;
}

/* --- making and unmaking --- */

static int fail(char *err, size_t errlen, const char *path, const char *what, int e)
{
	snprintf(err, errlen, "--api-sock %s: %s: %s%s", path, what, strerror(e),
		 e == EADDRINUSE ? "; another monitor has it, or it was left behind: remove it"
				 : "");
	return -e;
}

static int listen_at(struct server *s, char *err, size_t errlen)
{
	const char *path = s->cfg.path;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof sun.sun_path)
		return fail(err, errlen, path, "cannot listen", ENAMETOOLONG);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The file gets the mode of the socket: there is no moment at which others may connect. */
	if (s->listen_fd < 0 || fchmod(s->listen_fd, 0600))
		return fail(err, errlen, path, "socket", errno);
	if (bind(s->listen_fd, (struct sockaddr *)&sun, sizeof sun))
		return fail(err, errlen, path, "cannot listen", errno);
	s->bound = true;
	if (listen(s->listen_fd, 64))
		return fail(err, errlen, path, "cannot listen", errno);
	return 0;
}

static int start_thread(struct server *s, char *err, size_t errlen)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	int r = pthread_create(&s->thread, NULL, server_main, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return fail(err, errlen, s->cfg.path, "no thread", r);
	s->running = true;
	return 0;
}

int server_start(struct server **ret, const struct server_config *cfg, struct events **ret_events,
		 char *err, size_t errlen)
{
	struct server *s = calloc(1, sizeof *s);

	if (!s)
		return fail(err, errlen, cfg->path, "no server", ENOMEM);
	s->cfg = *cfg;
	s->listen_fd = -1;
	sem_init(&s->ended, 0, 0);
	s->timeout = UINT64_C(1000000) * (cfg->timeout_ms ? cfg->timeout_ms : TIMEOUT_MS);
	for (unsigned i = 0; i < CLIENTS; i++)
		s->client[i].fd = -1;
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->events = s->wake_fd < 0 ? NULL : events_create(s->wake_fd);
	int r = s->events ? 0 : fail(err, errlen, cfg->path, "no events", ENOMEM);
	if (!r && api_init(&s->api, cfg->vmm, cfg->ctx, cfg->id, s->events))
		r = fail(err, errlen, cfg->path, "no API", ENOMEM);
	r = r ? r : listen_at(s, err, errlen);
	if (!r) {
		events_add(s->events, "created", 0);
		*ret_events = s->events; /* the thread may need them at once */
		r = start_thread(s, err, errlen);
	}
	if (r) {
		*ret_events = NULL;
		server_stop(s, false);
		return r;
	}
	*ret = s;
	return 0;
}

void server_stop(struct server *s, bool leave)
{
	uint64_t one = 1;

	if (!s)
		return;
	__atomic_store_n(&s->stop, true, __ATOMIC_RELEASE);
	if (s->running && vec_put(s->wake_fd, &one, sizeof one) >= 0) {
		sem_take(&s->ended);
		if (leave)
			return;
		pthread_join(s->thread, NULL);
	}
	close_all(s);
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	api_fini(&s->api);
	events_destroy(s->events);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	free(s);
}
