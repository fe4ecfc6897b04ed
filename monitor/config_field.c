/* SPDX-License-Identifier: MIT
 *
 * config_field.c: see config_field.h.
 */
#include "monitor/config_field.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/near.h"
#include "lib/num.h"
#include "monitor/config_value.h"
#include "monitor/serve/listen.h"
#include "uk_abi.h"

#define VM_ID_MAX  64
#define DEV_ID_MAX 31
#define FD_MAX	   1048575 /* fs.nr_open - 1 as Linux ships it */

/* --- judges shared by several keys --- */

static int set_str(struct field_obj *o, const char *text, const char **dst, struct errtext *err)
{
	const char *copy = config_str(o->cfg, text);

	if (!copy)
		return config_fail(err, "out of memory");
	*dst = copy;
	return 0;
}

int field_path(struct vm_config *cfg, const char *text, const char **dst, struct errtext *err)
{
	struct field_obj o = {.cfg = cfg};
	size_t n = strlen(text);

	if (n == 0)
		return config_fail(err, "is empty; say the path of a file");
	if (n >= PATH_MAX)
		return config_fail(err, "the path is %zu bytes long; the system allows %d", n,
				   PATH_MAX - 1);
	return set_str(&o, text, dst, err);
}

static int set_path(struct field_obj *o, const char *text, const char **dst, struct errtext *err)
{
	return field_path(o->cfg, text, dst, err);
}

static int set_id(struct field_obj *o, const char *text, size_t max, const char **dst,
		  struct errtext *err)
{
	static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t n = strlen(text);

	if (n < 1 || n > max || strspn(text, ok) != n)
		return config_fail(err,
				   "'%.80s' is not a name of 1 to %zu letters, digits, '_' and '-'",
				   text, max);
	return set_str(o, text, dst, err);
}

int field_flag(const char *text, bool *dst, struct errtext *err)
{
	bool on = strcmp(text, "on") == 0;

	if (!on && strcmp(text, "off") != 0)
		return config_fail(err, "'%.64s' is neither on nor off", text);
	*dst = on;
	return 0;
}

static int set_number(const char *text, uint64_t min, uint64_t max, uint64_t *dst,
		      struct errtext *err)
{
	int r = num_u64(text, strlen(text), min, max, dst);

	if (r == -ERANGE)
		return config_fail(err, "%.64s is out of range %llu..%llu", text,
				   (unsigned long long)min, (unsigned long long)max);
	if (r < 0)
		return config_fail(err, "'%.64s' is not a number", text);
	return 0;
}

/* --- the VM --- */

static int vm_kernel(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_path(o, text, &o->cfg->kernel, err);
}

static int vm_cmdline(struct field_obj *o, const char *text, struct errtext *err)
{
	size_t n = strlen(text);

	if (n > UK_CMDLINE_MAX)
		return config_fail(err, "is %zu bytes long; a guest takes at most %u", n,
				   UK_CMDLINE_MAX);
	return set_str(o, text, &o->cfg->cmdline, err);
}

/* 0; -EINVAL, said in err; or -ERANGE: larger than 64 bits hold. */
static int set_size(const char *text, const char *example, uint64_t *ret, struct errtext *err)
{
	int r = num_size(text, ret);

	if (r == -ENOMSG)
		return config_fail(err, "'%.64s' has no unit; write %.64sM for MiB", text, text);
	if (r == -EINVAL)
		return config_fail(err, "'%.64s' is not a size like %s", text, example);
	return r;
}

static int vm_mem(struct field_obj *o, const char *text, struct errtext *err)
{
	uint64_t mem;
	int r = set_size(text, "16M", &mem, err);

	if (r == -EINVAL)
		return r;
	if (r < 0 || mem < CONFIG_MEM_MIN || mem > CONFIG_MEM_MAX)
		return config_fail(err, "%.64s is out of range %lluM..%lluM", text,
				   (unsigned long long)CONFIG_MEM_MIN >> 20,
				   (unsigned long long)CONFIG_MEM_MAX >> 20);
	if (mem % UK_PAGE)
		return config_fail(err, "%.64s is not a multiple of %uB", text, UK_PAGE);
	o->cfg->mem = mem;
	return 0;
}

static int vm_id(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_id(o, text, VM_ID_MAX, &o->cfg->id, err);
}

