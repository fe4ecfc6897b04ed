/* SPDX-License-Identifier: MIT
 *
 * main.c: mayfly-snapshot: looks at snapshots, checks them, packs, unpacks and merges them. A
 * program of its own, so that the monitor, which is in the jail with the guest, has no decompressor
 * and restores by mapping files. Run by whoever owns the snapshots; reads files that may be
 * anybody's. One thread. Exit status: 0; 1: refused or failed, one line on standard error says why;
 * 2: the command line is none.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/num.h"
#include "lib/opt.h"
#include "monitor/snapshot/tool/command.h"
#include "monitor/snapshot/tool/packed.h"

#define MAX_LEVEL 19u

static const char synopsis[] =
	"usage: mayfly-snapshot info   STATE|PACKED [--json] [--key FILE]\n"
	"       mayfly-snapshot verify STATE|PACKED [--key FILE] [--mem FILE]\n"
	"       mayfly-snapshot pack   STATE PACKED [--level N] [--key FILE] [--mem FILE]\n"
	"       mayfly-snapshot unpack PACKED STATE [--limit SIZE] [--key FILE] [--mem FILE]\n"
	"       mayfly-snapshot merge  DIFF FULL STATE [--key FILE] [--mem FILE]\n";

static const char about[] =
	"\n"
	"info     what the snapshot is: kind, id, machine, devices, sizes\n"
	"verify   every byte against the hash tree, and with --key the signature\n"
	"pack     both files, and STATE.sig if it is there, into one compressed file\n"
	"unpack   and back, byte for byte; a snapshot of that name is replaced in one step\n"
	"merge    a diff and the full snapshot below it become one full snapshot\n"
	"\n"
	"PACKED may be -, standard input or output.\n"
	"\n";

static int set_key(void *ctx, const char *val, struct errtext *err)
{
	(void)err;
	((struct command *)ctx)->key = val;
	return 0;
}

static int set_sig(void *ctx, const char *val, struct errtext *err)
{
	(void)err;
	((struct command *)ctx)->sig = val;
	return 0;
}

static int set_mem(void *ctx, const char *val, struct errtext *err)
{
	(void)err;
	((struct command *)ctx)->mem = val;
	return 0;
}

static int set_level(void *ctx, const char *val, struct errtext *err)
{
	uint64_t n;

	if (num_u64(val, strlen(val), 1, MAX_LEVEL, &n))
		return errtext_set(err, -EINVAL, "'%.32s' is no level from 1 to %u", val,
				   MAX_LEVEL);
	((struct command *)ctx)->level = (int)n;
	return 0;
}

static int set_limit(void *ctx, const char *val, struct errtext *err)
{
	struct command *c = ctx;

	if (num_size(val, &c->limit) || !c->limit)
		return errtext_set(err, -EINVAL, "'%.32s' is no size with its unit, like 512M",
				   val);
	return 0;
}

OPT_FLAG(set_json, struct command, json)

static const struct opt_def options[] = {
	{"key", "FILE", false, set_key,
	 "believe only what the holder of this Ed25519 key has signed: its public half, DER or 32\n"
	 "bytes. Checked before anything in the snapshot is looked at"},
	{"sig", "FILE", false, set_sig, "the signature's file (default: STATE.sig)"},
	{"mem", "FILE", false, set_mem, "the memory file (default: STATE.mem)"},
	{"level", "N", false, set_level, "pack: of zstd, 1 to 19 (default: 3)"},
	{"limit", "SIZE", false, set_limit,
	 "unpack: refuse what would take more than this, before anything is written; without it\n"
	 "what does not fit on the file system is refused"},
	{"json", NULL, false, set_json, "info: as JSON"},
};
#define NOPTIONS (sizeof options / sizeof *options)

static const struct verb {
	const char *name;
	int nargs;
	int (*run)(const struct command *c, char *err, size_t errlen);
} verbs[] = {
	{"info", 1, command_info},     {"verify", 1, command_verify}, {"pack", 2, command_pack},
	{"unpack", 2, command_unpack}, {"merge", 3, command_merge},
};

static int usage(const char *what, const char *arg)
{
	log_err("%s%.64s; see --help", what, arg);
	return 2;
}

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static bool is_option(const char *arg)
{
	return strncmp(arg, "--", 2) == 0;
}

int main(int argc, char *argv[])
{
	struct command c = {.level = PACKED_LEVEL};
	const char *what = argc > 1 ? argv[1] : "";
	char text[1024] = "";
	struct errtext err;
	int rest, n = 0;

	log_init("mayfly-snapshot", NULL);
	if (strcmp(what, "--help") == 0 || strcmp(what, "--version") == 0) {
		if (what[2] == 'v')
			return puts("mayfly-snapshot " MAYFLY_VERSION) < 0;
		printf("%s%s", synopsis, about);
		opt_print_help(options, NOPTIONS, stdout);
		return 0;
	}
	const struct verb *v = find(what);

	if (!v)
		return usage(argc > 1 ? "unknown command " : "no command", what);
	while (n < v->nargs && 2 + n < argc && !is_option(argv[2 + n])) {
		c.arg[n] = argv[2 + n];
		n++;
	}
	if (n < v->nargs)
		return usage("too few files for ", v->name);
	if (opt_parse(options, NOPTIONS, argc - 1 - n, argv + 1 + n, &c, &rest, &err)) {
		log_err("%s", err.text);
		return 2;
	}
	if (v->run(&c, text, sizeof text) < 0) {
		log_err("%s", text);
		return 1;
	}
	if (*text)
		puts(text);
	return fflush(stdout) || ferror(stdout);
}
