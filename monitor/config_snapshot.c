/* SPDX-License-Identifier: MIT
 *
 * config_snapshot.c: see config_field.h: the keys of --restore and --snapshot, and how devices of a
 * configuration that came with a snapshot are found and re-bound. Main thread; keys and values are
 * hostile.
 */
#include "monitor/config_field.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/num.h"
#include "monitor/snapshot/snapshot.h"

/* --- restore --- */

static int restore_path(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_path(o->cfg, text, &o->cfg->restore.path, err);
}

static int restore_mem(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_path(o->cfg, text, &o->cfg->restore.mem, err);
}

static int restore_base(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_path(o->cfg, text, &o->cfg->restore.base, err);
}

static int restore_base_mem(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_path(o->cfg, text, &o->cfg->restore.base_mem, err);
}

static int restore_key(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_path(o->cfg, text, &o->cfg->restore.key, err);
}

static int restore_sig(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_path(o->cfg, text, &o->cfg->restore.sig, err);
}

static int restore_verify(struct field_obj *o, const char *text, struct errtext *err)
{
	static const char *const modes[] = {[VERIFY_AUTO] = "auto",
					    [VERIFY_NONE] = "none",
					    [VERIFY_FULL] = "full",
					    [VERIFY_COPY] = "copy",
					    [VERIFY_LAZY] = "lazy"};

	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++)
		if (strcmp(text, modes[i]) == 0) {
			o->cfg->restore.verify = (enum restore_verify)i;
			return 0;
		}
	return config_fail(err, "'%.64s' is not auto, none, full, copy or lazy", text);
}

static int restore_prefetch(struct field_obj *o, const char *text, struct errtext *err)
{
	bool on = true;
	int r = field_flag(text, &on, err);

	o->cfg->restore.no_prefetch = !on;
	return r;
}

const struct field restore_fields[] = {
	{"path", FIELD_STRING, restore_path},
	{"mem", FIELD_STRING, restore_mem},
	{"base", FIELD_STRING, restore_base},
	{"base_mem", FIELD_STRING, restore_base_mem},
	{"key", FIELD_STRING, restore_key},
	{"sig", FIELD_STRING, restore_sig},
	{"verify", FIELD_STRING, restore_verify},
	{"prefetch", FIELD_FLAG, restore_prefetch},
	{NULL, FIELD_STRING, NULL},
};

int restore_config_finish(struct vm_config *cfg, struct errtext *err)
{
	const struct restore_config *r = &cfg->restore;

	if (cfg->rebind || cfg->snap)
		return config_fail(err, "is there twice");
	if (!r->path)
		return config_fail(err, "no path; say path=STATE");
	if (r->sig && !r->key)
		return config_fail(err, "sig has no effect without key; add key=FILE");
	if (r->key && (r->verify == VERIFY_NONE || r->verify == VERIFY_FULL))
		return config_fail(err,
				   "verify=%s does not go with key: the memory could be changed "
				   "after it was looked at; say copy or lazy",
				   r->verify == VERIFY_NONE ? "none" : "full");
	if (r->base_mem && !r->base)
		return config_fail(err, "base_mem has no effect without base");
	return snapshot_config(cfg, err);
}

/* --- snapshot --- */

static int save_path(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_path(o->cfg, text, &o->cfg->save.path, err);
}

static int save_mem(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_path(o->cfg, text, &o->cfg->save.mem, err);
}

static int save_run(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_flag(text, &o->cfg->save.run, err);
}

const struct field snapshot_fields[] = {
	{"path", FIELD_STRING, save_path},
	{"mem", FIELD_STRING, save_mem},
	{"run", FIELD_FLAG, save_run},
	{NULL, FIELD_STRING, NULL},
};

int snapshot_config_finish(struct vm_config *cfg, struct errtext *err)
{
	if (!cfg->save.path)
		return config_fail(err, "no path; say path=STATE");
	return 0;
}

/* --- fork --- */

static int fork_n(struct field_obj *o, const char *text, struct errtext *err)
{
	uint64_t n;

	if (num_u64(text, strlen(text), 1, VM_FORK_MAX, &n))
		return config_fail(err, "'%.64s' is not a number of copies, 1 to %u", text,
				   VM_FORK_MAX);
	o->cfg->fork.n = (unsigned)n;
	return 0;
}

/* A text with at most one %d, and no other %. */
static int set_pattern(struct vm_config *cfg, const char *text, const char **dst,
		       struct errtext *err)
{
	const char *percent = strchr(text, '%');

	if (percent && (percent[1] != 'd' || strchr(percent + 1, '%')))
		return config_fail(err,
				   "'%.64s': only one %%d, the number of the copy, may stand in it",
				   text);
	return field_path(cfg, text, dst, err);
}

static int fork_id(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_pattern(o->cfg, text, &o->cfg->fork.id, err);
}

static int fork_console(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_pattern(o->cfg, text, &o->cfg->fork.console, err);
}

