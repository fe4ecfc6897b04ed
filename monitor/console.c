/* SPDX-License-Identifier: MIT
 *
 * console.c: see console.h. Ring indices come from the guest: each is read once and judged.
 */
#include "monitor/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/handed.h"
#include "lib/log.h"
#include "lib/vec.h"
#include "monitor/api/events.h"

#define CONSOLE_BURST	 (UINT64_C(1) << 20)
#define CONSOLE_RATE	 (UINT64_C(256) << 10) /* bytes a second */
#define CONSOLE_RING_MAX 65536u
#define CONSOLE_STALL_NS 100000000 /* how long one drain may wait for a slow reader */

int console_open(struct console *con, const char *path)
{
	struct stat st;

	*con = (struct console){.fd = STDOUT_FILENO, .tokens = CONSOLE_BURST};
	if (strcmp(path, "-") != 0)
		con->fd = handed_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (con->fd < 0)
		return -errno;
	con->may_block = fstat(con->fd, &st) || !S_ISREG(st.st_mode);
	return 0;
}

void console_close(struct console *con)
{
	if (con->fd > STDERR_FILENO)
		close(con->fd);
	con->fd = -1;
}

static void refill(struct console *con)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	uint64_t now = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	if (con->refilled && now > con->refilled) {
		uint64_t ms = (now - con->refilled) / 1000000;

		if (!ms)
			return;
		con->tokens += ms < 10000 ? ms * CONSOLE_RATE / 1000 : CONSOLE_BURST;
		if (con->tokens > CONSOLE_BURST)
			con->tokens = CONSOLE_BURST;
	}
	con->refilled = now;
}

/* A pipe or terminal that says POLLOUT takes this much without blocking (pipe(7), PIPE_BUF). */
#define CONSOLE_CHUNK 4096

/* Is there room? Waits for a slow reader once, and not again until he has moved. */
static bool writable(struct console *con)
{
	struct pollfd pfd = {.fd = con->fd, .events = POLLOUT};
	struct timespec wait = {.tv_nsec = con->stalled ? 0 : CONSOLE_STALL_NS};

	if (!con->may_block)
		return true;
	if (ppoll(&pfd, 1, &wait, NULL) == 1 && (pfd.revents & POLLOUT)) {
		con->stalled = false;
		return true;
	}
	con->stalled = true;
	return false;
}

/* Bytes taken by the reader; short when he is gone or stalls. */
static size_t write_some(struct console *con, const uint8_t *p, size_t len)
{
	size_t done = 0;

	while (done < len && writable(con)) {
		size_t chunk = len - done < CONSOLE_CHUNK ? len - done : CONSOLE_CHUNK;
		ssize_t n = vec_put(con->fd, p + done, chunk);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EINTR && errno != EAGAIN)
			break;
	}
	return done;
}

static void emit(struct console *con, const uint8_t *p, uint32_t len)
{
	uint32_t allowed = len < con->tokens ? len : (uint32_t)con->tokens;
	size_t done = allowed ? write_some(con, p, allowed) : 0;

	events_console(con->events, p, allowed);

	con->tokens -= allowed;
	con->bytes += done;
	con->dropped += len - done;
	if (done < len && !con->told) {
		con->told = 1;
		log_warn("the guest writes faster than its console is read or allowed (256 KiB/s): "
			 "output is being dropped");
	}
}

void console_drain(struct console *con, const struct gmem *gm, struct uk_shared *sh)
{
	gpa_t gpa = __atomic_load_n(&sh->cons_gpa, __ATOMIC_RELAXED);
	uint32_t size = __atomic_load_n(&sh->cons_size, __ATOMIC_RELAXED);
	uint32_t tail = __atomic_load_n(&sh->cons_tail, __ATOMIC_RELAXED);
	uint32_t head = __atomic_load_n(&sh->cons_head, __ATOMIC_ACQUIRE);

	if (head == tail || !size || size > CONSOLE_RING_MAX || (size & (size - 1)))
		return;
	const uint8_t *ring = gmem_ptr(gm, gpa, size);
	if (!ring)
		return;
	if (head - tail > size) /* the guest overran itself: the newest bytes are there */
		tail = head - size;
	refill(con);
	uint32_t at = tail & (size - 1), n = head - tail;
	uint32_t first = n < size - at ? n : size - at;
	emit(con, ring + at, first);
	if (n > first)
		emit(con, ring, n - first);
	__atomic_store_n(&sh->cons_tail, head, __ATOMIC_RELEASE);
}
