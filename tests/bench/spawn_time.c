/* SPDX-License-Identifier: MIT
 *
 * spawn_time.c: how long does a command take, from posix_spawn to the return of waitpid? Several
 * commands are run in turn, one round after another, so that whatever happens to the machine
 * happens to all of them. Their output is thrown away. With -m FILE each command may leave a file
 * with `"KEY": nanoseconds` of CLOCK_MONOTONIC in it: the time from the spawn to that moment is
 * reported too.
 *
 *   spawn_time [-n ROUNDS] [-w WARMUPS] [-m FILE -k KEY] STATUS COMMAND [ARG...] [--next STATUS
 * COMMAND ...]...
 *
 * STATUS is the exit status that counts as success. Prints one line of JSON per command: {"ns":
 * [...], "mark": [...]}. A command that fails ends everything with status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_COMMANDS 16
#define MARK_MAX     65536

extern char **environ;

struct command {
	char **argv;
	int status;
	uint64_t *ns, *mark; /* one a round; a mark of 0 = none */
};

struct plan {
	struct command command[MAX_COMMANDS];
	unsigned ncommands, rounds, warmups;
	const char *mark_file, *mark_key;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int parse_number(const char *s, unsigned long max, unsigned *ret)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(s, &end, 10);
	if (*s < '0' || *s > '9' || errno || *end || v > max)
		return -EINVAL;
	*ret = (unsigned)v;
	return 0;
}

/* The number behind "KEY": in the mark file, 0 when there is none. Takes the file away. */
static uint64_t read_mark(const struct plan *p)
{
	static char text[MARK_MAX];
	char key[128];
	const char *at;
	ssize_t n;
	int fd = open(p->mark_file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	unlink(p->mark_file);
	text[n > 0 ? n : 0] = '\0';
	snprintf(key, sizeof(key), "\"%s\":", p->mark_key);
	at = strstr(text, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static int run_once(const struct plan *p, const struct command *c,
		    posix_spawn_file_actions_t *to_null, uint64_t *ret_ns, uint64_t *ret_mark)
{
	uint64_t start = now_ns(), mark;
	int status, r;
	pid_t pid;

	r = posix_spawnp(&pid, c->argv[0], to_null, NULL, c->argv, environ);
	if (r) {
		fprintf(stderr, "spawn_time: %s: %s\n", c->argv[0], strerror(r));
		return -r;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	*ret_ns = now_ns() - start;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != c->status) {
		fprintf(stderr, "spawn_time: %s ended with wait status 0x%x\n", c->argv[0],
			(unsigned)status);
		return -ECHILD;
	}
	mark = p->mark_file ? read_mark(p) : 0;
	*ret_mark = mark > start ? mark - start : 0;
	return 0;
}

static int run_all(struct plan *p)
{
	posix_spawn_file_actions_t to_null;
	int r = 0;

	posix_spawn_file_actions_init(&to_null);
	posix_spawn_file_actions_addopen(&to_null, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&to_null, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	for (unsigned round = 0; round < p->warmups + p->rounds && !r; round++) {
		/* Results of warm-ups are overwritten by the first round. */
		unsigned at = round < p->warmups ? 0 : round - p->warmups;

		for (unsigned i = 0; i < p->ncommands && !r; i++)
			r = run_once(p, &p->command[i], &to_null, &p->command[i].ns[at],
				     &p->command[i].mark[at]);
	}
	posix_spawn_file_actions_destroy(&to_null);
	return r;
}

static void print_list(const char *name, const uint64_t *v, unsigned n)
{
	printf("\"%s\": [", name);
	for (unsigned i = 0; i < n; i++)
		printf("%s%llu", i ? ", " : "", (unsigned long long)v[i]);
	printf("]");
}

static int add_command(struct plan *p, char **argv)
{
	struct command *c = &p->command[p->ncommands];
	unsigned status;

	if (p->ncommands == MAX_COMMANDS || !argv[0] || !argv[1] ||
	    parse_number(argv[0], 255, &status) < 0)
		return -EINVAL;
	*c = (struct command){.argv = argv + 1, .status = (int)status};
	c->ns = calloc(p->rounds, sizeof(*c->ns));
	c->mark = calloc(p->rounds, sizeof(*c->mark));
	p->ncommands++;
	return c->ns && c->mark ? 0 : -ENOMEM;
}

static int parse(int argc, char **argv, struct plan *p)
{
	int opt, r;

	while ((opt = getopt(argc, argv, "+n:w:m:k:")) != -1) {
		if (opt == 'm')
			p->mark_file = optarg;
		else if (opt == 'k')
			p->mark_key = optarg;
		else if (opt == '?' ||
			 parse_number(optarg, 1000000, opt == 'n' ? &p->rounds : &p->warmups) < 0)
			return -EINVAL;
	}
	if (!p->rounds || !p->mark_file != !p->mark_key || optind == argc)
		return -EINVAL;
	r = add_command(p, argv + optind);
	for (int i = optind; i < argc && !r; i++) {
		if (strcmp(argv[i], "--next"))
			continue;
		argv[i] = NULL;
		r = add_command(p, argv + i + 1);
	}
	return r;
}

int main(int argc, char **argv)
{
	static struct plan p = {.rounds = 100, .warmups = 2};

	if (parse(argc, argv, &p) < 0) {
		fputs("usage: spawn_time [-n ROUNDS] [-w WARMUPS] [-m FILE -k KEY] STATUS COMMAND "
		      "[ARG...] "
		      "[--next STATUS COMMAND [ARG...]]...\n",
		      stderr);
		return 2;
	}
	if (run_all(&p) < 0)
		return 1;
	for (unsigned i = 0; i < p.ncommands; i++) {
		printf("{");
		print_list("ns", p.command[i].ns, p.rounds);
		printf(", ");
		print_list("mark", p.command[i].mark, p.rounds);
		printf("}\n");
	}
	return 0;
}
