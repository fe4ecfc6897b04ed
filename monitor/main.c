/* SPDX-License-Identifier: MIT
 *
 * main.c: mayfly-monitor from exec to exit: options, one VM, its exit code. The only file that ends
 * the process. Exit codes: the guest's own (0-255); 2 usage, configuration or host; 134 the guest
 * crashed; 128+n stopped.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/relro.h"
#include "monitor/api/front.h"
#include "monitor/check_host.h"
#include "monitor/config.h"
#include "monitor/confine.h"
#include "monitor/opts.h"
#include "monitor/signals.h"
#include "monitor/standby.h"
#include "monitor/vm.h"

static struct vm vm; /* zero: costs no page until used */

/* There only where somebody looks for leaks at the end: then it is worth giving back by hand what
 * the kernel takes back faster. */
extern void __lsan_do_leak_check(void) __attribute__((weak));

/* From the first instruction to the end. */
static int run(struct front *front)
{
	int code = vm_run(&vm);

	if (vm.cfg->boot_timer && !vm.boot_reported)
		report_boot(&vm, true);
	if (vm.cfg->metrics)
		report_metrics(&vm);
	front_stop(front, code);
	vm_devices_leave(&vm);
	/* A narrow filter lets this thread close, free and wait for nothing anyway. */
	if (confine_narrow() || !__lsan_do_leak_check)
		_exit(code);
	vm_destroy(&vm);
	return code;
}

/* A copy that vm_fork made; nothing of its life before goes on. */
static void copy_main(struct vm *copy)
{
	const struct vm_config *cfg = copy->cfg;
	struct front front = {.vm = copy};
	char err[512];

	log_init("mayfly-monitor", cfg->id);
	if (cfg->api_sock && front_start(&front, cfg->api_sock, cfg->id, cfg, err, sizeof err)) {
		log_err("%s", err);
		exit(2);
	}
	if (cfg->start_paused)
		vm_started(copy, true);
	exit(run(&front));
}

/* The command line says what the VM is made of. */
static int create_and_run(struct front *front, const struct vm_config *cfg, uint64_t t_start)
{
	uint64_t t_config = vm_now();
	char err[512];
	int r = vm_create(&vm, cfg, err, sizeof err);

	vm.m.t_start = t_start;
	vm.m.t_config = t_config;
	if (!r && cfg->api_sock)
		r = front_start(front, cfg->api_sock, cfg->id, cfg, err, sizeof err);
	if (!r)
		return run(front);
	log_err("%s", err);
	vm_destroy(&vm);
	return 2;
}

/* A message makes it, when everything is made that does not depend on it. */
static int stand_by_and_run(struct front *front, struct vm_config *cfg, int fd)
{
	struct errtext why;
	char err[512];
	int r = vm_prepare(&vm, err, sizeof err);

	if (!r) {
		r = standby_wait(fd, cfg, &why);
		if (r < 0)
			log_err("--standby: %s", why.text);
		if (r <= 0) {
			vm_destroy(&vm);
			return r < 0 ? 2 : 0;
		}
		log_init("mayfly-monitor", cfg->id);
		uint64_t t_start = vm_now();
		r = vm_create(&vm, cfg, err, sizeof err);
		vm.m.t_start = vm.m.t_config = t_start;
	}
	standby_tell(fd, r ? err : NULL);
	if (!r)
		return run(front);
	log_err("%s", err);
	vm_destroy(&vm);
	return 2;
}

/* API calls make and start it. */
static int wait_and_run(struct front *front, const struct vm_config *cfg)
{
	char err[512];

	if (front_start(front, cfg->api_sock, cfg->id, NULL, err, sizeof err)) {
		log_err("%s", err);
		return 2;
	}
	if (vm_wait_start(&vm))
		return run(front);
	front_stop(front, 128 + SIGTERM);
	return 128 + SIGTERM;
}

/* Where a configuration file in Firecracker's form wants the messages. */
static int open_log(const struct log_config *log)
{
	int r = log->given ? log_open(log->path) : 0;

	if (r)
		log_err("--config-file: logger.log_path: cannot open %s: %s", log->path,
			strerror(-r));
	else if (log->given)
		log_form((enum log_level)log->level, log->show_level,
			 !log->path || log->show_origin);
	return r;
}

/* The first thing of all, so that nothing is read without it. */
static int confine(int argc, char *argv[])
{
	struct opts_early early;
	struct errtext err;

	opts_early(argc, argv, &early);
	int r = confine_setup(&early, &err);
	if (r < 0)
		log_err("%s", err.text);
	return r;
}

int main(int argc, char *argv[])
{
	static struct vm_config cfg;
	static struct opts opts;
	uint64_t t_start = vm_now();
	struct front front = {.vm = &vm, .argc = argc, .argv = argv};
	struct errtext err;

	relro_protect();
	log_init("mayfly-monitor", NULL);
	if (confine(argc, argv) < 0)
		return 2;
	int action = opts_parse(argc, argv, &cfg, &opts, &err);
	if (action < 0) {
		log_err("%s", err.text);
		config_fini(&cfg);
		return 2;
	}
	log_init("mayfly-monitor", cfg.id);
	if (action != OPTS_ANSWER && open_log(&cfg.log)) {
		config_fini(&cfg);
		return 2;
	}
	int code = 0;
	if (action == OPTS_CHECK_HOST) {
		code = check_host("", cfg.json, stdout);
		code = code < 0 ? 2 : code;
	} else if (action == OPTS_ANSWER) {
		int r = opts_answer(&opts, &cfg, stdout);

		if (r) {
			log_err("cannot print: %s", strerror(-r));
			code = 2;
		}
	} else {
		signals_init();
		vm.copy_main = copy_main;
		code = action == OPTS_WAIT	? wait_and_run(&front, &cfg)
		       : action == OPTS_STANDBY ? stand_by_and_run(&front, &cfg, opts.standby)
						: create_and_run(&front, &cfg, t_start);
		front_fini(&front);
	}
	config_fini(&cfg);
	return code;
}
