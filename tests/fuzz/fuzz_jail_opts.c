/* SPDX-License-Identifier: MIT
 *
 * fuzz_jail_opts.c: any lines as the words of the jailer's command line, planned for a host whose
 * cgroup mounts are any lines too. A plan that is accepted must hold what the steps rely on.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jailer/path.h"
#include "jailer/plan.h"

#define WORDS_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct jail_opts opts;
static struct jail_host host;
static struct jail_plan plan;

static void must(bool cond)
{
	if (!cond)
		abort();
}

static void is_one_line(const struct errtext *err)
{
	must(err->text[0] != '\0');
	for (const char *p = err->text; *p; p++)
		must(*p >= ' ' && *p <= '~');
}

static void check(void)
{
	const char *why;

	must(opts_is_id(opts.id) && path_check(opts.exec_file, &why) == 0);
	must(plan.program[0] && !strchr(plan.program, '/') && strcmp(plan.program, "..") != 0);
	must(plan.base[0] == '/' && path_check_relative(plan.parent, &why) == 0);
	must(plan.uid != 0 || (opts.userns && host.euid != 0));
	must(plan.ngroups <= PLAN_GROUPS && plan.nlines <= JAIL_CGROUPS + 1);
	for (unsigned i = 0; i < plan.nlines; i++)
		must(!strchr(plan.lines[i].file, '/') && !strchr(plan.lines[i].value, '\n') &&
		     strncmp(plan.lines[i].file, "cgroup.", 7) != 0);
	for (unsigned i = 0; i < opts.nbinds; i++)
		must(path_check(opts.binds[i].src, &why) == 0 &&
		     path_check(opts.binds[i].dst, &why) == 0 &&
		     strncmp(opts.binds[i].dst, "/dev/", 5) != 0);
	for (unsigned i = 0; i < opts.nfds; i++)
		must(opts.fds[i].fd > 2);
	must(plan.argv[0] == plan.program && strcmp(plan.argv[2], opts.id) == 0);
}

static void run(int argc, char *argv[])
{
	static FILE *null;
	struct errtext err = {.text = ""};

	if (!null)
		null = fopen("/dev/null", "w");
	memset(&opts, 0, sizeof opts);
	if (opts_parse(argc, argv, &opts, &err) < 0) {
		is_one_line(&err);
		return;
	}
	if (opts.help || opts.version || opts.cleanup)
		return;
	if (plan_make(&plan, &opts, &host, &err) < 0) {
		is_one_line(&err);
		return;
	}
	check();
	must(null && plan_print(&plan, opts.json, null) == 0);
}

/* The first byte says who runs it; then lines: those with " - cgroup" in them are mounts, the
 * others are words. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *save = NULL;
	char *argv[WORDS_MAX + 1] = {(char[]){"mayfly-jailer"}};
	int argc = 1;

	if (!text || size == 0) {
		free(text);
		return 0;
	}
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	memset(&host, 0, sizeof host);
	host.euid = data[0] & 1 ? 1000 : 0;
	host.landlock_abi = data[0] >> 4;
	host.max_files = 1024;
	for (char *w = strtok_r(text, "\n", &save); w && argc < WORDS_MAX;
	     w = strtok_r(NULL, "\n", &save)) {
		if (!strstr(w, " - cgroup"))
			argv[argc++] = w;
		else if (host.nmounts < HOST_MOUNTS)
			host.nmounts += (unsigned)host_parse_mount(w, &host.mounts[host.nmounts]);
	}
	run(argc, argv);
	free(text);
	return 0;
}
