/* SPDX-License-Identifier: MIT
 *
 * report.c: --boot-timer and --metrics. Guest stages come from TSC stamps in the shared page: no
 * exit was spent on them; they are the guest's word and are only printed. vCPU thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/log.h"
#include "monitor/metrics_json.h"
#include "monitor/serve/serve.h"
#include "monitor/snapshot/rewind.h"
#include "monitor/virtio/blk.h"
#include "monitor/virtio/net.h"
#include "monitor/vm.h"

/* A guest stamp as host CLOCK_MONOTONIC ns, 0 when not reached or nonsense. */
uint64_t report_mark_ns(const struct vm *vm, enum uk_mark mark)
{
	uint64_t tsc = vm->shared ? __atomic_load_n(&vm->shared->mark[mark], __ATOMIC_RELAXED) : 0;
	const struct uk_boot *l = &vm->layout;

	if (tsc < l->tsc0 || !l->tsc_hz)
		return 0;
	return l->mono0 + (uint64_t)((unsigned __int128)(tsc - l->tsc0) * 1000000000u / l->tsc_hz);
}

static void take_marks(struct vm *vm)
{
	vm->m.t_guest_entry = report_mark_ns(vm, UK_MARK_ENTRY);
	vm->m.t_guest_main = report_mark_ns(vm, UK_MARK_MAIN);
	vm->m.t_guest_listen = report_mark_ns(vm, UK_MARK_LISTEN);
}

int report_open(struct vm *vm, char *err, size_t errlen)
{
	vm->report = (struct metrics_out){.fd = -1, .rollup = -1};
	if (vm->cfg->metrics) {
		int r = metrics_open(&vm->report, vm->cfg->metrics);

		if (r < 0)
			snprintf(err, errlen, "--metrics %s: %s", vm->cfg->metrics, strerror(-r));
		return r;
	}
	if (vm->cfg->boot_timer)
		vm->report.rollup = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	return 0;
}

void report_close(struct vm *vm)
{
	metrics_close(&vm->report);
}

/* Proportional set size of this process in KiB, 0 when the kernel will not say. */
static uint64_t pss_kib(const struct vm *vm)
{
	char text[2048];

	return metrics_rollup(vm->report.rollup, text, sizeof text) ? 0 : metrics_pss_kib(text);
}

void report_boot(struct vm *vm, bool at_exit)
{
	struct vm_metrics *m = &vm->m;
	char line[400];
	size_t n = 0;

	take_marks(vm);
	if (!at_exit && !m->t_guest_listen)
		return;
	vm->boot_reported = true;
	const struct {
		const char *name;
		uint64_t at;
	} stages[] = {
		{"options", m->t_config},
		{"image", m->t_image},
		{"kvm", m->t_kvm},
		{"entered", m->t_enter},
		{"guest", m->t_guest_entry},
		{"main", m->t_guest_main},
		{"listening", m->t_guest_listen},
		{"exit", at_exit ? m->t_exit : 0},
	};
	for (unsigned i = 0; i < sizeof stages / sizeof *stages; i++)
		if (stages[i].at >= m->t_start)
			n += (size_t)snprintf(line + n, sizeof line - n, "%s%s %lu us",
					      n ? ", " : "", stages[i].name,
					      (stages[i].at - m->t_start) / 1000);
	uint64_t pss = pss_kib(vm);
	struct rusage u = {0};
	if (!pss) /* no /proc in a jail: what the kernel tells without */
		getrusage(RUSAGE_SELF, &u);
	log_info("boot: %s; memory %lu KiB %s", line, pss ? pss : (uint64_t)u.ru_maxrss,
		 pss ? "PSS" : "RSS");
}

void report_fill(const struct vm *vm, struct metrics_report *rep, struct metrics_dev *devs)
{
	for (unsigned i = 0; i < vm->nslots; i++)
		devs[i] = i < vm->cfg->nblk
				  ? (struct metrics_dev){.id = vm->cfg->blk[i].id,
							 .blk = vblk_metrics(vm->slot[i].dev)}
				  : (struct metrics_dev){.id = vm->cfg->net[i - vm->cfg->nblk].id,
							 .net = vnet_metrics(vm->slot[i].dev)};
	*rep = (struct metrics_report){
		.id = vm->cfg->id,
		.image = image_sharing_name(vm->image.sharing),
		.mem_size = vm->cfg->mem,
		.exit_status = vm->exit_code,
		.vm = &vm->m,
		.devs = devs,
		.ndevs = vm->nslots,
	};
}

void report_metrics(struct vm *vm)
{
	struct metrics_dev devs[UK_MAX_DEVS];
	struct metrics_report rep;

	if (vm->report.fd < 0)
		return;
	take_marks(vm);
	vm->m.console_bytes = vm->console.bytes;
	vm->m.console_dropped = vm->console.dropped;
	report_fill(vm, &rep, devs);
	const struct serve_metrics serve = serve_metrics(vm);
	const struct rewind_metrics rewind = vm_rewind_metrics(vm);
	rep.serve = vm->serve ? &serve : NULL;
	rep.rewind = vm->rewind ? &rewind : NULL;
	int r = metrics_write(&vm->report, &rep);
	if (r)
		log_err("--metrics %s: %s", vm->cfg->metrics, strerror(-r));
}
