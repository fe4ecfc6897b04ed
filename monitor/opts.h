/* SPDX-License-Identifier: MIT
 *
 * opts.h: the command line of mayfly-monitor. One table holds every option: its name, argument,
 * help text and judge. Main thread. Start-up time counts: no allocation on an ordinary command
 * line, no JSON code unless
 * --config-file asks for it.
 */
#ifndef MONITOR_OPTS_H
#define MONITOR_OPTS_H

#include "lib/filter.h"
#include "monitor/config.h"

enum opts_action {
	OPTS_RUN,
	OPTS_WAIT,	 /* --api-sock and no kernel: calls make and start the VM */
	OPTS_STANDBY,	 /* run what comes on opts.standby */
	OPTS_CHECK_HOST, /* print the host's settings; opts.json as JSON */
	OPTS_ANSWER	 /* --help, --version or --dry-run: opts_answer() prints it, then exit 0 */
};

struct opts {
	bool help, version, check_host;
	int standby; /* descriptor, -1: none */
	const char *config_file;
	bool no_api;
	/* Of the process, not of the VM: whoever writes a configuration file cannot turn them off.
	 */
	enum filter_mode seccomp;
	const char *seccomp_policy;
};

/*
 * Before anything else is read: what the options say of seccomp, and what they may lead to: a
 * helper program (user-mode network), clients (--serve), a restored VM, an API, devices. A file
 * could ask for any of them. Mistakes are opts_parse's.
 */
struct opts_early {
	enum filter_mode seccomp;
	const char *seccomp_policy;
	bool helper, serve, restore, api, standby, check_host;
	bool disk, nic, hlt;
	bool save; /* snapshots, and the record of a restored guest's pages */
};
void opts_early(int argc, char *const argv[], struct opts_early *ret);

/*
 * Read the command line, and the configuration file that it names, into cfg (config_init is called
 * here). What is on the command line wins over the file; devices of both are added up. Returns an
 * enum opts_action, or -EINVAL with one line in err, to be logged once; the exit status is then 2.
 * Either way config_fini(cfg) when done.
 */
int opts_parse(int argc, char *const argv[], struct vm_config *cfg, struct opts *ret_opts,
	       struct errtext *err);
/* Print what was asked for instead of running. 0 or -errno. */
int opts_answer(const struct opts *opts, const struct vm_config *cfg, FILE *out);

#endif
