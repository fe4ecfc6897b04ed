/* SPDX-License-Identifier: MIT
 *
 * tool.c: mayfly-seccomp: compiles policies at build time, prints them, and looks at running VMs.
 * Exit status: 0; 1 a report found unused rules; 2 usage or a bad policy, one line says which line.
 */
#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <unistd.h>

#include "lib/filter_file.h"
#include "lib/log.h"
#include "lib/num.h"
#include "monitor/seccomp/compile.h"
#include "monitor/seccomp/explain.h"
#include "monitor/seccomp/report.h"
#include "monitor/seccomp/trace.h"

static struct policy policies[FILTER_FILE_POLICIES];
static struct compiled compiled[FILTER_FILE_POLICIES];

static int usage(void)
{
	fputs("usage: mayfly-seccomp compile OUT FILE.policy...  a file for --seccomp-policy\n"
	      "       mayfly-seccomp c FILE.policy...            C arrays on standard output\n"
	      "       mayfly-seccomp print FILE...               what policies or compiled files "
	      "allow\n"
	      "       mayfly-seccomp show [--all] PID            what a running VM is allowed\n"
	      "       mayfly-seccomp trace FOLDER COMMAND...     run, say with --seccomp=trace, "
	      "and "
	      "count rules\n"
	      "       mayfly-seccomp report FILE.policy... -- LOG...\n"
	      "                                                  fails when a rule was never "
	      "used\n",
	      stderr);
	return 2;
}

static int read_text(const char *path, char *buf, size_t cap, size_t *ret_len)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return -errno;
	*ret_len = fread(buf, 1, cap, f);
	int r = ferror(f) ? -EIO : *ret_len == cap ? -EFBIG : 0;
	fclose(f);
	return r;
}

static int load_policy(const char *path, struct policy *p)
{
	static char text[64 << 10];
	struct errtext err;
	size_t len = 0;
	int r = read_text(path, text, sizeof text, &len);

	if (r < 0) {
		log_err("%s: %s", path, strerror(-r));
		return r;
	}
	r = policy_parse(p, text, len, &err);
	if (r == 0)
		r = policy_resolve(p, &err);
	if (r < 0)
		log_err("%s:%s", path, err.text);
	return r;
}

static int load_all(char *const *paths, unsigned n, bool compile)
{
	if (n == 0 || n > FILTER_FILE_POLICIES) {
		log_err("1 to %d policies", FILTER_FILE_POLICIES);
		return -EINVAL;
	}
	for (unsigned i = 0; i < n; i++) {
		int r = load_policy(paths[i], &policies[i]);

		if (r < 0)
			return r;
		if (compile)
			compile_policy(&policies[i], &compiled[i]);
	}
	return 0;
}

static int do_c(int argc, char *const *argv)
{
	if (load_all(argv, (unsigned)argc, true) < 0)
		return 2;
	puts("/* Made by mayfly-seccomp from the policies; do not edit. */\n"
	     "#include \"lib/filter.h\"\n");
	for (int i = 0; i < argc; i++)
		emit_c(&compiled[i], stdout);
	return fflush(stdout) ? 2 : 0;
}

static int do_compile(int argc, char *const *argv)
{
	const struct filter_policy *list[FILTER_FILE_POLICIES];

	if (argc < 2)
		return usage();
	if (load_all(argv + 1, (unsigned)argc - 1, true) < 0)
		return 2;
	for (int i = 1; i < argc; i++)
		list[i - 1] = &compiled[i - 1].policy;
	FILE *out = fopen(argv[0], "we");
	if (out)
		emit_file(list, (unsigned)argc - 1, out);
	if (!out || fclose(out)) {
		log_err("%s: %s", argv[0], strerror(errno));
		return 2;
	}
	return 0;
}

