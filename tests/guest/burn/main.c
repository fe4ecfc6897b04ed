/* SPDX-License-Identifier: MIT
 *
 * burn: a guest that takes all it can get of one thing, for ever, or that has work to do beside
 * such guests (tests/jail/test_guests.py). Says "up" first.
 *
 *   burn cpu | memory | disk | net | work      work: "done" for each round of computing and writing
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK (64 << 10)

static uint8_t chunk[CHUNK] __attribute__((aligned(4096)));

static void compute(void)
{
	static volatile uint32_t x = 1;

	for (int i = 0; i < 1000000; i++)
		x = x * 1664525 + 1013904223;
}

/* More than the host gives this VM: the pages stay touched. */
static void memory(void)
{
	for (;;) {
		char *p = malloc(CHUNK);

		if (p)
			memset(p, 1, CHUNK);
	}
}

static void write_disk(int fd)
{
	static off_t at;
	ssize_t n = pwrite(fd, chunk, CHUNK, at);

	at = n == CHUNK ? at + n : 0;
}

static void flood(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
	inet_pton(AF_INET, "10.0.0.255", &to.sin_addr);
	for (;;)
		sendto(fd, chunk, 1000, 0, (struct sockaddr *)&to, sizeof(to));
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int disk = open("/dev/vda", O_RDWR);

	puts("up");
	if (!strcmp(what, "memory"))
		memory();
	if (!strcmp(what, "net"))
		flood();
	if (disk < 0 && strcmp(what, "cpu") != 0)
		return 1;
	for (;;) {
		if (strcmp(what, "disk") != 0)
			compute();
		if (strcmp(what, "cpu") != 0)
			write_disk(disk);
		if (!strcmp(what, "work"))
			puts("done");
	}
}
