/* SPDX-License-Identifier: MIT
 *
 * config.c: snapshot_config of snapshot.h: the configuration that a snapshot brings along. Its text
 * is as hostile as the rest of the file: it goes through the judges of config_field.c and may name
 * only the shape of the machine.
 */
#include <string.h>

#include "monitor/config_json.h"
#include "monitor/snapshot/files.h"
#include "monitor/snapshot/snapshot.h"

void snapshot_close(struct snapshot *snap)
{
	snap_files_close(snap);
}

/* The devices that the text names are those of the state, in its order. */
static int check_shape(const struct vm_config *cfg, const struct vm_state *st, struct errtext *err)
{
	bool same = cfg->nblk + cfg->nnet == st->ndevs && cfg->mem == st->mem_size;

	for (unsigned i = 0; same && i < st->ndevs; i++) {
		bool blk = i < cfg->nblk;
		const char *id = blk ? cfg->blk[i].id : cfg->net[i - cfg->nblk].id;

		same = st->dev[i].device_id == (blk ? 2u : 1u) && strcmp(st->dev[i].id, id) == 0;
	}
	return same ? 0
		    : config_fail(err, "%s: its configuration is not that of its state",
				  cfg->restore.path);
}

/* What must not be taken over unasked. */
static void forget_identity(struct vm_config *cfg, const struct vm_state *st)
{
	for (unsigned i = 0; i < cfg->nnet; i++) {
		struct net_config *n = &cfg->net[i];

		/* At a freeze point the guest can be told a new address, elsewhere it has to keep
		 * its own. */
		n->has_mac = !st->freeze_gpa;
		memcpy(n->mac, st->dev[cfg->nblk + i].mac, sizeof n->mac);
		n->fd = -1;
		n->host_loopback = false;
		n->ip4 = n->gw4 = n->dns4 = 0;
	}
	cfg->idle = st->idle_exit ? IDLE_EXIT : IDLE_HLT;
}

int snapshot_config(struct vm_config *cfg, struct errtext *err)
{
	char why[sizeof err->text];

	if (cfg->nblk || cfg->nnet)
		return config_fail(err, "devices come with the snapshot; say restore before them");
	if (snap_files_open(&cfg->snap, &cfg->restore, why, sizeof why))
		return config_fail(err, "%s", why);
	const struct snap_view *v = &cfg->snap->v;
	int r = config_json_decode_shape(cfg, v->config, strlen(v->config), err);

	if (r < 0)
		return config_fail(err, "%s: its configuration is not one of this version",
				   cfg->restore.path);
	r = check_shape(cfg, v->state, err);
	if (r)
		return r;
	forget_identity(cfg, v->state);
	cfg->rebind = true;
	return 0;
}
