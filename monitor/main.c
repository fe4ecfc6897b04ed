/* SPDX-License-Identifier: MIT
 *
 * main.c: mayfly-monitor from exec to exit: options, one VM, its exit code. The only file that ends
 * the process. Exit codes: the guest's own (0-255); 2 usage, configuration or host; 134 the guest
 * crashed; 128+n stopped.
 */
#include <errno.h>
#include <unistd.h>

#include "lib/log.h"
#include "monitor/config.h"
#include "monitor/opts.h"
#include "monitor/signals.h"
#include "monitor/vm.h"

static struct vm vm; /* zero: costs no page until used */

static int run(const struct vm_config *cfg, uint64_t t_start)
{
	char err[512];

	uint64_t t_config = vm_now();
	signals_init();
	int r = vm_create(&vm, cfg, err, sizeof err);
	vm.m.t_start = t_start;
	vm.m.t_config = t_config;
	if (r) {
		log_err("%s", err);
		vm_destroy(&vm);
		return 2;
	}
	int code = vm_run(&vm);
	if (cfg->boot_timer && !vm.boot_reported)
		report_boot(&vm, true);
	if (cfg->metrics)
		report_metrics(&vm);
	vm_destroy(&vm);
	return code;
}

int main(int argc, char *argv[])
{
	static struct vm_config cfg;
	static struct opts opts;
	uint64_t t_start = vm_now();
	struct config_err err;

	log_init("mayfly-monitor", NULL);
	int action = opts_parse(argc, argv, &cfg, &opts, &err);
	if (action < 0) {
		log_err("%s", err.text);
		config_fini(&cfg);
		return 2;
	}
	log_init("mayfly-monitor", cfg.id);
	int code = 0;
	if (action == OPTS_RUN) {
		code = run(&cfg, t_start);
	} else {
		int r = opts_answer(&opts, &cfg, stdout);

		if (r) {
			log_err("cannot print: %s", strerror(-r));
			code = 2;
		}
	}
	config_fini(&cfg);
	return code;
}
