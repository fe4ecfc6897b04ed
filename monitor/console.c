/* SPDX-License-Identifier: MIT
 *
 * console.c: see console.h. Ring indices come from the guest: each is read once and judged.
 */
#include "monitor/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"

#define CONSOLE_BURST	 (UINT64_C(1) << 20)
#define CONSOLE_RATE	 (UINT64_C(256) << 10) /* bytes a second */
#define CONSOLE_RING_MAX 65536u
#define CONSOLE_STALL_MS 100 /* how long one drain may wait for a slow reader */

int console_open(struct console *con, const char *path)
{
	*con = (struct console){.fd = STDOUT_FILENO, .tokens = CONSOLE_BURST};
	if (!strcmp(path, "-"))
		return 0;
	con->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return con->fd < 0 ? -errno : 0;
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

/* Bytes taken by the reader; short when he is gone or stalls. */
static size_t write_some(int fd, const uint8_t *p, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, p + done, len - done);

		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd pfd = {.fd = fd, .events = POLLOUT};

			if (poll(&pfd, 1, CONSOLE_STALL_MS) == 1 && (pfd.revents & POLLOUT))
				continue;
		}
		break;
	}
	return done;
}

static void emit(struct console *con, const uint8_t *p, uint32_t len)
{
	uint32_t allowed = len < con->tokens ? len : (uint32_t)con->tokens;
	size_t done = allowed ? write_some(con->fd, p, allowed) : 0;

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
