/* SPDX-License-Identifier: MIT
 *
 * prom.c: see prom.h. Names: mayfly_vm_exits_total, mayfly_block_read_bytes_total{drive="root"};
 * docs/metrics.md says what each counts.
 */
#include "monitor/api/prom.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/buf.h"
#include "monitor/metrics_json.h"
#include "monitor/vm.h"

#define TEXT_MAX 65536

struct out {
	struct buf b;
	const char *last; /* the counter that has its TYPE line */
	const char *vm_id;
};

/* A label's value needs '"', '\' and line ends escaped; ids have none of them. */
static void put(void *arg, const char *group, const char *name, const char *id,
		unsigned long long value)
{
	struct out *o = arg;
	bool time = !strcmp(group, "time");
	const char *unit = time ? "_ns" : "_total";
	const char *device = !strcmp(group, "block") ? ",drive=\"" : ",interface=\"";

	if (o->last != name)
		buf_printf(&o->b, "# TYPE mayfly_%s_%s%s %s\n", group, name, unit,
			   time ? "gauge" : "counter");
	o->last = name;
	buf_printf(&o->b, "mayfly_%s_%s%s{vm=\"%s\"%s%s%s} %llu\n", group, name, unit, o->vm_id,
		   id ? device : "", id ? id : "", id ? "\"" : "", value);
}

static void gauge(struct out *o, const char *name, unsigned long long value)
{
	buf_printf(&o->b, "# TYPE mayfly_%s gauge\nmayfly_%s{vm=\"%s\"} %llu\n", name, name,
		   o->vm_id, value);
}

static void put_process(struct out *o)
{
	struct rusage ru;

	if (getrusage(RUSAGE_SELF, &ru))
		return;
	gauge(o, "process_cpu_user_us",
	      (unsigned long long)ru.ru_utime.tv_sec * 1000000 + (unsigned)ru.ru_utime.tv_usec);
	gauge(o, "process_cpu_system_us",
	      (unsigned long long)ru.ru_stime.tv_sec * 1000000 + (unsigned)ru.ru_stime.tv_usec);
	gauge(o, "process_max_rss_kib", (unsigned long long)ru.ru_maxrss);
}

char *prom_text(const struct vm *vm, size_t *ret_len)
{
	/* malloc() would map and unmap this much each time, which the vCPU's thread feels. */
	static char *text;
	struct out o = {.vm_id = vm->cfg && vm->cfg->id ? vm->cfg->id : ""};

	text = text ? text : malloc(TEXT_MAX);
	if (!text)
		return NULL;
	buf_init(&o.b, text, TEXT_MAX);
	gauge(&o, "phase", vm_phase(vm));
	put_process(&o);
	if (vm->cfg) {
		struct metrics_dev devs[UK_MAX_DEVS];
		struct metrics_report rep;

		report_fill(vm, &rep, devs);
		gauge(&o, "memory_bytes", rep.mem_size);
		metrics_each(&rep, put, &o);
	}
	*ret_len = o.b.len;
	return strdup(text);
}
