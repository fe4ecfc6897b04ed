/* SPDX-License-Identifier: MIT
 *
 * limits: how fast a rate-limited device goes, by this guest's own clock, as a ratio to what it was
 * limited to. The machine may be late for a while: what counts is that the ratio gets within 5 % of
 * 1 and does not pass that.
 *
 *   limits disk BYTES_PER_S BUCKET    reads and writes of 4 KiB, one at a time
 *   limits spin BYTES_PER_S BUCKET    16 reads at a time, collected by polling without ever
 * sleeping limits rx FRAMES_PER_S BUCKET     datagrams to port 9 that somebody floods us with
 *   limits tx PORT                    floods HOST_IP's PORT with datagrams of 958 bytes until told
 * to stop
 *   limits flow WHAT                  does nothing but read or write the disk (8 requests of 4 KiB
 * at a time), rx or tx datagrams (tx: to port 9), for ever, as fast as it may; every 20 ms a line
 * says "io N NS": so many were done by that time (tests/api/flow.py)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"

#define BLOCK  4096
#define DEPTH  16
#define WITHIN 0.05
#define LEAST  3.0  /* seconds to look at least */
#define MOST   30.0 /* by then it must have been right */

static uint8_t bufs[DEPTH][BLOCK] __attribute__((aligned(4096)));

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* What has come since `start`, the first of it included. */
struct meter {
	double rate, bucket, got, start;
};

/* n more have come. 1 when the ratio is right and it was looked at for long enough. The bucket was
 * full at the start, and once we wait for it it is empty: the rest came by the rate. */
static int meter_add(struct meter *m, double n)
{
	double t, ratio;

	m->start = m->start > 0 ? m->start : now();
	m->got += n;
	t = now() - m->start;
	if (t < LEAST)
		return 0;
	ratio = (m->got - m->bucket) / (m->rate * t);
	if (ratio > 1 + WITHIN || t > MOST) {
		printf("FAIL ratio %.3f after %.1f s\n", ratio, t);
		exit(1);
	}
	if (ratio < 1 - WITHIN)
		return 0;
	printf("ratio %.3f after %.1f s\n", ratio, t);
	return 1;
}

static int disk(struct meter *m)
{
	int fd = open("/dev/vda", O_RDWR | O_DIRECT);

	CHECK(fd >= 0);
	for (unsigned i = 0;; i++) {
		ssize_t n = i & 1 ? pwrite(fd, bufs[0], BLOCK, 0) : pread(fd, bufs[0], BLOCK, 0);

		CHECK(n == BLOCK);
		if (meter_add(m, BLOCK))
			return pass();
	}
}

static void submit_op(aio_context_t ctx, int fd, struct iocb *cb, unsigned slot, uint16_t op)
{
	*cb = (struct iocb){.aio_fildes = (uint32_t)fd,
			    .aio_lio_opcode = op,
			    .aio_buf = (uint64_t)(uintptr_t)bufs[slot],
			    .aio_nbytes = BLOCK,
			    .aio_data = slot};
	CHECK(syscall(SYS_io_submit, ctx, 1L, &cb) == 1);
}

static void submit(aio_context_t ctx, int fd, struct iocb *cb, unsigned slot)
{
	submit_op(ctx, fd, cb, slot, IOCB_CMD_PREAD);
}

static int spin(struct meter *m)
{
	static struct iocb cb[DEPTH];
	struct io_event ev[DEPTH];
	struct timespec zero = {0, 0};
	aio_context_t ctx = 0;
	int fd = open("/dev/vda", O_RDWR | O_DIRECT);

	CHECK(fd >= 0 && syscall(SYS_io_setup, DEPTH, &ctx) == 0);
	for (unsigned i = 0; i < DEPTH; i++)
		submit(ctx, fd, &cb[i], i);
	for (;;) {
		long n = syscall(SYS_io_getevents, ctx, 0L, (long)DEPTH, ev, &zero);

		CHECK(n >= 0);
		for (long i = 0; i < n; i++) {
			CHECK(ev[i].res == BLOCK);
			if (meter_add(m, BLOCK))
				return pass();
			submit(ctx, fd, &cb[ev[i].data], (unsigned)ev[i].data);
		}
	}
}