static int vm_console(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_path(o, text, &o->cfg->console, err);
}

static int vm_api_sock(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_path(o, text, &o->cfg->api_sock, err);
}

static int vm_metrics_path(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_path(o, text, &o->cfg->metrics, err);
}

static int vm_boot_timer(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_flag(text, &o->cfg->boot_timer, err);
}

static int vm_idle(struct field_obj *o, const char *text, struct errtext *err)
{
	if (strcmp(text, "auto") == 0)
		o->cfg->idle = IDLE_AUTO;
	else if (strcmp(text, "exit") == 0)
		o->cfg->idle = IDLE_EXIT;
	else if (strcmp(text, "hlt") == 0)
		o->cfg->idle = IDLE_HLT;
	else
		return config_fail(err, "'%.64s' is not auto, exit or hlt", text);
	return 0;
}

static int vm_serve(struct field_obj *o, const char *text, struct errtext *err)
{
	struct serve_addr a;
	char why[200];

	if (serve_addr_parse(text, &a, why, sizeof why))
		return config_fail(err, "%s", why);
	return set_path(o, text, &o->cfg->serve, err);
}

static int vm_serve_timeout(struct field_obj *o, const char *text, struct errtext *err)
{
	uint64_t ms;

	if (num_u64(text, strlen(text), 0, 86400000, &ms))
		return config_fail(
			err,
			"'%.64s' is not a number of milliseconds from 0 (no limit) to 86400000",
			text);
	o->cfg->serve_timeout_ms = (uint32_t)ms;
	return 0;
}

static int vm_track_dirty(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_flag(text, &o->cfg->track_dirty, err);
}

static int vm_hostname(struct field_obj *o, const char *text, struct errtext *err)
{
	static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.";
	size_t n = strlen(text);

	if (n < 1 || n > 63 || strspn(text, ok) != n)
		return config_fail(
			err, "'%.80s' is not a name of 1 to 63 letters, digits, '-' and '.'", text);
	return set_str(o, text, &o->cfg->hostname, err);
}

static int vm_env(struct field_obj *o, const char *text, struct errtext *err)
{
	struct vm_config *cfg = o->cfg;
	size_t all = strlen(text) + 1;

	if (!strchr(text, '=') || text[0] == '=')
		return config_fail(err, "'%.80s' is not of the form NAME=VALUE", text);
	for (unsigned i = 0; i < cfg->nenv; i++)
		all += strlen(cfg->env[i]) + 1;
	if (cfg->nenv == CONFIG_MAX_ENV || all > sizeof((struct uk_restore *)0)->env)
		return config_fail(err, "more than %d variables or %zu bytes", CONFIG_MAX_ENV,
				   sizeof((struct uk_restore *)0)->env);
	int r = set_str(o, text, &cfg->env[cfg->nenv], err);

	if (r == 0)
		cfg->nenv++;
	return r;
}

const struct field vm_fields[] = {
	{"kernel", FIELD_STRING, vm_kernel},
	{"cmdline", FIELD_STRING, vm_cmdline},
	{"mem", FIELD_STRING, vm_mem},
	{"id", FIELD_STRING, vm_id},
	{"api_sock", FIELD_STRING, vm_api_sock},
	{"console", FIELD_STRING, vm_console},
	{"metrics", FIELD_STRING, vm_metrics_path},
	{"boot_timer", FIELD_FLAG, vm_boot_timer},
	{"idle", FIELD_STRING, vm_idle},
	{"serve", FIELD_STRING, vm_serve},
	{"serve_timeout", FIELD_NUMBER, vm_serve_timeout},
	{"track_dirty", FIELD_FLAG, vm_track_dirty},
	{"hostname", FIELD_STRING, vm_hostname},
	{"env", FIELD_LIST, vm_env},
	{NULL, FIELD_STRING, NULL},
};

/* --- a disk --- */

static int blk_id(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_id(o, text, DEV_ID_MAX, &o->blk->id, err);
}

static int blk_path(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_path(o, text, &o->blk->path, err);
}

static int blk_ro(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_flag(text, &o->blk->ro, err);
}

static int blk_direct(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_flag(text, &o->blk->direct, err);
}

