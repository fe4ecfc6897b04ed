/* SPDX-License-Identifier: MIT
 *
 * config.c: see config.h: defaults, strings, and the checks that need the whole configuration.
 */
#include "monitor/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/snapshot/snapshot.h"

struct config_str {
	struct config_str *next;
	char s[];
};

void config_init(struct vm_config *cfg)
{
	/* Not memset: the pool is most of the struct and need not be touched. */
	cfg->kernel = NULL;
	cfg->cmdline = "";
	cfg->id = NULL;
	cfg->api_sock = NULL;
	cfg->console = "-";
	cfg->metrics = NULL;
	cfg->serve = NULL;
	cfg->serve_timeout_ms = CONFIG_SERVE_TIMEOUT_MS;
	cfg->mem = CONFIG_MEM_DEF;
	cfg->idle = IDLE_AUTO;
	cfg->boot_timer = cfg->dry_run = cfg->json = false;
	cfg->log = (struct log_config){0};
	cfg->track_dirty = cfg->rebind = false;
	cfg->restore = (struct restore_config){0};
	cfg->save = (struct snapshot_config){0};
	cfg->fork = (struct fork_config){0};
	cfg->snap = NULL;
	cfg->hostname = NULL;
	cfg->nenv = 0;
	cfg->nblk = cfg->nnet = 0;
	cfg->strings = NULL;
	cfg->pool_len = 0;
}

void config_inherit(struct vm_config *dst, const struct vm_config *src)
{
	*dst = *src;
	dst->strings = NULL;
	dst->pool_len = 0;
	dst->snap = NULL;
	dst->rebind = true;
	dst->id = dst->metrics = dst->serve = dst->api_sock = NULL;
	dst->save = (struct snapshot_config){0};
	dst->fork = (struct fork_config){0};
	/* Nobody can have these twice. */
	for (unsigned i = 0; i < dst->nnet; i++) {
		dst->net[i].has_mac = false;
		dst->net[i].tap = NULL;
		dst->net[i].fd = -1;
		dst->net[i].nfwd = 0;
	}
}

void config_fini(struct vm_config *cfg)
{
	snapshot_close(cfg->snap);
	cfg->snap = NULL;
	while (cfg->strings) {
		struct config_str *next = cfg->strings->next;

		free(cfg->strings);
		cfg->strings = next;
	}
}

const char *config_str(struct vm_config *cfg, const char *s)
{
	size_t n = strlen(s) + 1;

	if (n <= sizeof cfg->pool - cfg->pool_len) {
		char *p = cfg->pool + cfg->pool_len;

		cfg->pool_len += (unsigned)n;
		return memcpy(p, s, n);
	}

	struct config_str *str = malloc(sizeof *str + n);

	if (!str)
		return NULL;
	str->next = cfg->strings;
	cfg->strings = str;
	return memcpy(str->s, s, n);
}

int config_fail(struct errtext *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	errtext_vset(err, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static const char *dev_id(const struct vm_config *cfg, unsigned i)
{
	return i < cfg->nblk ? cfg->blk[i].id : cfg->net[i - cfg->nblk].id;
}

static int check_ids(const struct vm_config *cfg, struct errtext *err)
{
	for (unsigned i = 0; i < cfg->nblk + cfg->nnet; i++)
		for (unsigned j = 0; j < i; j++)
			if (strcmp(dev_id(cfg, i), dev_id(cfg, j)) == 0)
				return config_fail(
					err, "id '%s' is used by two devices; give each its own id",
					dev_id(cfg, i));
	return 0;
}

static int check_net_pair(const struct net_config *a, const struct net_config *b,
			  struct errtext *err)
{
	if (a->has_mac && b->has_mac && memcmp(a->mac, b->mac, 6) == 0)
		return config_fail(err, "net '%s' and net '%s' have the same mac", a->id, b->id);
	if (a->backend != b->backend)
		return 0;
	if (a->backend == NET_TAP && strcmp(a->tap, b->tap) == 0)
		return config_fail(err, "net '%s' and net '%s' use the same tap '%s'", a->id, b->id,
				   a->tap);
	if (a->backend == NET_FD && a->fd == b->fd)
		return config_fail(err, "net '%s' and net '%s' use the same fd %d", a->id, b->id,
				   a->fd);
	return 0;
}

static bool same_host_port(const struct net_fwd *a, const struct net_fwd *b)
{
	return a->udp == b->udp && a->host_port == b->host_port &&
	       (a->host_addr == b->host_addr || a->host_addr == 0 || b->host_addr == 0);
}

static int check_fwds(const struct net_config *a, const struct net_config *b, struct errtext *err)
{
	for (unsigned i = 0; i < a->nfwd; i++)
		for (unsigned j = 0; j < b->nfwd; j++)
			if ((a != b || i != j) && same_host_port(&a->fwd[i], &b->fwd[j]))
				return config_fail(err, "fwd: host port %u is forwarded twice",
						   a->fwd[i].host_port);
	return 0;
}

/* What a guest can be told anew, and what has to be told. */
static int check_rebound(const struct vm_config *cfg, struct errtext *err)
{
	for (unsigned i = 0; i < cfg->nnet; i++) {
		const struct net_config *n = &cfg->net[i];

		if (n->ip4 && !cfg->rebind)
			return config_fail(
				err,
				"net '%s': ip is for a VM that is restored; a guest that "
				"boots has its address in --cmdline",
				n->id);
		if ((n->backend == NET_TAP && !n->tap) || (n->backend == NET_FD && n->fd < 0))
			return config_fail(err,
					   "net '%s': its host side has to be given anew: --net "
					   "id=%s,tap=NAME or fd=N",
					   n->id, n->id);
	}
	if (!cfg->rebind && (cfg->hostname || cfg->nenv))
		return config_fail(err,
				   "%s is for a VM that is restored; a guest that boots takes "
				   "NAME=VALUE words in --cmdline",
				   cfg->hostname ? "hostname" : "env");
	return 0;
}

int config_check(const struct vm_config *cfg, struct errtext *err)
{
	int r;

	if (!cfg->kernel && !cfg->rebind)
		return config_fail(err,
				   "no kernel: say --kernel PATH (an image built with mayfly-cc)");
	if (cfg->serve && (cfg->save.path || cfg->fork.n))
		return config_fail(
			err,
			"%s does not go with serve: the freeze point is where requests "
			"are handed in; take a snapshot first, then restore it with serve",
			cfg->save.path ? "snapshot" : "fork");
	r = check_rebound(cfg, err);
	r = r ? r : check_ids(cfg, err);
	for (unsigned i = 0; i < cfg->nnet && r == 0; i++) {
		for (unsigned j = 0; j < i && r == 0; j++)
			r = check_net_pair(&cfg->net[j], &cfg->net[i], err);
		for (unsigned j = 0; j <= i && r == 0; j++)
			r = check_fwds(&cfg->net[j], &cfg->net[i], err);
	}
	return r;
}