static int fork_metrics(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_pattern(o->cfg, text, &o->cfg->fork.metrics, err);
}

static int fork_hostname(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_pattern(o->cfg, text, &o->cfg->fork.hostname, err);
}

static int fork_tap(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_pattern(o->cfg, text, &o->cfg->fork.tap, err);
}

const struct field fork_fields[] = {
	{"n", FIELD_NUMBER, fork_n},
	{"id", FIELD_STRING, fork_id},
	{"console", FIELD_STRING, fork_console},
	{"metrics", FIELD_STRING, fork_metrics},
	{"hostname", FIELD_STRING, fork_hostname},
	{"tap", FIELD_STRING, fork_tap},
	{NULL, FIELD_STRING, NULL},
};

int fork_config_finish(struct vm_config *cfg, struct errtext *err)
{
	if (!cfg->fork.n)
		return config_fail(err, "no number of copies; say n=N");
	return 0;
}

/* The pattern's text for copy i to the key's own judge. */
static int set_numbered(struct field_obj *obj, const struct field *fields, const char *key,
			const char *pattern, unsigned i, struct errtext *err)
{
	char text[PATH_MAX + 16];
	const char *percent = pattern ? strchr(pattern, '%') : NULL;

	if (!pattern)
		return 0;
	if (percent)
		snprintf(text, sizeof text, "%.*s%u%s", (int)(percent - pattern), pattern, i,
			 percent + 2);
	else
		snprintf(text, sizeof text, "%s", pattern);
	field_rebind(obj, key);
	return fields[field_find(fields, key)].set(obj, text, err) < 0 ? field_blame(err, key, "")
								       : 0;
}

int fork_config_copy(struct vm_config *dst, const struct vm_config *cfg, unsigned i,
		     struct errtext *err)
{
	const struct fork_config *f = &cfg->fork;
	struct field_obj obj = {.cfg = dst, .net = &dst->net[0]};

	config_inherit(dst, cfg);
	if (f->tap && !dst->nnet)
		return config_fail(err, "tap: the VM has no network interface");
	int r = set_numbered(&obj, vm_fields, "id", f->id, i, err);

	r = r ? r : set_numbered(&obj, vm_fields, "console", f->console, i, err);
	r = r ? r : set_numbered(&obj, vm_fields, "metrics", f->metrics, i, err);
	r = r ? r : set_numbered(&obj, vm_fields, "hostname", f->hostname, i, err);
	r = r ? r : set_numbered(&obj, net_fields, "tap", f->tap, i, err);
	return r ? r : config_check(dst, err);
}

/* --- devices --- */

static int no_device(const char *kind, const char *id, const char *have, struct errtext *err)
{
	if (!*have)
		return config_fail(err, "the VM has no %s that could be re-bound", kind);
	return id ? config_fail(err, "the VM has no %s '%.32s'; it has %s", kind, id, have)
		  : config_fail(err, "no id; the VM has %s", have);
}

struct blk_config *blk_config_of(struct vm_config *cfg, const char *id, struct errtext *err)
{
	char text[160];
	struct buf have;

	if (!id && cfg->nblk == 1)
		return &cfg->blk[0];
	buf_init(&have, text, sizeof text);
	for (unsigned i = 0; i < cfg->nblk; i++) {
		if (id && strcmp(cfg->blk[i].id, id) == 0)
			return &cfg->blk[i];
		buf_printf(&have, "%s%s", i ? ", " : "", cfg->blk[i].id);
	}
	no_device("disk", id, text, err);
	return NULL;
}

struct net_config *net_config_of(struct vm_config *cfg, const char *id, struct errtext *err)
{
	char text[160];
	struct buf have;

	if (!id && cfg->nnet == 1)
		return &cfg->net[0];
	buf_init(&have, text, sizeof text);
	for (unsigned i = 0; i < cfg->nnet; i++) {
		if (id && strcmp(cfg->net[i].id, id) == 0)
			return &cfg->net[i];
		buf_printf(&have, "%s%s", i ? ", " : "", cfg->net[i].id);
	}
	no_device("net", id, text, err);
	return NULL;
}

static void rebind_net(struct net_config *n, const char *name)
{
	bool tap = strcmp(name, "tap") == 0, fd = strcmp(name, "fd") == 0;

	if (tap || fd || strcmp(name, "user") == 0) {
		n->tap = NULL;
		n->fd = -1;
		n->backend = NET_TAP;
		n->host_loopback = false; /* asked for anew, or not at all */
		if (tap || fd)
			n->nfwd = 0; /* of the user-mode network that it had */
	} else if (strcmp(name, "fwd") == 0) {
		n->nfwd = 0;
	} else if (strcmp(name, "addr") == 0) {
		n->policy.naddrs = 0;
	} else if (strcmp(name, "allow") == 0) {
		n->policy.nallow = 0;
		n->policy.restrict_dest = false;
	}
}

void field_rebind(struct field_obj *obj, const char *name)
{
	if (obj->net)
		rebind_net(obj->net, name);
}
