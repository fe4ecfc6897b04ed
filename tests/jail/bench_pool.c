/* SPDX-License-Identifier: MIT
 *
 * bench_pool.c: what a VM out of a pool of waiting jails costs: from the connection to the pool's
 * socket to the program's first byte, and AT_ONCE of them (time until all run, by their number),
 * the pool having that many ready. Prints two lines of JSON, microseconds. Root.
 *
 *   bench_pool SOCKET ROUNDS AT_ONCE [IMAGE]     with IMAGE a monitor waits, else
 * tests/jail/standin
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROUNDS 1000
#define MAX_ONCE   64
#define SETTLE_MS  300 /* until the pool has made what was taken; not measured */

static struct sockaddr_un sa = {.sun_family = AF_UNIX};
static int image = -1;

struct run {
	int sock, out;
};

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void settle(void)
{
	struct timespec t = {.tv_nsec = SETTLE_MS * 1000000L};

	nanosleep(&t, NULL);
}

static void start(struct run *r)
{
	static char vm[] = "{\"kernel\": \"/dev/fd/65\", \"console\": \"/dev/fd/64\"}",
		    none[] = "exit 0";
	char room[CMSG_SPACE(2 * sizeof(int))] = "";
	struct iovec iov = {.iov_base = image < 0 ? none : vm};
	int out[2], nfds = image < 0 ? 1 : 2;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room};

	if (pipe2(out, O_CLOEXEC) < 0)
		err(1, "pipe");
	int fds[2] = {out[1], image};
	iov.iov_len = strlen(iov.iov_base);
	msg.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS,
			      .cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int))};
	memcpy(CMSG_DATA(c), fds, (size_t)nfds * sizeof(int));
	r->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (connect(r->sock, (struct sockaddr *)&sa, sizeof sa) < 0 ||
	    sendmsg(r->sock, &msg, 0) < 0)
		err(1, "%s", sa.sun_path);
	close(out[1]);
	r->out = out[0];
}

static void await(struct run *r)
{
	char c, why[300] = "";

	if (read(r->out, &c, 1) == 1)
		return;
	if (recv(r->sock, why, sizeof why - 1, 0) < 0)
		err(1, "recv");
	errx(1, "the program did not start: %s", why);
}

static void finish(struct run *r)
{
	char text[300];
	ssize_t n;

	while ((n = recv(r->sock, text, sizeof text, 0)) > 0)
		if (strncmp(text, "exit ", 5) == 0 && strncmp(text, "exit 0", 6) != 0)
			errx(1, "the program failed: %.*s", (int)n, text);
	close(r->sock);
	close(r->out);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double some(unsigned n)
{
	static struct run runs[MAX_ONCE];
	double t = now_us();

	for (unsigned i = 0; i < n; i++)
		start(&runs[i]);
	for (unsigned i = 0; i < n; i++)
		await(&runs[i]);
	t = now_us() - t;
	for (unsigned i = 0; i < n; i++)
		finish(&runs[i]);
	return t / n;
}

static double median_of(unsigned rounds, unsigned once)
{
	static double us[MAX_ROUNDS];

	for (unsigned i = 0; i < rounds; i++) {
		us[i] = some(once);
		if (once > 1)
			settle();
	}
	qsort(us, rounds, sizeof us[0], by_value);
	return us[rounds / 2];
}

int main(int argc, char *argv[])
{
	if (argc < 4 || strlen(argv[1]) >= sizeof sa.sun_path)
		errx(2, "usage: bench_pool SOCKET ROUNDS AT_ONCE [IMAGE]");
	unsigned rounds = (unsigned)strtoul(argv[2], NULL, 10),
		 once = (unsigned)strtoul(argv[3], NULL, 10);
	if (rounds < 1 || rounds > MAX_ROUNDS || once < 1 || once > MAX_ONCE)
		errx(2, "1 to %d rounds, 1 to %d at once", MAX_ROUNDS, MAX_ONCE);
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", argv[1]);
	if (argc > 4 && (image = open(argv[4], O_RDONLY | O_CLOEXEC)) < 0)
		err(1, "%s", argv[4]);
	settle();
	printf("%.1f\n", median_of(rounds, 1));
	settle();
	printf("%.1f\n", median_of(rounds, once));
	return 0;
}
