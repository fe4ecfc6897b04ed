/* SPDX-License-Identifier: MIT
 *
 * opts.c: see opts.h.
 */
#include "monitor/opts.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/kv.h"
#include "lib/near.h"
#include "lib/num.h"
#include "monitor/config_field.h"
#include "monitor/config_json.h"
#include "monitor/standby.h"

/* Sanitizers make calls of their own. */
#ifdef __SANITIZE_ADDRESS__
#define OPTS_SECCOMP FILTER_OFF
#else
#define OPTS_SECCOMP FILTER_ON
#endif

struct parse {
	struct vm_config *cfg;
	struct opts *opts;
	struct config_err *err;
};

struct opt {
	const char *name;
	const char *arg; /* NULL: a flag */
	bool repeats;
	int (*set)(struct parse *p, const char *name,
		   const char *val); /* err without the option's name */
	const char *help;	     /* lines */
};

/* Options that are keys of the configuration under the same name. */
static int set_key(struct parse *p, const char *name, const char *val)
{
	struct field_obj obj = {.cfg = p->cfg};

	return vm_fields[field_find(vm_fields, name)].set(&obj, val, p->err);
}

static int set_device_key(struct parse *p, struct field_obj *obj, const struct field *fields,
			  const char *key, const char *val, unsigned *seen)
{
	int i = field_find(fields, key);

	if (i < 0)
		return field_unknown(fields, key, p->err);
	if (p->cfg->rebind && !(*seen & 1u << i))
		field_rebind(obj, fields[i].name);
	if (!val && fields[i].type != FIELD_FLAG)
		config_fail(p->err, "needs a value: %s=...", fields[i].name);
	else if (*seen & 1u << i && fields[i].type != FIELD_LIST)
		config_fail(p->err, "is there twice");
	else if (fields[i].set(obj, val ? val : "on", p->err) == 0) {
		*seen |= 1u << i;
		return 0;
	}
	return field_blame(p->err, fields[i].name, "");
}

static int set_device(struct parse *p, struct field_obj *obj, const struct field *fields,
		      const char *val)
{
	char item[PATH_MAX + 64];
	const char *key, *text;
	unsigned seen = 0;
	int r;

	while ((r = kv_next(&val, item, sizeof item, &key, &text)) == 1) {
		r = set_device_key(p, obj, fields, key, text, &seen);
		if (r < 0)
			return r;
	}
	if (r == -ENAMETOOLONG)
		return config_fail(p->err, "'%.32s...' is too long", val);
	if (r < 0)
		return config_fail(p->err, "'%.64s' has an empty item; write key=value,key=value",
				   val);
	return 0;
}

/* The id among KEYS, in buf; NULL when there is none (or KEYS are malformed: set_device says so).
 */
static const char *find_id(const char *val, char *buf, size_t len)
{
	const char *key, *text;

	while (kv_next(&val, buf, len, &key, &text) == 1)
		if (text && strcmp(key, "id") == 0)
			return text;
	return NULL;
}

static int set_block(struct parse *p, const char *name, const char *val)
{
	char buf[PATH_MAX + 64];
	struct field_obj obj = {.cfg = p->cfg};

	(void)name;
	obj.blk = p->cfg->rebind ? blk_config_of(p->cfg, find_id(val, buf, sizeof buf), p->err)
				 : blk_config_add(p->cfg, p->err);
	if (!obj.blk || set_device(p, &obj, blk_fields, val) < 0)
		return -EINVAL;
	return blk_config_finish(p->cfg, obj.blk, p->err);
}

static int set_net(struct parse *p, const char *name, const char *val)
{
	char buf[PATH_MAX + 64];
	struct field_obj obj = {.cfg = p->cfg};

	(void)name;
	obj.net = p->cfg->rebind ? net_config_of(p->cfg, find_id(val, buf, sizeof buf), p->err)
				 : net_config_add(p->cfg, p->err);
	if (!obj.net || set_device(p, &obj, net_fields, val) < 0)
		return -EINVAL;
	return net_config_finish(p->cfg, obj.net, p->err);
}

static int set_restore(struct parse *p, const char *name, const char *val)
{
	struct field_obj obj = {.cfg = p->cfg};

	(void)name;
	return set_device(p, &obj, restore_fields, val) < 0 ? -EINVAL
							    : restore_config_finish(p->cfg, p->err);
}