static void print_policy(const struct policy *p)
{
	static const char *const ops[] = {"==", "in"};

	printf("%s: %u rules", p->name, p->nrules);
	for (unsigned i = 0; i < 2 && (i == 0 || p->either[1][0]); i++)
		printf(", %u different calls%s%s", policy_calls(p, p->either[i]),
		       p->either[i][0] ? " with " : "", p->either[i]);
	putchar('\n');
	for (unsigned i = 0; i < p->nrules; i++) {
		const struct rule *r = &p->rules[i];
		const struct section *sec = &p->sections[r->section];

		printf("  [%s] %s", sec->feature, r->call);
		for (unsigned k = 0; k < r->nconds; k++) {
			const struct cond *c = &r->conds[k];

			printf("%s%c%u %s ", k ? ", " : " ", c->half ? 'w' : 'a', c->arg,
			       ops[c->op]);
			if (c->slot >= 0)
				printf("$%s", sec->slots[c->slot]);
			else
				printf("0x%llx", (unsigned long long)c->value);
		}
		printf(" :%s\n", r->why);
	}
}

/* All blocks once, descriptors unknown: what it can allow at most. */
static int print_compiled(const struct filter_file *f)
{
	static struct sock_filter prog[FILTER_INSNS];

	for (unsigned i = 0; i < f->npolicies; i++) {
		const struct filter_policy *p = &f->policies[i];

		for (unsigned k = 0; k < p->nblocks; k++) {
			const struct filter_block *b = &p->blocks[k];
			struct filter_policy one = *p;
			struct filter_use use = {.feature = p->names + b->feature};

			for (unsigned s = 0; s < b->nslots; s++) {
				use.vals[s].slot = p->names + p->slots[b->slot + s];
				use.vals[s].value = 1000000 + s;
			}
			one.blocks = b;
			one.nblocks = 1;
			int n = filter_link(&one, &use, 1, FILTER_ON, prog);

			printf("%s [%s]:\n", p->name, use.feature);
			if (n < 0 || explain_filter(prog, (unsigned)n, 0, stdout) < 0)
				return 2;
			for (unsigned s = 0; s < b->nslots; s++)
				printf("  with $%s as 0x%x\n", use.vals[s].slot, 1000000 + s);
		}
	}
	return 0;
}

static int do_print(int argc, char *const *argv)
{
	static struct filter_file file;
	struct errtext err;

	if (argc < 1)
		return usage();
	for (int i = 0; i < argc; i++) {
		size_t n = strlen(argv[i]);
		int r = 0;

		if (n > 7 && strcmp(argv[i] + n - 7, ".policy") == 0) {
			r = load_policy(argv[i], &policies[0]);
			if (r == 0)
				print_policy(&policies[0]);
		} else {
			r = filter_file_read(&file, argv[i], &err);
			if (r < 0)
				log_err("%s: %s", argv[i], err.text);
			else
				r = print_compiled(&file);
		}
		if (r)
			return 2;
	}
	return 0;
}

static int do_show(int argc, char *const *argv)
{
	bool all = argc > 0 && strcmp(argv[0], "--all") == 0;
	uint64_t pid;

	if (argc != 1 + all || num_u64(argv[all], strlen(argv[all]), 1, INT32_MAX, &pid) < 0)
		return usage();
	return trace_show((int)pid, all);
}

static int do_trace(int argc, char *const *argv)
{
	return argc < 2 ? usage() : trace_run(argv[0], argv + 1);
}

static int do_report(int argc, char *const *argv)
{
	int n = 0;

	while (n < argc && strcmp(argv[n], "--") != 0)
		n++;
	if (n == argc)
		return usage();
	if (load_all(argv, (unsigned)n, false) < 0)
		return 2;
	return report(policies, argv, (unsigned)n, argv + n + 1, (unsigned)(argc - n - 1));
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		int (*run)(int argc, char *const *argv);
	} verbs[] = {{"c", do_c},	{"compile", do_compile}, {"print", do_print},
		     {"show", do_show}, {"trace", do_trace},	 {"report", do_report}};

	log_init("mayfly-seccomp", NULL);
	for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 2, argv + 2);
	return usage();
}