static int blk_queues(struct field_obj *o, const char *text, struct errtext *err)
{
	uint64_t v;
	int r = set_number(text, 1, 8, &v, err);

	if (r == 0)
		o->blk->queues = (unsigned)v;
	return r;
}

static int blk_overlay(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_path(o, text, &o->blk->overlay, err);
}

static int blk_overlay_max(struct field_obj *o, const char *text, struct errtext *err)
{
	uint64_t max;
	int r = set_size(text, "64M", &max, err);

	if (r == -EINVAL)
		return r;
	if (r < 0 || max < 4096 || max % 4096 || max > INT64_MAX)
		return config_fail(err, "%.64s is not a multiple of 4K, at least 4K", text);
	o->blk->overlay_max = max;
	return 0;
}

/* A limit that is there twice is two keys for the same thing: JSON has two ways to say it. */
static int set_bucket(const char *text, bool bytes, struct token_bucket *dst, struct errtext *err)
{
	if (dst->refill_ms)
		return config_fail(err, "this limit is there twice; say it once");
	return value_bucket(text, bytes, dst, err);
}

/* The command line's way to say what is an object in JSON. */
static int no_object(struct field_obj *o, const char *text, struct errtext *err)
{
	(void)o;
	(void)text;
	return config_fail(err, "is for configuration files; here say bw=SIZE/TIME and "
				"ops=NUMBER/TIME (rx-bw, tx-bw... for a network interface)");
}

static int blk_bw(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_bucket(text, true, &o->blk->limit.bw, err);
}

static int blk_ops(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_bucket(text, false, &o->blk->limit.ops, err);
}

const struct field blk_fields[] = {
	{"id", FIELD_STRING, blk_id},
	{"path", FIELD_STRING, blk_path},
	{"ro", FIELD_FLAG, blk_ro},
	{"direct", FIELD_FLAG, blk_direct},
	{"queues", FIELD_NUMBER, blk_queues},
	{"bw", FIELD_STRING, blk_bw},
	{"ops", FIELD_STRING, blk_ops},
	{"rate_limiter", FIELD_LIMITER, no_object},
	{"overlay", FIELD_STRING, blk_overlay},
	{"overlay_max", FIELD_STRING, blk_overlay_max},
	{NULL, FIELD_STRING, NULL},
};

/* --- a network interface --- */

static int net_id(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_id(o, text, DEV_ID_MAX, &o->net->id, err);
}

static int net_tap(struct field_obj *o, const char *text, struct errtext *err)
{
	size_t n = strlen(text);

	/* The kernel would take '%' for a pattern and make another interface. */
	if (n < 1 || n > 15 || strpbrk(text, "/% \t\n\v\f\r") || strcmp(text, ".") == 0 ||
	    strcmp(text, "..") == 0)
		return config_fail(
			err, "'%.64s' is not the name of an interface (1 to 15 characters)", text);
	return set_str(o, text, &o->net->tap, err);
}

static int net_user(struct field_obj *o, const char *text, struct errtext *err)
{
	bool on = false;
	int r = field_flag(text, &on, err);

	if (r == 0 && on)
		o->net->backend = NET_USER;
	return r;
}

static int net_fd(struct field_obj *o, const char *text, struct errtext *err)
{
	uint64_t v;
	int r = set_number(text, 3, FD_MAX, &v, err);

	if (r == 0)
		o->net->fd = (int)v;
	return r;
}

static int net_mac(struct field_obj *o, const char *text, struct errtext *err)
{
	int r = value_mac(text, o->net->mac, err);

	if (r == 0)
		o->net->has_mac = true;
	return r;
}

static int set_ip4(const char *text, uint32_t *dst, struct errtext *err)
{
	static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff};
	uint8_t a[16];
	int r = value_ip(text, a, err);

	if (r == 0 && memcmp(a, v4, sizeof v4) != 0)
		return config_fail(err, "'%.64s' is no IPv4 address", text);
	if (r == 0)
		*dst = (uint32_t)a[12] << 24 | (uint32_t)a[13] << 16 | (uint32_t)a[14] << 8 | a[15];
	return r;
}