static int set_snapshot(struct parse *p, const char *name, const char *val)
{
	struct field_obj obj = {.cfg = p->cfg};

	(void)name;
	return set_device(p, &obj, snapshot_fields, val) < 0
		       ? -EINVAL
		       : snapshot_config_finish(p->cfg, p->err);
}

static int set_fork(struct parse *p, const char *name, const char *val)
{
	struct field_obj obj = {.cfg = p->cfg};

	(void)name;
	return set_device(p, &obj, fork_fields, val) < 0 ? -EINVAL
							 : fork_config_finish(p->cfg, p->err);
}

static int set_config_file(struct parse *p, const char *name, const char *val)
{
	(void)name;
	(void)val; /* read before everything else: opts_parse */
	return p->opts->config_file ? 0 : -EINVAL;
}

/* Firecracker has an API unless this is said. Here it is only there when --api-sock is said. */
static int set_no_api(struct parse *p, const char *name, const char *val)
{
	(void)name;
	(void)val;
	p->opts->no_api = true;
	return 0;
}

static int set_dry_run(struct parse *p, const char *name, const char *val)
{
	(void)name;
	(void)val;
	p->cfg->dry_run = true;
	return 0;
}

static int set_json(struct parse *p, const char *name, const char *val)
{
	(void)name;
	(void)val;
	p->cfg->json = true;
	return 0;
}

static int set_seccomp(struct parse *p, const char *name, const char *val)
{
	static const struct {
		const char *opt, *val;
		enum filter_mode mode;
	} vals[] = {
		{"seccomp", "on", FILTER_ON},	   {"seccomp", "log", FILTER_LOG},
		{"seccomp", "off", FILTER_OFF},	   {"seccomp", "trace", FILTER_TRACE},
		{"no-seccomp", "on", FILTER_OFF},  {"seccomp-level", "0", FILTER_OFF},
		{"seccomp-level", "1", FILTER_ON}, {"seccomp-level", "2", FILTER_ON},
	};

	for (size_t i = 0; i < sizeof vals / sizeof vals[0]; i++)
		if (strcmp(vals[i].opt, name) == 0 && strcmp(vals[i].val, val) == 0) {
			p->opts->seccomp = vals[i].mode;
			return 0;
		}
	return config_fail(p->err, "'%.64s' is not %s", val,
			   strcmp(name, "seccomp") ? "0, 1 or 2" : "on, log, off or trace");
}

static int set_seccomp_policy(struct parse *p, const char *name, const char *val)
{
	(void)name;
	p->opts->seccomp_policy = val;
	return 0;
}

static int set_help(struct parse *p, const char *name, const char *val)
{
	(void)name;
	(void)val;
	p->opts->help = true;
	return 0;
}

static int set_version(struct parse *p, const char *name, const char *val)
{
	(void)name;
	(void)val;
	p->opts->version = true;
	return 0;
}

static int set_check_host(struct parse *p, const char *name, const char *val)
{
	(void)name;
	(void)val;
	p->opts->check_host = true;
	return 0;
}

static int set_standby(struct parse *p, const char *name, const char *val)
{
	uint64_t n;

	(void)name;
	if (num_u64(val, strlen(val), 3, STANDBY_FD - 1, &n) < 0)
		return config_fail(p->err, "'%.40s' is not a descriptor from 3 to %d", val,
				   STANDBY_FD - 1);
	p->opts->standby = (int)n;
	return 0;
}

