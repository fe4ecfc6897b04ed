/* SPDX-License-Identifier: MIT
 *
 * bench.c: what a jail costs. Time from the start of a program to its first byte of output, bare
 * and by mayfly-jailer, in turns: one at a time, and many at once (time until all run, by their
 * number); medians. Root.
 *
 *   bench [--json] [--kernel IMAGE] JAILER PROGRAM [ROUNDS [AT_ONCE]] [-- jailer option...]
 *
 * With --kernel the program is the monitor and boots that image: bare from its place, jailed from a
 * bind mount. --json prints the figures on one line.
 */
#include <err.h>
#include <stdbool.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROUNDS 1000
#define MAX_ONCE   200
#define MAX_ARGS   64

static char *jailer, *probe, *kernel, *bind_kernel;
static bool json;
static char *const *more;
static int nmore;

struct run {
	pid_t pid;
	int in, out; /* end of the one ends the program, the other tells that it runs */
};

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void start(struct run *r, unsigned n, bool jailed)
{
	static char *const no_env[] = {NULL};
	char id[32], *argv[MAX_ARGS];
	static char fixed[][16] = {"--uid", "30001", "--gid", "30001", "--exec-file"};
	int in[2], out[2], argc = 0;
	posix_spawn_file_actions_t fa;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		err(1, "pipe");
	snprintf(id, sizeof id, "bench-%u", n);
	argv[argc++] = jailed ? jailer : probe;
	for (size_t i = 0; jailed && i < sizeof fixed / sizeof fixed[0]; i++)
		argv[argc++] = fixed[i];
	if (jailed) {
		argv[argc++] = probe;
		argv[argc++] = (char *)"--id";
		argv[argc++] = id;
	}
	for (int i = 0; jailed && i < nmore; i++)
		argv[argc++] = more[i];
	if (kernel) {
		static char option[] = "--kernel", inside[] = "/kernel", bind[] = "--bind",
			    end[] = "--";

		if (jailed) {
			argv[argc++] = bind;
			argv[argc++] = bind_kernel;
			argv[argc++] = end;
		}
		argv[argc++] = option;
		argv[argc++] = jailed ? inside : kernel;
	}
	argv[argc] = NULL;
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, in[0], 0);
	posix_spawn_file_actions_adddup2(&fa, out[1], 1);
	posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	errno = posix_spawn(&r->pid, argv[0], &fa, NULL, argv, no_env);
	if (errno)
		err(1, "%s", argv[0]);
	posix_spawn_file_actions_destroy(&fa);
	close(in[0]);
	close(out[1]);
	r->in = in[1];
	r->out = out[0];
}

static void await(struct run *r)
{
	char c;

	if (read(r->out, &c, 1) != 1)
		errx(1, "the program did not start");
}

static void finish(struct run *r)
{
	int status;

	close(r->in);
	close(r->out);
	if (waitpid(r->pid, &status, 0) != r->pid || !WIFEXITED(status) || WEXITSTATUS(status))
		errx(1, "the program failed: status %#x", (unsigned)status);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double one(bool jailed)
{
	struct run r;
	double t = now_us();

	start(&r, 0, jailed);
	await(&r);
	t = now_us() - t;
	finish(&r);
	return t;
}

static double at_once(unsigned n, bool jailed)
{
	static struct run runs[MAX_ONCE];
	double t = now_us();

	for (unsigned i = 0; i < n; i++)
		start(&runs[i], i, jailed);
	for (unsigned i = 0; i < n; i++)
		await(&runs[i]);
	t = now_us() - t;
	for (unsigned i = 0; i < n; i++)
		finish(&runs[i]);
	return t / n;
}

static void report(const char *what, double bare, double jailed)
{
	if (json) {
		printf("{\"bare\": %.1f, \"jailed\": %.1f}\n", bare, jailed);
		return;
	}
	printf("%-28s bare %7.0f us   jailed %7.0f us   difference %7.0f us\n", what, bare, jailed,
	       jailed - bare);
}

/* Index of the first argument that is no option. */
static int read_options(int argc, char *argv[])
{
	int i = 1;

	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--kernel") == 0 && i + 1 < argc)
			kernel = argv[++i];
		else
			errx(2, "unknown option %s", argv[i]);
	}
	if (kernel && asprintf(&bind_kernel, "%s:/kernel:ro", kernel) < 0)
		err(1, "asprintf");
	return i;
}

int main(int argc, char *argv[])
{
	static double bare[MAX_ROUNDS], jailed[MAX_ROUNDS];

	int at = read_options(argc, argv);
	int rest = at;
	while (rest < argc && argv[rest][0] != '-')
		rest++;
	if (rest - at < 2)
		errx(2, "usage: bench [--json] [--kernel IMAGE] JAILER PROGRAM [ROUNDS [AT_ONCE]] "
			"[-- jailer option...]");
	jailer = argv[at];
	probe = argv[at + 1];
	unsigned rounds = rest - at > 2 ? (unsigned)strtoul(argv[at + 2], NULL, 10) : 100;
	unsigned once = rest - at > 3 ? (unsigned)strtoul(argv[at + 3], NULL, 10) : 50;
	if (rounds < 1 || rounds > MAX_ROUNDS || once < 1 || once > MAX_ONCE)
		errx(2, "1 to %d rounds, 1 to %d at once", MAX_ROUNDS, MAX_ONCE);
	if (argc - rest > MAX_ARGS - 16)
		errx(2, "too many options");
	if (rest < argc) {
		more = argv + rest + 1;
		nmore = argc - rest - 1;
	}
	one(true); /* makes the directories and groups that stay */
	for (unsigned i = 0; i < rounds; i++) {
		bare[i] = one(false);
		jailed[i] = one(true);
	}
	qsort(bare, rounds, sizeof bare[0], by_value);
	qsort(jailed, rounds, sizeof jailed[0], by_value);
	report("jail, median start", bare[rounds / 2], jailed[rounds / 2]);
	for (unsigned i = 0; i < rounds; i++) {
		bare[i] = at_once(once, false);
		jailed[i] = at_once(once, true);
	}
	qsort(bare, rounds, sizeof bare[0], by_value);
	qsort(jailed, rounds, sizeof jailed[0], by_value);
	if (!json)
		printf("%u ", once);
	report("at once, each", bare[rounds / 2], jailed[rounds / 2]);
	return 0;
}
