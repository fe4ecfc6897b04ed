/* SPDX-License-Identifier: MIT
 *
 * opts.c: see opts.h.
 */
#include "monitor/opts.h"

#include <errno.h>
#include <string.h>

#include "lib/num.h"
#include "lib/opt.h"
#include "monitor/config_field.h"
#include "monitor/config_json.h"
#include "monitor/opts_keys.h"
#include "monitor/standby.h"

/* Sanitizers make calls of their own. */
#ifdef __SANITIZE_ADDRESS__
#define OPTS_SECCOMP FILTER_OFF
#else
#define OPTS_SECCOMP FILTER_ON
#endif

/* Options that are keys of the configuration under the same name. */
static int set_key(void *ctx, const char *val, struct errtext *err)
{
	struct opts_ctx *c = ctx;
	struct field_obj obj = {.cfg = c->cfg};

	return vm_fields[field_find(vm_fields, c->name)].set(&obj, val, err);
}

static int set_config_file(void *ctx, const char *val, struct errtext *err)
{
	(void)val; /* read before everything else: opts_parse */
	(void)err;
	return ((struct opts_ctx *)ctx)->opts->config_file ? 0 : -EINVAL;
}

static int set_seccomp(void *ctx, const char *val, struct errtext *err)
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
	struct opts_ctx *c = ctx;

	for (size_t i = 0; i < sizeof vals / sizeof vals[0]; i++)
		if (strcmp(vals[i].opt, c->name) == 0 && strcmp(vals[i].val, val) == 0) {
			c->opts->seccomp = vals[i].mode;
			return 0;
		}
	return config_fail(err, "'%.64s' is not %s", val,
			   strcmp(c->name, "seccomp") ? "0, 1 or 2" : "on, log, off or trace");
}

static int set_seccomp_policy(void *ctx, const char *val, struct errtext *err)
{
	(void)err;
	((struct opts_ctx *)ctx)->opts->seccomp_policy = val;
	return 0;
}

static int set_standby(void *ctx, const char *val, struct errtext *err)
{
	uint64_t n;

	if (num_u64(val, strlen(val), 3, STANDBY_FD - 1, &n) < 0)
		return config_fail(err, "'%.40s' is not a descriptor from 3 to %d", val,
				   STANDBY_FD - 1);
	((struct opts_ctx *)ctx)->opts->standby = (int)n;
	return 0;
}

OPT_FLAG(set_help, struct opts_ctx, opts->help)
OPT_FLAG(set_version, struct opts_ctx, opts->version)
OPT_FLAG(set_check_host, struct opts_ctx, opts->check_host)
OPT_FLAG(set_dry_run, struct opts_ctx, cfg->dry_run)
OPT_FLAG(set_json, struct opts_ctx, cfg->json)
/* Firecracker has an API unless this is said. Here it is only there when --api-sock is said. */
OPT_FLAG(set_no_api, struct opts_ctx, opts->no_api)

