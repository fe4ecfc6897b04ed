/* SPDX-License-Identifier: MIT
 *
 * plan_print.c: a plan as text for people and as JSON for programs. Main thread.
 */
#include <errno.h>

#include "jailer/apply.h"
#include "jailer/plan.h"
#include "lib/buf.h"

static const char *net_name(const struct jail_plan *p)
{
	return p->net == NET_NEW ? "new" : p->net == NET_HOST ? "host" : p->opts->netns;
}

static void text_groups(const struct jail_plan *p, struct buf *b)
{
	for (unsigned i = 0; i < p->ngroups; i++) {
		const struct plan_group *g = &p->groups[i];

		buf_printf(b, "cgroup        %s/%s/%s (v%d)\n", g->mount->dir, p->parent,
			   p->opts->id, g->mount->v2 ? 2 : 1);
		for (unsigned k = 0; k < p->nlines; k++)
			if (g->lines & UINT64_C(1) << k)
				buf_printf(b, "                %s = %s\n", p->lines[k].file,
					   p->lines[k].value);
	}
}

static void text(const struct jail_plan *p, struct buf *b)
{
	const struct jail_opts *o = p->opts;
	const char *step;

	buf_printf(b, "jail          %s\n", o->id);
	buf_printf(b, "program      ");
	for (unsigned i = 0; p->argv[i]; i++)
		buf_printf(b, " %s", p->argv[i]);
	buf_printf(b, "\n                from %s%s\n", o->exec_file,
		   p->exec_fd >= 0 ? ", in its place the sealed memfd handed over" : "");
	buf_printf(b, "user          %u:%u%s\n", p->uid, p->gid,
		   o->userns ? " in a user namespace" : "");
	buf_printf(b, "record        %s/%s/%s.jail\n", p->base, p->program, o->id);
	text_groups(p, b);
	buf_printf(b, "network       %s\n", net_name(p));
	for (int i = 0; i < HOST_DEVS; i++)
		if (i != DEV_UFFD || o->userfaultfd)
			buf_printf(b, "device        %s%s\n", host_dev_path((enum host_dev)i),
				   p->host->devs[i].present ? "" : " (the host has none)");
	for (unsigned i = 0; i < o->nbinds; i++)
		buf_printf(b, "bind          %s to %s%s\n", o->binds[i].src, o->binds[i].dst,
			   o->binds[i].ro ? ", read-only" : "");
	for (unsigned i = 0; i < o->nfds; i++)
		buf_printf(b, "descriptor    %d (%s)\n", o->fds[i].fd, o->fds[i].name);
	for (unsigned i = 0; i < p->nlimits; i++)
		buf_printf(b, "limit         %s = %llu\n", p->limits[i].name,
			   (unsigned long long)p->limits[i].value);
	if (p->host->landlock_abi)
		buf_printf(b, "landlock      ABI %d\n", p->host->landlock_abi);
	else
		buf_printf(b, "landlock      this kernel has none\n");
	buf_printf(b, "steps        ");
	for (unsigned i = 0; (step = apply_step_name(p, i)); i++)
		buf_printf(b, " %s", step);
	buf_printf(b, "\n");
	for (unsigned i = 0; i < p->nwarnings; i++)
		buf_printf(b, "warning       %s\n", p->warnings[i]);
}

static void json_key(struct buf *b, const char *sep, const char *key, const char *value)
{
	buf_printf(b, "%s\"%s\": ", sep, key);
	buf_json_str(b, value);
}

static void json_groups(const struct jail_plan *p, struct buf *b)
{
	char dir[512];

	buf_printf(b, ",\n  \"cgroups\": [");
	for (unsigned i = 0; i < p->ngroups; i++) {
		const struct plan_group *g = &p->groups[i];
		const char *sep = "";

		snprintf(dir, sizeof dir, "%s/%s/%s", g->mount->dir, p->parent, p->opts->id);
		json_key(b, i ? ",\n    {" : "\n    {", "dir", dir);
		buf_printf(b, ", \"version\": %d, \"set\": {", g->mount->v2 ? 2 : 1);
		for (unsigned k = 0; k < p->nlines; k++) {
			if (!(g->lines & 1u << k))
				continue;
			json_key(b, sep, p->lines[k].file, p->lines[k].value);
			sep = ", ";
		}
		buf_printf(b, "}}");
	}
	buf_printf(b, "]");
}

static void json_lists(const struct jail_plan *p, struct buf *b)
{
	const struct jail_opts *o = p->opts;
	const char *step;

	buf_printf(b, ",\n  \"devices\": [");
	for (int i = 0, n = 0; i < HOST_DEVS; i++)
		if (plan_has_device(p, (enum host_dev)i)) {
			buf_printf(b, "%s", n++ ? ", " : "");
			buf_json_str(b, host_dev_path((enum host_dev)i));
		}
	buf_printf(b, "],\n  \"binds\": [");
	for (unsigned i = 0; i < o->nbinds; i++) {
		json_key(b, i ? ", {" : "{", "src", o->binds[i].src);
		json_key(b, ", ", "dst", o->binds[i].dst);
		buf_printf(b, ", \"ro\": %s}", o->binds[i].ro ? "true" : "false");
	}
	buf_printf(b, "],\n  \"fds\": {");
	for (unsigned i = 0; i < o->nfds; i++)
		buf_printf(b, "%s\"%s\": %d", i ? ", " : "", o->fds[i].name, o->fds[i].fd);
	buf_printf(b, "},\n  \"limits\": {");
	for (unsigned i = 0; i < p->nlimits; i++)
		buf_printf(b, "%s\"%s\": %llu", i ? ", " : "", p->limits[i].name,
			   (unsigned long long)p->limits[i].value);
	buf_printf(b, "},\n  \"landlock\": %d,\n  \"steps\": [", p->host->landlock_abi);
	for (unsigned i = 0; (step = apply_step_name(p, i)); i++)
		buf_printf(b, "%s\"%s\"", i ? ", " : "", step);
	buf_printf(b, "],\n  \"warnings\": [");
	for (unsigned i = 0; i < p->nwarnings; i++) {
		buf_printf(b, "%s", i ? ", " : "");
		buf_json_str(b, p->warnings[i]);
	}
	buf_printf(b, "]\n}\n");
}

static void json(const struct jail_plan *p, struct buf *b)
{
	const struct jail_opts *o = p->opts;
	char record[768];

	snprintf(record, sizeof record, "%s/%s/%s.jail", p->base, p->program, o->id);
	json_key(b, "{\n  ", "id", o->id);
	json_key(b, ",\n  ", "exec_file", o->exec_file);
	buf_printf(b, ",\n  \"exec_fd\": %d,\n  \"argv\": [", p->exec_fd);
	for (unsigned i = 0; p->argv[i]; i++) {
		buf_printf(b, "%s", i ? ", " : "");
		buf_json_str(b, p->argv[i]);
	}
	buf_printf(b, "],\n  \"uid\": %u,\n  \"gid\": %u,\n  \"userns\": %s", p->uid, p->gid,
		   o->userns ? "true" : "false");
	json_key(b, ",\n  ", "record", record);
	json_key(b, ",\n  ", "netns", net_name(p));
	json_groups(p, b);
	json_lists(p, b);
}

int plan_print(const struct jail_plan *plan, bool as_json, FILE *out)
{
	static char mem[262144]; /* costs only what is used */
	struct buf b;

	buf_init(&b, mem, sizeof mem);
	if (as_json)
		json(plan, &b);
	else
		text(plan, &b);
	if (b.cut || fputs(b.p, out) < 0 || fflush(out) != 0)
		return -EIO;
	return 0;
}
