/* SPDX-License-Identifier: MIT
 *
 * main.c: mayfly-jailer: options, plan, jail, reaper. The only file that ends the process. Exit
 * status: the program's; 2: no jail was made, one line on standard error says why.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jailer/apply.h"
#include "jailer/netns.h"
#include "jailer/plan.h"
#include "jailer/pool.h"
#include "jailer/reap.h"
#include "jailer/record.h"
#include "lib/log.h"
#include "lib/relro.h"

static struct jail_opts opts;
static struct jail_host host;
static struct jail_plan plan;
static struct jail jail;

/* The reaper of a jail that went to the background keeps nobody's terminal or pipe. */
static void leave_stdio(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3 && fd >= 0; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
}

/* What takes long and depends on nothing that is still to be found out. later: by the process that
 * goes behind. */
static void begin_ahead(bool later)
{
	if (!later && !opts.dry_run && !opts.netns && !opts.userns)
		netns_begin();
}

/* ready: where to say that the program runs, or -1. */
static int run(int ready)
{
	struct errtext err;
	sigset_t signals;

	begin_ahead(ready < 0);
	reap_signals(&signals);
	if (sigprocmask(SIG_BLOCK, &signals, &jail.mask) < 0) {
		log_err("signals: %s", strerror(errno));
		return 2;
	}
	if (apply(&jail, &plan, &err) < 0) {
		log_err("%s", err.text);
		return 2;
	}
	if (opts.timing)
		apply_print_costs(&jail);
	if (ready >= 0) {
		if (write(ready, "r", 1) < 0)
			log_warn("nobody waits for the jail");
		close(ready);
		leave_stdio();
	}
	return reap(&jail, &signals);
}

/* The caller gets its prompt back when the program runs. */
static int run_behind(void)
{
	int fds[2], status;
	char c;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		log_err("pipe: %s", strerror(errno));
		return 2;
	}
	pid_t pid = fork();
	if (pid < 0) {
		log_err("fork: %s", strerror(errno));
		return 2;
	}
	if (pid == 0) {
		close(fds[0]);
		setsid();
		return run(fds[1]);
	}
	close(fds[1]);
	ssize_t n;
	while ((n = read(fds[0], &c, 1)) < 0 && errno == EINTR)
		;
	if (n == 1)
		return 0;
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

/* 0, 1 and 2 are open whatever the caller did, so that no other file gets their numbers. */
static int fill_stdio(void)
{
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd < 3)
		fd = dup(fd);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int answer(struct errtext *err)
{
	if (opts.help)
		opts_print_help(stdout);
	else if (opts.version)
		fputs("mayfly-jailer " MAYFLY_VERSION "\n", stdout);
	else if (opts.cleanup)
		return record_cleanup(&opts, err);
	return fflush(stdout) ? errtext_set(err, -EIO, "standard output: %s", strerror(errno)) : 0;
}

static int prepare(const struct jail_opts *o, struct errtext *err)
{
	int r = host_read(&host, err);

	if (r == 0)
		r = plan_make(&plan, o, &host, err);
	if (r < 0)
		return r;
	if (!o->dry_run) {
		for (unsigned i = 0; i < plan.nwarnings; i++)
			log_warn("%s", plan.warnings[i]);
		return 0;
	}
	r = plan_print(&plan, o->json, stdout);
	return r < 0 ? errtext_set(err, r, "standard output: %s", strerror(-r)) : 0;
}

/* One jail of a pool, in a process of its own. */
static int start_pooled(const struct jail_opts *o)
{
	struct errtext err;

	if (plan_make(&plan, o, &host, &err) < 0) {
		log_err("%s", err.text);
		return 2;
	}
	return run(-1);
}

static int start(void)
{
	if (opts.pool)
		return pool_serve(&opts, &host, start_pooled);
	return opts.daemonize || opts.new_pid_ns ? run_behind() : run(-1);
}

int main(int argc, char *argv[])
{
	struct errtext err;

	relro_protect();
	log_init("mayfly-jailer", NULL);
	if (fill_stdio() < 0)
		return 2;
	umask(022); /* modes of what we make are given in full */
	int r = opts_parse(argc, argv, &opts, &err);
	bool only_answer = r == 0 && (opts.help || opts.version || opts.cleanup);
	if (only_answer)
		r = answer(&err);
	else if (r == 0) {
		log_init("mayfly-jailer", opts.id);
		begin_ahead(opts.daemonize || opts.new_pid_ns || opts.pool);
		r = prepare(&opts, &err);
	}
	if (r < 0) {
		log_err("%s", err.text);
		return 2;
	}
	if (only_answer || opts.dry_run)
		return 0;
	return start();
}