static const struct opt_def options[] = {
	{"kernel", "PATH", false, set_key, "image to boot, built with mayfly-cc (required)\n"},
	{"cmdline", "STR", false, set_key,
	 "command line of the guest: NAME=VALUE words, then '--' and the arguments of\n"
	 "its main (default: empty)\n"},
	{"mem", "SIZE", false, set_key,
	 "guest memory, a number with a unit B, K, M or G, 2M to 3G (default: 16M)\n"},
	{"block", "KEYS", true, opts_set_block,
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
	{"net", "KEYS", true, opts_set_net,
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
	{"restore", "KEYS", false, opts_set_restore,
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
	{"snapshot", "KEYS", false, opts_set_snapshot,
	 "write a snapshot when the guest calls mayfly_freeze(), and end. KEYS:\n"
	 "  path=STATE        state file (required)\n"
	 "  mem=FILE          memory file (default: STATE.mem)\n"
	 "  run               go on afterwards\n"},
	{"fork", "KEYS", false, opts_set_fork,
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
_Static_assert(NOPTIONS <= OPT_MAX, "a mask of options fits");

static struct opt_walk walk(int argc, char *const argv[])
{
	return (struct opt_walk){.defs = options, .n = NOPTIONS, .argc = argc, .argv = argv};
}

/*
 * First walk: the form of every option, and what decides how the rest is read. --help and --version
 * are obeyed as soon as they are seen, so that a mistake further on does not hide them.
 */
static int scan(struct opt_walk w, struct opts_ctx *c, struct errtext *err)
{
	const struct opt_def *o;
	const char *val;
	int r;

	while ((r = opt_next(&w, &o, &val, err)) == 1) {
		if (o->set == set_help || o->set == set_version)
			return o->set(c, val, err);
		if (o->set == set_config_file)
			c->opts->config_file = val;
	}
	return r;
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
static int apply(struct opt_walk w, struct opts_ctx *c, bool first, struct errtext *err)
{
	const struct opt_def *o;
	const char *val;
	int r;

	while ((r = opt_next(&w, &o, &val, err)) == 1) {
		if ((o->set == opts_set_restore) != first)
			continue;
		if (is_settled(c->cfg, o->name))
			return config_fail(err,
					   "--%s has no effect with --restore: it is part of "
					   "the snapshot; leave it out",
					   o->name);
		c->name = o->name;
		if (o->set(c, val, err) < 0)
			return errtext_blame(err, -EINVAL, "--%s", o->name);
	}
	return r;
}

/* What one option may lead to. A snapshot says itself what devices there are. */
static void may_lead_to(const struct opt_def *opt, const char *val, struct opts_early *ret)
{
	bool any = opt->set == set_config_file || opt->set == set_standby ||
		   opt->set == opts_set_fork || !strcmp(opt->name, "api-sock");
	bool restore = any || opt->set == opts_set_restore;

	ret->api |= any;
	ret->standby |= any;
	ret->restore |= restore;
	ret->helper |= any || (opt->set == opts_set_net && strstr(val, "user"));
	ret->serve |= any || !strcmp(opt->name, "serve");
	ret->check_host |= !strcmp(opt->name, "check-host");
	ret->disk |= restore || opt->set == opts_set_block;
	ret->nic |= restore || opt->set == opts_set_net;
	ret->hlt |= restore || !strcmp(opt->name, "idle");
	ret->save |= restore || opt->set == opts_set_snapshot;
}

void opts_early(int argc, char *const argv[], struct opts_early *ret)
{
	struct opts o = {.seccomp = OPTS_SECCOMP};
	struct opts_ctx c = {.opts = &o};
	struct opt_walk w = walk(argc, argv);
	const struct opt_def *opt;
	const char *val;
	struct errtext err;

	*ret = (struct opts_early){0};
	while (opt_next(&w, &opt, &val, &err) == 1) {
		c.name = opt->name;
		if (opt->set == set_seccomp || opt->set == set_seccomp_policy)
			(void)opt->set(&c, val, &err);
		may_lead_to(opt, val, ret);
	}
	ret->seccomp = o.seccomp;
	ret->seccomp_policy = o.seccomp_policy;
}

/* What is asked for, of a command line that is right in itself. An enum opts_action or -EINVAL. */
static int decide(const struct vm_config *cfg, const struct opts *o, struct errtext *err)
{
	int r;

	if (o->check_host)
		return OPTS_CHECK_HOST;
	if (cfg->json && !cfg->dry_run)
		return config_fail(err,
				   "--json goes with --dry-run; for counters say --metrics FILE");
	if (o->no_api && cfg->api_sock)
		return config_fail(err, "--no-api contradicts --api-sock");
	if (cfg->api_sock && !cfg->kernel && !o->config_file && !cfg->dry_run)
		return OPTS_WAIT;
	if (o->standby >= 0 && cfg->api_sock)
		return config_fail(err, "--standby and --api-sock are two ways to the same end");
	if (o->standby >= 0 && !cfg->dry_run)
		return OPTS_STANDBY; /* the rest of the configuration is still to come */
	r = config_check(cfg, err);
	return r < 0 ? r : cfg->dry_run ? OPTS_ANSWER : OPTS_RUN;
}

int opts_parse(int argc, char *const argv[], struct vm_config *cfg, struct opts *ret_opts,
	       struct errtext *err)
{
	struct opts_ctx c = {.cfg = cfg, .opts = ret_opts};
	struct opt_walk w = walk(argc, argv);
	int r;

	*ret_opts = (struct opts){.standby = -1, .seccomp = OPTS_SECCOMP};
	config_init(cfg);
	r = scan(w, &c, err);
	if (r < 0)
		return r;
	if (ret_opts->help || ret_opts->version)
		return OPTS_ANSWER;
	if (ret_opts->config_file) {
		r = config_json_load(cfg, ret_opts->config_file, err);
		if (r < 0)
			return field_blame(err, "--config-file", "");
	}
	r = apply(w, &c, true, err);
	r = r < 0 ? r : apply(w, &c, false, err);
	return r < 0 ? r : decide(cfg, ret_opts, err);
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
	opt_print_help(options, NOPTIONS, out);
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