static const struct opt options[] = {
	{"kernel", "PATH", false, set_key, "image to boot, built with mayfly-cc (required)\n"},
	{"cmdline", "STR", false, set_key,
	 "command line of the guest: NAME=VALUE words, then '--' and the arguments of\n"
	 "its main (default: empty)\n"},
	{"mem", "SIZE", false, set_key,
	 "guest memory, a number with a unit B, K, M or G, 2M to 3G (default: 16M)\n"},
	{"block", "KEYS", true, set_block,
	 "a disk; may be repeated, at most 4. KEYS, separated by commas:\n"
	 "  path=FILE         raw image file or block device (required)\n"
	 "  id=NAME           its name in logs, metrics and GET_ID (default: blk0, ...)\n"
	 "  ro                read-only\n"
	 "  direct            open it with O_DIRECT\n"
	 "  overlay=mem | overlay=FILE\n"
	 "                    leave path as it is; what is written goes to memory or FILE\n"
	 "  overlay-max=SIZE  as much of it at most (default: 64M in memory, no limit in a\n"
	 "                    file)\n"
	 "  queues=N          request queues, 1 to 8 (default: 1)\n"
	 "  bw=SIZE[+BURST]/TIME, ops=NUMBER[+BURST]/TIME\n"
	 "                    limit bytes and requests: SIZE each TIME (in ms or s), BURST\n"
	 "                    once on top, such as 10M/1s (default: no limit)\n"},
	{"net", "KEYS", true, set_net,
	 "a network interface; may be repeated, at most 4. KEYS:\n"
	 "  tap=NAME | user | fd=N\n"
	 "                    host side: a tap device, the rootless user-mode network, or\n"
	 "                    an open tap or packet socket handed over (one is required)\n"
	 "  id=NAME           its name in logs and metrics (default: eth0, ...)\n"
	 "  mac=ADDRESS       (default: a random local one)\n"
	 "  mtu=N             68 to 65535 (default: 1500)\n"
	 "  ip=ADDR/PREFIX, gw=ADDR, dns=ADDR\n"
	 "                    with --restore: the guest's addresses from now on\n"
	 "  fwd=[udp:][ADDR:]HOSTPORT:GUESTPORT\n"
	 "                    with user: forward a host port, on 127.0.0.1 unless ADDR is\n"
	 "                    given; may be repeated\n"
	 "  host-loopback     with user: the guest reaches the host's 127.0.0.1 as 10.0.2.2\n"
	 "  antispoof         drop frames with a source MAC or IP that is not the guest's\n"
	 "  addr=IP           with antispoof: an address of the guest; may be repeated\n"
	 "  allow=ADDR[/PREFIX][:PORT[-PORT]][/tcp|/udp|/icmp]\n"
	 "                    drop what goes anywhere else; may be repeated; 'none' allows\n"
	 "                    nothing (default: no limit)\n"
	 "  rx-bw=, rx-ops=, tx-bw=, tx-ops=\n"
	 "                    limit bytes and frames to and from the guest, as for a disk\n"
	 "                    (default: no limit)\n"},
	{"restore", "KEYS", false, set_restore,
	 "start from a snapshot instead of a kernel. --block and --net then re-bind its\n"
	 "devices, found by id; what is not said stays as it was. KEYS:\n"
	 "  path=STATE        its state file (required)\n"
	 "  mem=FILE          its memory file (default: STATE.mem)\n"
	 "  base=STATE        of a diff: the full snapshot below it;  base_mem=FILE\n"
	 "  key=FILE          Ed25519 public key: only a signed snapshot is taken\n"
	 "  sig=FILE          its signature (default: STATE.sig)\n"
	 "  verify=MODE       how far the memory file is checked: none, full, copy, lazy\n"
	 "                    or auto (default: auto; docs/snapshots.md)\n"
	 "  prefetch=off      neither load nor record the working set, STATE.ws\n"},
	{"snapshot", "KEYS", false, set_snapshot,
	 "write a snapshot when the guest calls mayfly_freeze(), and end. KEYS:\n"
	 "  path=STATE        state file (required)\n"
	 "  mem=FILE          memory file (default: STATE.mem)\n"
	 "  run               go on afterwards\n"},
	{"fork", "KEYS", false, set_fork,
	 "when the guest calls mayfly_freeze(), make running copies of it that share its\n"
	 "memory, and go on. %d in a value is a copy's number, from 1. KEYS:\n"
	 "  n=N               how many, at most 1024 (required)\n"
	 "  id=, console=, metrics=, hostname=, tap=\n"
	 "                    whose they are (default: no id, this console, no metrics,\n"
	 "                    the same host name); tap is the first interface's\n"},
	{"track-dirty", NULL, false, set_key,
	 "log which pages are written, so that diff snapshots can be taken\n"},
	{"hostname", "NAME", false, set_key, "with --restore: the guest's name from now on\n"},
	{"env", "NAME=VALUE", true, set_key,
	 "with --restore: handed to the guest as it goes on; may be repeated\n"},
	{"config-file", "FILE", false, set_config_file,
	 "read the same things from a JSON file, '-' = standard input. What is on the\n"
	 "command line wins, devices are added\n"},
	{"api-sock", "PATH", false, set_key,
	 "take API calls on a unix socket at PATH (docs/api.md). Without --kernel and\n"
	 "--config-file the VM is made and started by calls (default: no API)\n"},
	{"no-api", NULL, false, set_no_api, "no API, as is the default; for Firecracker's users\n"},
	{"id", "NAME", false, set_key, "name of the VM in logs and metrics (default: none)\n"},
	{"console", "FILE", false, set_key,
	 "where the guest's output goes, '-' = standard output (default: -)\n"},
	{"metrics", "FILE", false, set_key,
	 "write counters as JSON at the end and on SIGUSR1, '-' = standard output\n"
	 "(default: no)\n"},
	{"boot-timer", NULL, false, set_key, "print when each stage of the boot was reached\n"},
	{"idle", "MODE", false, set_key,
	 "how the guest idles: exit (to the monitor, one thread does everything), hlt\n"
	 "(inside KVM, with an I/O thread) or auto (default: auto)\n"},
	{"serve", "ADDR", false, set_key,
	 "take HTTP requests at ADDR and give each to the guest, which is put back\n"
	 "afterwards to where it called mayfly_ready(): a clean VM for every request.\n"
	 "ADDR: PORT (on 127.0.0.1), IP:PORT, unix:PATH, or fd:N, a listening socket\n"},
	{"serve-timeout", "MS", false, set_key,
	 "how long one request may take in the guest, ms; 0 = no limit (default: 30000)\n"},
	{"standby", "N", false, set_standby,
	 "make KVM's objects, then wait on descriptor N, a SOCK_SEQPACKET socket, for the\n"
	 "configuration and the VM's open files (docs/pool.md)\n"},
	{"check-host", NULL, false, set_check_host,
	 "print the host's settings that decide what VMs can learn from each other, each\n"
	 "with its fix; exit status 1 when one wants attention\n"},
	{"seccomp", "MODE", false, set_seccomp,
	 "what happens to system calls that the monitor has no need for: on (they kill it),\n"
	 "log (they are logged and done), off, trace (default: on; off with --serve,\n"
	 "--api-sock, --restore, --snapshot, --fork and --standby)\n"},
	{"no-seccomp", NULL, false, set_seccomp, "the same as --seccomp off\n"},
	{"seccomp-level", "N", false, set_seccomp, "0 is off, 1 and 2 are on\n"},
	{"seccomp-policy", "FILE", false, set_seccomp_policy,
	 "narrow filters made by 'mayfly-seccomp compile' instead of the built-in ones\n"},
	{"dry-run", NULL, false, set_dry_run, "check and print the configuration, run nothing\n"},
	{"json", NULL, false, set_json,
	 "with --dry-run: print it as JSON that --config-file reads; with --check-host: as JSON\n"},
	{"help", NULL, false, set_help, "this text\n"},
	{"version", NULL, false, set_version, "print the version\n"},
};