static int net_ip(struct field_obj *o, const char *text, struct errtext *err)
{
	const char *slash = strchr(text, '/');
	char addr[64];
	uint64_t prefix;

	if (!slash || (size_t)(slash - text) >= sizeof addr)
		return config_fail(err, "'%.64s' is not of the form ADDRESS/PREFIX", text);
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	int r = set_number(slash + 1, 1, 32, &prefix, err);

	r = r ? r : set_ip4(addr, &o->net->ip4, err);
	if (r == 0)
		o->net->prefix4 = (uint8_t)prefix;
	return r;
}

static int net_gw(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_ip4(text, &o->net->gw4, err);
}

static int net_dns(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_ip4(text, &o->net->dns4, err);
}

static int net_mtu(struct field_obj *o, const char *text, struct errtext *err)
{
	uint64_t v;
	int r = set_number(text, 68, 65535, &v, err);

	if (r == 0)
		o->net->mtu = (uint16_t)v;
	return r;
}

static int net_fwd_add(struct field_obj *o, const char *text, struct errtext *err)
{
	struct net_config *n = o->net;
	int r;

	if (n->nfwd == CONFIG_MAX_FWD)
		return config_fail(err, "more than %d; split them over several nets",
				   CONFIG_MAX_FWD);
	r = value_fwd(text, &n->fwd[n->nfwd], err);
	if (r == 0)
		n->nfwd++;
	return r;
}

static int net_host_loopback(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_flag(text, &o->net->host_loopback, err);
}

static int net_antispoof(struct field_obj *o, const char *text, struct errtext *err)
{
	return field_flag(text, &o->net->policy.antispoof, err);
}

static int net_addr_add(struct field_obj *o, const char *text, struct errtext *err)
{
	struct net_policy *p = &o->net->policy;
	const unsigned max = sizeof p->addrs / sizeof p->addrs[0];
	int r;

	if (p->naddrs == max)
		return config_fail(err, "more than %u addresses for one interface", max);
	r = value_ip(text, p->addrs[p->naddrs], err);
	if (r == 0)
		p->naddrs++;
	return r;
}

/* The list being there at all is what restricts; "none" is how a command line writes the empty one.
 */
static int net_allow_add(struct field_obj *o, const char *text, struct errtext *err)
{
	struct net_policy *p = &o->net->policy;
	int r;

	p->restrict_dest = true;
	if (strcmp(text, "none") == 0)
		return 0;
	if (p->nallow == CONFIG_MAX_ALLOW)
		return config_fail(err, "more than %d destinations; join them to larger nets",
				   CONFIG_MAX_ALLOW);
	r = value_allow(text, &p->allow[p->nallow], err);
	if (r == 0)
		p->nallow++;
	return r;
}

static int net_rx_bw(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_bucket(text, true, &o->net->rx_limit.bw, err);
}

static int net_rx_ops(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_bucket(text, false, &o->net->rx_limit.ops, err);
}

static int net_tx_bw(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_bucket(text, true, &o->net->tx_limit.bw, err);
}

static int net_tx_ops(struct field_obj *o, const char *text, struct errtext *err)
{
	return set_bucket(text, false, &o->net->tx_limit.ops, err);
}

const struct field net_fields[] = {
	{"id", FIELD_STRING, net_id},
	{"tap", FIELD_STRING, net_tap},
	{"user", FIELD_FLAG, net_user},
	{"fd", FIELD_NUMBER, net_fd},
	{"mac", FIELD_STRING, net_mac},
	{"mtu", FIELD_NUMBER, net_mtu},
	{"fwd", FIELD_LIST, net_fwd_add},
	{"antispoof", FIELD_FLAG, net_antispoof},
	{"addr", FIELD_LIST, net_addr_add},
	{"allow", FIELD_LIST, net_allow_add},
	{"rx_bw", FIELD_STRING, net_rx_bw},
	{"rx_ops", FIELD_STRING, net_rx_ops},
	{"tx_bw", FIELD_STRING, net_tx_bw},
	{"tx_ops", FIELD_STRING, net_tx_ops},
	{"rx_rate_limiter", FIELD_LIMITER, no_object},
	{"tx_rate_limiter", FIELD_LIMITER, no_object},
	{"ip", FIELD_STRING, net_ip},
	{"gw", FIELD_STRING, net_gw},
	{"dns", FIELD_STRING, net_dns},
	{"host_loopback", FIELD_FLAG, net_host_loopback},
	{NULL, FIELD_STRING, NULL},
};