static int rx(struct meter *m)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(9)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char buf[2048];

	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0);
	puts("ready");
	fflush(stdout);
	for (;;) {
		CHECK(recv(fd, buf, sizeof buf, 0) > 0);
		if (meter_add(m, 1))
			return pass();
	}
}

/* Two reads of which the disk's limit lets through one: how many have been served? */
static long stuck_disk(int begin)
{
	static struct iocb cb[2];
	static aio_context_t ctx;
	struct timespec zero = {0, 0};
	struct io_event ev[2];
	int fd = begin ? open("/dev/vda", O_RDONLY | O_DIRECT) : -1;

	if (!begin)
		return ctx ? syscall(SYS_io_getevents, ctx, 0L, 2L, ev, &zero) : 1;
	if (fd < 0)
		return 0;
	CHECK(syscall(SYS_io_setup, 2, &ctx) == 0);
	for (unsigned i = 0; i < 2; i++)
		submit(ctx, fd, &cb[i], i);
	return 0;
}

static int tx(const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char buf[958] = {0};

	CHECK(fd >= 0 && inet_pton(AF_INET, getenv("HOST_IP"), &to.sin_addr) == 1);
	CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
	stuck_disk(1);
	for (;;) {
		if (send(fd, buf, sizeof buf, 0) < 0) /* full: that is the point */
			usleep(1000);
		if (recv(fd, buf, 1, MSG_DONTWAIT) > 0) {
			CHECK(stuck_disk(0) == 1);
			return pass();
		}
	}
}

/* --- flow --- */

static void flow_add(void)
{
	static uint64_t n;
	static double last;
	double t = now();

	n++;
	if (t - last < 0.02)
		return;
	last = t;
	printf("io %llu %.0f\n", (unsigned long long)n, t * 1e9);
	fflush(stdout);
}

static int flow_disk(bool write)
{
	static struct iocb cb[DEPTH];
	struct io_event ev[DEPTH];
	aio_context_t ctx = 0;
	int fd = open("/dev/vda", O_RDWR | O_DIRECT);
	uint16_t op = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;

	CHECK(fd >= 0 && syscall(SYS_io_setup, DEPTH, &ctx) == 0);
	for (unsigned i = 0; i < DEPTH / 2; i++)
		submit_op(ctx, fd, &cb[i], i, op);
	for (;;) {
		long n = syscall(SYS_io_getevents, ctx, 1L, (long)DEPTH, ev, NULL);

		CHECK(n > 0);
		for (long i = 0; i < n; i++) {
			CHECK(ev[i].res == BLOCK);
			flow_add();
			submit_op(ctx, fd, &cb[ev[i].data], (unsigned)ev[i].data, op);
		}
	}
}

static int flow_net(bool send_it)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(9)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char buf[2048] = {0};

	CHECK(fd >= 0);
	if (send_it)
		CHECK(inet_pton(AF_INET, getenv("HOST_IP"), &a.sin_addr) == 1 &&
		      connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
	else
		CHECK(bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
	puts("ready");
	fflush(stdout);
	for (;;) {
		if (!send_it)
			CHECK(recv(fd, buf, sizeof buf, 0) > 0);
		else if (send(fd, buf, 958, 0) < 0) /* full: that is the point */
			usleep(500);
		if (send_it && recv(fd, buf, 1, MSG_DONTWAIT) > 0)
			return pass();
		flow_add();
	}
}

static int flow(const char *what)
{
	if (!strcmp(what, "rx") || !strcmp(what, "tx"))
		return flow_net(*what == 't');
	return flow_disk(!strcmp(what, "write"));
}

int main(int argc, char **argv)
{
	CHECK(argc >= 3);
	if (strcmp(argv[1], "flow") == 0)
		return flow(argv[2]);
	if (strcmp(argv[1], "tx") == 0)
		return tx(argv[2]);
	CHECK(argc == 4);
	struct meter m = {.rate = atof(argv[2]), .bucket = atof(argv[3])};

	if (strcmp(argv[1], "disk") == 0)
		return disk(&m);
	return strcmp(argv[1], "spin") == 0 ? spin(&m) : rx(&m);
}