#define NOPTIONS (sizeof options / sizeof options[0])
_Static_assert(NOPTIONS <= 32, "a mask of options fits");

static int unknown_option(const char *name, struct config_err *err)
{
	const char *best = NULL;
	size_t best_d = 4;

	for (size_t i = 0; i < NOPTIONS; i++) {
		size_t d = near_distance(name, options[i].name, 3);

		if (d < best_d && d < strlen(options[i].name)) {
			best_d = d;
			best = options[i].name;
		}
	}
	if (best)
		return config_fail(err, "unknown option '--%.64s'; did you mean '--%s'?", name,
				   best);
	return config_fail(err, "unknown option '--%.64s'; see --help", name);
}

static const struct opt *find_option(const char *arg, const char *eq, struct config_err *err)
{
	char name[72];

	snprintf(name, sizeof name, "%.*s", (int)(eq - arg < 70 ? eq - arg : 70), arg);
	for (size_t i = 0; i < NOPTIONS; i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	unknown_option(name, err);
	return NULL;
}

/* The option at argv[*i] and its value, which may be the next argument: then *i moves on. NULL with
 * err filled in. */
static const struct opt *next_option(int argc, char *const argv[], int *i, const char **ret_val,
				     struct config_err *err)
{
	const char *arg = argv[*i], *eq;
	const struct opt *o;

	if (strncmp(arg, "--", 2) != 0 || arg[2] == '\0') {
		config_fail(err, "unexpected argument '%.64s'; options start with '--', see --help",
			    arg);
		return NULL;
	}
	eq = strchrnul(arg, '=');
	o = find_option(arg + 2, eq, err);
	if (!o)
		return NULL;
	*ret_val = *eq ? eq + 1 : "on";
	if (!o->arg && *eq) {
		config_fail(err, "--%s takes no value", o->name);
		return NULL;
	}
	if (o->arg && !*eq) {
		if (*i + 1 >= argc) {
			config_fail(err, "--%s needs a value: --%s %s", o->name, o->name, o->arg);
			return NULL;
		}
		*ret_val = argv[++*i];
	}
	return o;
}

/*
 * First walk: the form of every option, and what decides how the rest is read. --help and --version
 * are obeyed as soon as they are seen, so that a mistake further on does not hide them.
 */
static int scan(int argc, char *const argv[], struct parse *p)
{
	uint32_t seen = 0;

	for (int i = 1; i < argc; i++) {
		const char *val = NULL;
		const struct opt *o = next_option(argc, argv, &i, &val, p->err);
		uint32_t bit;

		if (!o)
			return -EINVAL;
		bit = UINT32_C(1) << (o - options);
		if (seen & bit && !o->repeats)
			return config_fail(p->err, "--%s is there twice", o->name);
		seen |= bit;
		if (o->set == set_help || o->set == set_version)
			return o->set(p, o->name, val);
		if (o->set == set_config_file)
			p->opts->config_file = val;
	}
	return 0;
}

/* What a snapshot says once and for all. */
static bool is_settled(const struct vm_config *cfg, const char *name)
{
	static const char *const settled[] = {"kernel", "cmdline", "mem", "idle"};

	for (size_t i = 0; cfg->rebind && i < sizeof settled / sizeof *settled; i++)
		if (strcmp(name, settled[i]) == 0)
			return true;
	return false;
}

/* first: only --restore, whose configuration the others change. */
static int apply(int argc, char *const argv[], struct parse *p, bool first)
{
	for (int i = 1; i < argc; i++) {
		const char *val = NULL;
		const struct opt *o = next_option(argc, argv, &i, &val, p->err);
		char name[24];

		if (!o)
			return -EINVAL;
		if ((o->set == set_restore) != first)
			continue;
		if (is_settled(p->cfg, o->name))
			return config_fail(p->err,
					   "--%s has no effect with --restore: it is part of "
					   "the snapshot; leave it out",
					   o->name);
		if (o->set(p, o->name, val) < 0) {
			snprintf(name, sizeof name, "--%s", o->name);
			return field_blame(p->err, name, "");
		}
	}
	return 0;
}

/* What one option may lead to. A snapshot says itself what devices there are. */
static void may_lead_to(const struct opt *opt, const char *val, struct opts_early *ret)
{
	bool any = opt->set == set_config_file || opt->set == set_standby || opt->set == set_fork ||
		   !strcmp(opt->name, "api-sock");
	bool restore = any || opt->set == set_restore;

	ret->api |= any;
	ret->standby |= any;
	ret->restore |= restore;
	ret->helper |= any || (opt->set == set_net && strstr(val, "user"));
	ret->serve |= any || !strcmp(opt->name, "serve");
	ret->check_host |= !strcmp(opt->name, "check-host");
	ret->disk |= restore || opt->set == set_block;
	ret->nic |= restore || opt->set == set_net;
	ret->hlt |= restore || !strcmp(opt->name, "idle");
	ret->save |= restore || opt->set == set_snapshot;
}

void opts_early(int argc, char *const argv[], struct opts_early *ret)
{
	struct opts o = {.seccomp = OPTS_SECCOMP};
	struct config_err err;
	struct parse p = {.opts = &o, .err = &err};

	*ret = (struct opts_early){0};
	for (int i = 1; i < argc; i++) {
		const char *val = NULL;
		const struct opt *opt = next_option(argc, argv, &i, &val, &err);

		if (!opt)
			break;
		if (opt->set == set_seccomp || opt->set == set_seccomp_policy)
			(void)opt->set(&p, opt->name, val);
		may_lead_to(opt, val, ret);
	}
	ret->seccomp = o.seccomp;
	ret->seccomp_policy = o.seccomp_policy;
}

int opts_parse(int argc, char *const argv[], struct vm_config *cfg, struct opts *ret_opts,
	       struct config_err *err)
{
	struct parse p = {.cfg = cfg, .opts = ret_opts, .err = err};
	int r;

	*ret_opts = (struct opts){.standby = -1, .seccomp = OPTS_SECCOMP};
	config_init(cfg);
	r = scan(argc, argv, &p);
	if (r < 0)
		return r;
	if (ret_opts->help || ret_opts->version)
		return OPTS_ANSWER;
	if (ret_opts->config_file) {
		r = config_json_load(cfg, ret_opts->config_file, err);
		if (r < 0)
			return field_blame(err, "--config-file", "");
	}
	r = apply(argc, argv, &p, true);
	r = r < 0 ? r : apply(argc, argv, &p, false);
	if (r < 0)
		return r;
	if (ret_opts->check_host)
		return OPTS_CHECK_HOST;
	if (cfg->json && !cfg->dry_run)
		return config_fail(err,
				   "--json goes with --dry-run; for counters say --metrics FILE");
	if (ret_opts->no_api && cfg->api_sock)
		return config_fail(err, "--no-api contradicts --api-sock");
	if (cfg->api_sock && !cfg->kernel && !ret_opts->config_file && !cfg->dry_run)
		return OPTS_WAIT;
	if (ret_opts->standby >= 0 && cfg->api_sock)
		return config_fail(err, "--standby and --api-sock are two ways to the same end");
	if (ret_opts->standby >= 0 && !cfg->dry_run)
		return OPTS_STANDBY; /* the rest of the configuration is still to come */
	r = config_check(cfg, err);
	return r < 0 ? r : cfg->dry_run ? OPTS_ANSWER : OPTS_RUN;
}

static void print_help(FILE *out)
{
	fputs("usage: mayfly-monitor --kernel PATH [OPTION]...\n"
	      "       mayfly-monitor --restore path=STATE [OPTION]...\n"
	      "\n"
	      "Boot one unikernel as a virtual machine and stay until it ends.\n"
	      "\n"
	      "Options (--name VALUE or --name=VALUE):\n",
	      out);
	for (size_t i = 0; i < NOPTIONS; i++) {
		const struct opt *o = &options[i];

		fprintf(out, "  --%s%s%s\n", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		for (const char *line = o->help; *line;) {
			const char *end = strchrnul(line, '\n');

			fprintf(out, "        %.*s\n", (int)(end - line), line);
			line = *end ? end + 1 : end;
		}
	}
	fputs("\n"
	      "In KEYS two commas stand for one comma that belongs to a value.\n"
	      "\n"
	      "Examples:\n"
	      "  mayfly-monitor --kernel hello\n"
	      "  mayfly-monitor --kernel httpd --mem 8M --block id=root,path=site.img,ro \\\n"
	      "                 --net user,fwd=8080:80 --cmdline '-- -p 80'\n"
	      "  mayfly-monitor --kernel httpd --net "
	      "tap=tap0,antispoof,addr=10.0.0.2,allow=10.0.0.0/24\n"
	      "  mayfly-monitor --config-file vm.json --id web-1 --metrics web-1.json\n"
	      "\n"
	      "Exit status:\n"
	      "  0-255  of the guest's program, but:\n"
	      "  2      usage, configuration or host problem: one line on standard error says "
	      "which\n"
	      "  134    the guest crashed\n"
	      "  128+N  stopped by signal N (130 = Ctrl-C, 143 = SIGTERM)\n"
	      "\n"
	      "Signals: SIGTERM and SIGINT stop the VM and flush its disks; SIGUSR1 writes the "
	      "metrics.\n",
	      out);
}

int opts_answer(const struct opts *opts, const struct vm_config *cfg, FILE *out)
{
	int r = 0;

	if (opts->help)
		print_help(out);
	else if (opts->version)
		fputs("mayfly-monitor " MAYFLY_VERSION "\n", out);
	else if (cfg->json)
		r = config_json_print(cfg, out);
	else
		config_print(cfg, out);
	if (r == 0 && (fflush(out) != 0 || ferror(out)))
		r = -EIO;
	return r;
}
