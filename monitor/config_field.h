/* SPDX-License-Identifier: MIT
 *
 * config_field.h: every key of a configuration, once. The command line and the JSON file find a key
 * here, bring its value as text and let its judge decide; so both accept the same things and
 * complain in the same words. Main thread; keys and values are hostile.
 */
#ifndef MONITOR_CONFIG_FIELD_H
#define MONITOR_CONFIG_FIELD_H

#include "monitor/config.h"

enum field_type {
	FIELD_STRING,
	FIELD_NUMBER,
	FIELD_FLAG,    /* the text is "on" or "off" */
	FIELD_LIMITER, /* an object of JSON: its two buckets go to the keys "...bw" and "...ops" */
	FIELD_LIST     /* of strings: a list in JSON, a repeated key on the command line */
};

/* What a setter sees: obj is cfg itself, or one of cfg->blk and cfg->net. */
struct field_obj {
	struct vm_config *cfg;
	struct blk_config *blk;
	struct net_config *net;
};

struct field {
	const char *name;
	enum field_type type;
	/* 0, or -EINVAL with err filled in, without the name of the key */
	int (*set)(struct field_obj *obj, const char *text, struct errtext *err);
};

/* The keys of one kind of object, the last one nameless. */
extern const struct field vm_fields[], blk_fields[], net_fields[];
extern const struct field restore_fields[], snapshot_fields[],
	fork_fields[]; /* config_snapshot.c */

#define FIELD_MAX 32 /* keys of one object, for a bit mask of those seen */

/* Index of the key in fields, or -1. '-' in name is the same as '_'. */
int field_find(const struct field *fields, const char *name);
/* The message for a key that is not there, with the nearest one that is. Returns -EINVAL. */
int field_unknown(const struct field *fields, const char *name, struct errtext *err);
/* Put the name of the key (and of what it is in) before the message. Returns -EINVAL. */
int field_blame(struct errtext *err, const char *where, const char *name);

/* Judges that several kinds of object share. 0 or -EINVAL. */
int field_path(struct vm_config *cfg, const char *text, const char **dst, struct errtext *err);
int field_flag(const char *text, bool *dst, struct errtext *err);

/* --- config_snapshot.c --- */

/*
 * The device of that id in a configuration that is re-bound (cfg->rebind); id NULL is good when
 * there is only one. NULL with a message that says which there are.
 */
struct blk_config *blk_config_of(struct vm_config *cfg, const char *id, struct errtext *err);
struct net_config *net_config_of(struct vm_config *cfg, const char *id, struct errtext *err);
/* A key of such a device is about to be set for the first time: forget what it replaces. */
void field_rebind(struct field_obj *obj, const char *name);
/* All keys of the restore object are set: open the snapshot, take its configuration. 0 or -EINVAL.
 */
int restore_config_finish(struct vm_config *cfg, struct errtext *err);
int snapshot_config_finish(struct vm_config *cfg, struct errtext *err);
int fork_config_finish(struct vm_config *cfg, struct errtext *err);
/* Copy number i (from 1) that cfg->fork asks for, in dst. 0 or -EINVAL. config_fini(dst) either
 * way. */
int fork_config_copy(struct vm_config *dst, const struct vm_config *cfg, unsigned i,
		     struct errtext *err);

/* Append a device with default values; NULL when there are CONFIG_MAX_* already (err filled in). */
struct blk_config *blk_config_add(struct vm_config *cfg, struct errtext *err);
struct net_config *net_config_add(struct vm_config *cfg, struct errtext *err);
/* All keys are set: check them against each other, choose what was left open. 0 or -EINVAL. */
int blk_config_finish(struct vm_config *cfg, struct blk_config *blk, struct errtext *err);
int net_config_finish(struct vm_config *cfg, struct net_config *net, struct errtext *err);

#endif
