/* SPDX-License-Identifier: MIT
 *
 * opts_keys.c: see opts_keys.h.
 */
#include "monitor/opts_keys.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/kv.h"
#include "monitor/config_field.h"

static int set_device_key(struct field_obj *obj, const struct field *fields, const char *key,
			  const char *val, unsigned *seen, struct errtext *err)
{
	int i = field_find(fields, key);

	if (i < 0)
		return field_unknown(fields, key, err);
	if (obj->cfg->rebind && !(*seen & 1u << i))
		field_rebind(obj, fields[i].name);
	if (!val && fields[i].type != FIELD_FLAG)
		config_fail(err, "needs a value: %s=...", fields[i].name);
	else if (*seen & 1u << i && fields[i].type != FIELD_LIST)
		config_fail(err, "is there twice");
	else if (fields[i].set(obj, val ? val : "on", err) == 0) {
		*seen |= 1u << i;
		return 0;
	}
	return field_blame(err, fields[i].name, "");
}

static int set_device(struct field_obj *obj, const struct field *fields, const char *val,
		      struct errtext *err)
{
	char item[PATH_MAX + 64];
	const char *key, *text;
	unsigned seen = 0;
	int r;

	while ((r = kv_next(&val, item, sizeof item, &key, &text)) == 1) {
		r = set_device_key(obj, fields, key, text, &seen, err);
		if (r < 0)
			return r;
	}
	if (r == -ENAMETOOLONG)
		return config_fail(err, "'%.32s...' is too long", val);
	if (r < 0)
		return config_fail(err, "'%.64s' has an empty item; write key=value,key=value",
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

int opts_set_block(void *ctx, const char *val, struct errtext *err)
{
	struct vm_config *cfg = ((struct opts_ctx *)ctx)->cfg;
	struct field_obj obj = {.cfg = cfg};
	char buf[PATH_MAX + 64];

	obj.blk = cfg->rebind ? blk_config_of(cfg, find_id(val, buf, sizeof buf), err)
			      : blk_config_add(cfg, err);
	if (!obj.blk || set_device(&obj, blk_fields, val, err) < 0)
		return -EINVAL;
	return blk_config_finish(cfg, obj.blk, err);
}

int opts_set_net(void *ctx, const char *val, struct errtext *err)
{
	struct vm_config *cfg = ((struct opts_ctx *)ctx)->cfg;
	struct field_obj obj = {.cfg = cfg};
	char buf[PATH_MAX + 64];

	obj.net = cfg->rebind ? net_config_of(cfg, find_id(val, buf, sizeof buf), err)
			      : net_config_add(cfg, err);
	if (!obj.net || set_device(&obj, net_fields, val, err) < 0)
		return -EINVAL;
	return net_config_finish(cfg, obj.net, err);
}

static int set_whole(void *ctx, const char *val, const struct field *fields,
		     int (*finish)(struct vm_config *cfg, struct errtext *err), struct errtext *err)
{
	struct vm_config *cfg = ((struct opts_ctx *)ctx)->cfg;
	struct field_obj obj = {.cfg = cfg};

	return set_device(&obj, fields, val, err) < 0 ? -EINVAL : finish(cfg, err);
}

int opts_set_restore(void *ctx, const char *val, struct errtext *err)
{
	return set_whole(ctx, val, restore_fields, restore_config_finish, err);
}

int opts_set_snapshot(void *ctx, const char *val, struct errtext *err)
{
	return set_whole(ctx, val, snapshot_fields, snapshot_config_finish, err);
}

int opts_set_fork(void *ctx, const char *val, struct errtext *err)
{
	return set_whole(ctx, val, fork_fields, fork_config_finish, err);
}
