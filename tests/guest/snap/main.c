/* SPDX-License-Identifier: MIT
 *
 * snap: a guest that is frozen, restored, copied, and says what it sees of it, one "key value" a
 * line. Its argument says what it does: "who" freezes and tells who it is afterwards; "count"
 * freezes and counts in memory that was written before; "tick" never freezes and prints a counter
 * and its clocks every 20 ms; "draw" draws a lot of random
 * numbers all the time and prints the last ones; both say who they are when they are told that they
 * are another; "tcp PORT" answers each line that a client sends with a number that goes up.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mayfly.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BIG (2u << 20)

extern char **environ;
static unsigned char big[BIG];
static int told;

static double now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void put_hex(const char *key, const void *p, size_t n)
{
	const unsigned char *b = p;

	printf("%s ", key);
	while (n--)
		printf("%02x", *b++);
	printf("\n");
}

static void put_net(void)
{
	struct ifreq ifr = {.ifr_name = "eth0"};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		return;
	if (ioctl(fd, SIOCGIFHWADDR, &ifr) == 0)
		put_hex("mac", ifr.ifr_hwaddr.sa_data, 6);
	if (ioctl(fd, SIOCGIFADDR, &ifr) == 0)
		printf("ip %s\n",
		       inet_ntoa(((struct sockaddr_in *)(void *)&ifr.ifr_addr)->sin_addr));
	close(fd);
}

/* A SYN goes out; who answers it is in the test's hands. */
static void try_connect(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(9)};
	int s = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, "10.0.0.1", &a.sin_addr);
	if (s >= 0 && connect(s, (struct sockaddr *)&a, sizeof a) && errno == ECONNREFUSED)
		printf("refused\n");
	close(s);
}

/* What this VM leaves on its disk, and that what was there is still there. */
static void put_file(const char *text)
{
	char was[64] = "";
	FILE *f = fopen("/before.txt", "r");

	if (!f || !fgets(was, sizeof was, f))
		exit(1);
	fclose(f);
	f = fopen("/after.txt", "w");
	if (!f || fprintf(f, "%s\n", text) < 0 || fclose(f))
		exit(1);
	printf("before %s\n", was);
}

static void on_restore(void *arg)
{
	(void)arg;
	told++;
}

static void who(void)
{
	unsigned char rnd[16];
	char host[65] = "";
	int why;
	double mono = now(CLOCK_MONOTONIC);

	mayfly_on_restore(on_restore, NULL);
	memset(big, 7, sizeof big);
	printf("freezing\n");
	fflush(stdout);
	why = mayfly_freeze();
	printf("why %d\ntold %d\n", why, told);
	if (getrandom(rnd, sizeof rnd, 0) == sizeof rnd)
		put_hex("random", rnd, sizeof rnd);
	put_hex("generation", mayfly_generation(), 16);
	gethostname(host, sizeof host);
	printf("hostname %s\n", host);
	for (char **e = environ; *e; e++)
		if (!strncmp(*e, "CLONE", 5))
			printf("env %s\n", *e);
	printf("mono_step %.6f\nwall %.3f\n", now(CLOCK_MONOTONIC) - mono, now(CLOCK_REALTIME));
	for (unsigned i = 0; i < BIG; i++)
		if (big[i] != 7) {
			printf("memory is damaged at %u\n", i);
			exit(1);
		}
	put_net();
	if (getenv("CLONE_FILE"))
		put_file(getenv("CLONE_FILE"));
	if (getenv("CLONE_TCP"))
		try_connect();
}

/* Somewhere, not at a freeze point: what a program would do here is its own business. */
static void on_another_life(void *arg)
{
	unsigned char rnd[16];
	char *p = malloc(100000);

	(void)arg;
	told++;
	if (!p || getrandom(rnd, sizeof rnd, 0) != sizeof rnd)
		exit(1);
	free(p);
	printf("told %d\n", told);
	put_hex("random", rnd, sizeof rnd);
	put_hex("generation", mayfly_generation(), 16);
	fflush(stdout);
}

static void draw(void)
{
	mayfly_on_restore(on_another_life, NULL);
	for (;;) {
		if (getrandom(big, sizeof big, 0) != sizeof big)
			exit(1);
		put_hex("draw", big + sizeof big - 16, 16);
		fflush(stdout);
		sched_yield();
	}
}

static void tick(void)
{
	double mono = now(CLOCK_MONOTONIC), most = 0;

	mayfly_on_restore(on_another_life, NULL);
	for (unsigned i = 0;; i++) {
		double then = mono;

		usleep(20000);
		mono = now(CLOCK_MONOTONIC);
		if (mono < then)
			printf("the monotonic clock went back\n");
		most = mono - then > most ? mono - then : most;
		big[i % BIG]++;
		printf("tick %u mono %.6f most %.6f wall %.3f\n", i, mono, most,
		       now(CLOCK_REALTIME));
		fflush(stdout);
	}
}

static int tcp(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
	int s = socket(AF_INET, SOCK_STREAM, 0), c, n = 0;
	char b;

	mayfly_freeze(); /* nobody wants it */
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 4))
		return 1;
	printf("listening\n");
	fflush(stdout);
	c = accept(s, NULL, NULL);
	while (read(c, &b, 1) == 1) {
		char line[32];

		if (b != '\n')
			continue;
		int len = snprintf(line, sizeof line, "%d\n", ++n);

		if (write(c, line, (size_t)len) != len)
			return 1;
	}
	return 0;
}

/* Every page of memory that there is to have, then a freeze. */
static void fill(void)
{
	char *p, *last = NULL;

	for (; (p = malloc(1u << 20)); last = p)
		memset(p, 5, 1u << 20);
	free(last); /* room for what freezing takes */
	mayfly_freeze();
}

int main(int argc, char *argv[])
{
	const char *what = argc > 1 ? argv[1] : "who";

	if (!strcmp(what, "who"))
		who();
	else if (!strcmp(what, "fill"))
		fill();
	else if (!strcmp(what, "tick"))
		tick();
	else if (!strcmp(what, "draw"))
		draw();
	else if (!strcmp(what, "tcp") && argc > 2)
		return tcp((int)strtol(argv[2], NULL, 10));
	else
		return 2;
	return 0;
}