_Static_assert(sizeof net_fields / sizeof net_fields[0] <= FIELD_MAX, "a mask of keys fits");
_Static_assert(sizeof blk_fields / sizeof blk_fields[0] <= FIELD_MAX, "a mask of keys fits");

/* --- finding keys --- */

static bool same_name(const char *field, const char *name)
{
	for (; *field && *name; field++, name++)
		if (*field != (*name == '-' ? '_' : *name))
			return false;
	return *field == *name;
}

int field_find(const struct field *fields, const char *name)
{
	for (int i = 0; fields[i].name; i++)
		if (same_name(fields[i].name, name))
			return i;
	return -1;
}

int field_unknown(const struct field *fields, const char *name, struct errtext *err)
{
	const char *best = NULL;
	size_t best_d = 3;

	for (; fields->name; fields++) {
		size_t d = near_distance(name, fields->name, 2);

		if (d < best_d && d < strlen(fields->name)) {
			best_d = d;
			best = fields->name;
		}
	}
	if (best)
		return config_fail(err, "unknown key '%.64s'; did you mean '%s'?", name, best);
	return config_fail(err, "unknown key '%.64s'", name);
}

int field_blame(struct errtext *err, const char *where, const char *name)
{
	return errtext_blame(err, -EINVAL, "%.80s%.40s", where, name);
}

/* --- devices --- */

struct blk_config *blk_config_add(struct vm_config *cfg, struct errtext *err)
{
	if (cfg->nblk == CONFIG_MAX_BLK) {
		config_fail(err, "more than %d disks", CONFIG_MAX_BLK);
		return NULL;
	}

	struct blk_config *b = &cfg->blk[cfg->nblk++];

	*b = (struct blk_config){.queues = 1};
	return b;
}

struct net_config *net_config_add(struct vm_config *cfg, struct errtext *err)
{
	if (cfg->nnet == CONFIG_MAX_NET) {
		config_fail(err, "more than %d network interfaces", CONFIG_MAX_NET);
		return NULL;
	}

	struct net_config *n = &cfg->net[cfg->nnet++];

	*n = (struct net_config){.backend = NET_TAP, .fd = -1};
	return n;
}

int blk_config_finish(struct vm_config *cfg, struct blk_config *b, struct errtext *err)
{
	static const char *const names[CONFIG_MAX_BLK] = {"blk0", "blk1", "blk2", "blk3"};

	if (!b->path)
		return config_fail(err, "no path; say path=FILE");
	if (b->overlay && b->ro)
		return config_fail(err, "ro does not go with overlay: nothing would be written to "
					"it; leave one of them out");
	if (b->overlay && b->direct)
		return config_fail(err, "direct does not go with overlay: the image is there to be "
					"shared by way of the page cache; leave one of them out");
	if (b->overlay_max && !b->overlay)
		return config_fail(err, "overlay_max has no effect without overlay; add "
					"overlay=mem or overlay=FILE");
	if (!b->id)
		b->id = names[b - cfg->blk];
	return 0;
}

int net_config_finish(struct vm_config *cfg, struct net_config *n, struct errtext *err)
{
	static const char *const names[CONFIG_MAX_NET] = {"eth0", "eth1", "eth2", "eth3"};
	int backends = (n->tap != NULL) + (n->fd >= 0) + (n->backend == NET_USER);

	if (backends != 1)
		return config_fail(err, "%s; say exactly one of tap=NAME, user and fd=N",
				   backends ? "more than one backend" : "no backend");
	if (n->fd >= 0)
		n->backend = NET_FD;
	if (n->nfwd && n->backend != NET_USER)
		return config_fail(err,
				   "fwd needs the user backend; a tap is reached by its address");
	if (n->host_loopback && n->backend != NET_USER)
		return config_fail(err, "host_loopback needs the user backend; leave it out");
	if (n->policy.antispoof && !n->policy.naddrs)
		return config_fail(err,
				   "antispoof needs the interface's own addresses; add addr=IP");
	if (n->policy.naddrs && !n->policy.antispoof)
		return config_fail(err, "addr has no effect without antispoof; add antispoof");
	if (!n->id)
		n->id = names[n - cfg->net];
	return 0;
}
