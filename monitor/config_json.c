/* SPDX-License-Identifier: MIT
 *
 * config_json.c: see config_json.h. jansson parses; here types are checked and scalars are handed
 * as text to the judges of config_field.c.
 */
#include "monitor/config_json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "monitor/api/file.h"
#include "monitor/config_field.h"
#include "monitor/config_value.h"

static const char *type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "a whole number";
	case JSON_REAL:
		return "a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		return "null";
	}
	return "unknown";
}

static int wrong_type(const json_t *v, const char *want, struct errtext *err)
{
	return config_fail(err, "is %s; it has to be %s", type_name(v), want);
}

/* One value that is not a list, its type checked, to its judge. */
static int set_scalar(struct field_obj *obj, const struct field *f, json_t *v, struct errtext *err)
{
	char text[24];

	switch (f->type) {
	case FIELD_FLAG:
		if (!json_is_boolean(v))
			return wrong_type(v, "true or false", err);
		return f->set(obj, json_is_true(v) ? "on" : "off", err);
	case FIELD_NUMBER:
		if (!json_is_integer(v))
			return wrong_type(v, "a whole number", err);
		snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		if (text[0] == '-')
			return config_fail(err, "%s is negative", text);
		return f->set(obj, text, err);
	case FIELD_STRING:
	case FIELD_LIST:
	case FIELD_LIMITER:
		break;
	}
	if (json_is_string(v))
		return f->set(obj, json_string_value(v), err);
	if (json_is_integer(v) && f->type == FIELD_STRING)
		return wrong_type(v, "a string, such as \"16M\" for a size", err);
	return wrong_type(v, "a string", err);
}

static int set_list(struct field_obj *obj, const struct field *f, json_t *v, const char *where,
		    struct errtext *err)
{
	char name[40];
	json_t *item;
	size_t i;

	if (!json_is_array(v)) {
		wrong_type(v, "a list of strings", err);
		return field_blame(err, where, f->name);
	}
	/* An empty list of what may be reached lets nothing out; other empty lists are as good as
	 * none. */
	if (json_array_size(v) == 0 && strcmp(f->name, "allow") == 0)
		return f->set(obj, "none", err);
	json_array_foreach(v, i, item)
	{
		if (set_scalar(obj, f, item, err) == 0)
			continue;
		snprintf(name, sizeof name, "%s[%zu]", f->name, i);
		return field_blame(err, where, name);
	}
	return 0;
}

/* Firecracker's TokenBucket, {"size": N, "one_time_burst": N, "refill_time": MS}, as the text that
 * its judge reads. */
static int bucket_text(json_t *v, bool bytes, char *text, size_t len, struct errtext *err)
{
	json_int_t n[3] = {-1, 0, -1}; /* size and refill_time have no default */
	static const char *const names[] = {"size", "one_time_burst", "refill_time"};
	const char *key, *unit = bytes ? "B" : "";
	json_t *item;

	if (!json_is_object(v))
		return wrong_type(v, "an object with size and refill_time", err);
	json_object_foreach(v, key, item)
	{
		unsigned i = 0;

		while (i < 3 && strcmp(key, names[i]) != 0)
			i++;
		if (i == 3)
			return config_fail(err,
					   "unknown key '%.64s'; a bucket has size, one_time_burst "
					   "and refill_time",
					   key);
		if (!json_is_integer(item) || json_integer_value(item) < 0)
			return config_fail(err, "%s is not a whole number of 0 or more", key);
		n[i] = json_integer_value(item);
	}
	if (n[0] < 0 || n[2] < 0)
		return config_fail(err, "%s is missing", names[n[0] < 0 ? 0 : 2]);
	snprintf(text, len,
		 "%" JSON_INTEGER_FORMAT "%s+%" JSON_INTEGER_FORMAT "%s/%" JSON_INTEGER_FORMAT "ms",
		 n[0], unit, n[1], unit, n[2]);
	return 0;
}

/* Firecracker's RateLimiter, {"bandwidth": bucket, "ops": bucket}, either of which may be left out
 * or null: "rx_rate_limiter" is "rx_bw" and "rx_ops". */
static int set_limiter(struct field_obj *obj, const struct field *fields, const char *name,
		       json_t *v, const char *where, struct errtext *err)
{
	int prefix = (int)(strlen(name) - strlen("rate_limiter"));
	char at[64], text[80], key[16];
	const char *part;
	json_t *item;

	snprintf(at, sizeof at, "%.30s%s", where, name);
	if (!json_is_object(v)) {
		wrong_type(v, "an object with bandwidth and ops", err);
		return field_blame(err, at, "");
	}
	snprintf(at, sizeof at, "%.30s%s.", where, name);
	json_object_foreach(v, part, item)
	{
		bool bytes = strcmp(part, "bandwidth") == 0;

		if (!bytes && strcmp(part, "ops") != 0) {
			config_fail(err, "unknown key; a rate limiter has bandwidth and ops");
			return field_blame(err, at, part);
		}
		if (json_is_null(item))
			continue;
		snprintf(key, sizeof key, "%.*s%s", prefix, name, bytes ? "bw" : "ops");
		if (bucket_text(item, bytes, text, sizeof text, err) < 0 ||
		    fields[field_find(fields, key)].set(obj, text, err) < 0)
			return field_blame(err, at, part);
	}
	return 0;
}

/* One key of an object; where is what comes before its name, such as "net[0]." */
static int set_key(struct field_obj *obj, const struct field *fields, const char *key, json_t *v,
		   const char *where, struct errtext *err)
{
	int i = field_find(fields, key);

	if (i < 0 || strcmp(fields[i].name, key) != 0) {
		field_unknown(fields, key, err);
		return *where ? field_blame(err, where, key) : -EINVAL;
	}
	if (obj->cfg->rebind)
		field_rebind(obj, key);
	if (fields[i].type == FIELD_LIST)
		return set_list(obj, &fields[i], v, where, err);
	if (fields[i].type == FIELD_LIMITER)
		return set_limiter(obj, fields, fields[i].name, v, where, err);
	if (set_scalar(obj, &fields[i], v, err) < 0)
		return field_blame(err, where, key);
	return 0;
}

static int decode_device(struct vm_config *cfg, bool net, json_t *dev, const char *at,
			 struct errtext *err)
{
	struct field_obj obj = {.cfg = cfg};
	const char *key, *id = json_string_value(json_object_get(dev, "id"));
	char where[32];
	json_t *v;

	if (net)
		obj.net = cfg->rebind ? net_config_of(cfg, id, err) : net_config_add(cfg, err);
	else
		obj.blk = cfg->rebind ? blk_config_of(cfg, id, err) : blk_config_add(cfg, err);
	if (!obj.net && !obj.blk)
		return -EINVAL;
	snprintf(where, sizeof where, "%s.", at);
	json_object_foreach(dev, key, v)
	{
		int r = set_key(&obj, net ? net_fields : blk_fields, key, v, where, err);

		if (r < 0)
			return r;
	}

	int r = net ? net_config_finish(cfg, obj.net, err) : blk_config_finish(cfg, obj.blk, err);

	return r < 0 ? field_blame(err, at, "") : 0;
}

static int decode_devices(struct vm_config *cfg, const char *key, json_t *list, struct errtext *err)
{
	bool net = strcmp(key, "net") == 0;
	json_t *dev;
	size_t i;

	if (!json_is_array(list)) {
		wrong_type(list, "a list of objects", err);
		return field_blame(err, key, "");
	}
	json_array_foreach(list, i, dev)
	{
		char at[24];

		snprintf(at, sizeof at, "%s[%zu]", key, i);
		if (!json_is_object(dev)) {
			wrong_type(dev, "an object", err);
			return field_blame(err, at, "");
		}
		if (decode_device(cfg, net, dev, at, err) < 0)
			return -EINVAL;
	}
	return 0;
}

/* "restore" or "snapshot": an object of its own keys. */
static int decode_object(struct vm_config *cfg, const char *name, json_t *o,
			 const struct field *fields,
			 int (*finish)(struct vm_config *cfg, struct errtext *err),
			 struct errtext *err)
{
	struct field_obj obj = {.cfg = cfg};
	char where[32];
	const char *key;
	json_t *v;

	if (!json_is_object(o)) {
		wrong_type(o, "an object", err);
		return field_blame(err, name, "");
	}
	snprintf(where, sizeof where, "%s.", name);
	json_object_foreach(o, key, v)
	{
		if (set_key(&obj, fields, key, v, where, err) < 0)
			return -EINVAL;
	}
	return finish(cfg, err) < 0 ? field_blame(err, name, "") : 0;
}

static int decode_key(struct vm_config *cfg, const char *key, json_t *v, struct errtext *err)
{
	struct field_obj obj = {.cfg = cfg};

	if (strcmp(key, "restore") == 0)
		return 0; /* was the first */
	if (strcmp(key, "snapshot") == 0)
		return decode_object(cfg, key, v, snapshot_fields, snapshot_config_finish, err);
	if (strcmp(key, "fork") == 0)
		return decode_object(cfg, key, v, fork_fields, fork_config_finish, err);
	if (strcmp(key, "block") == 0 || strcmp(key, "net") == 0)
		return decode_devices(cfg, key, v, err);
	return set_key(&obj, vm_fields, key, v, "", err);
}

static int decode_root(struct vm_config *cfg, json_t *root, struct errtext *err)
{
	const char *key;
	json_t *v;

	if (!json_is_object(root))
		return wrong_type(root, "an object", err);
	if (api_file_is(root))
		return api_file_decode(cfg, root, err);
	v = json_object_get(root, "restore");
	if (v && decode_object(cfg, "restore", v, restore_fields, restore_config_finish, err) < 0)
		return -EINVAL;
	json_object_foreach(root, key, v)
	{
		int r = decode_key(cfg, key, v, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int config_json_decode(struct vm_config *cfg, const char *text, size_t len, struct errtext *err)
{
	json_error_t je;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);

	if (!root)
		return config_fail(err, "line %d, column %d: %s", je.line, je.column, je.text);

	int r = decode_root(cfg, root, err);

	json_decref(root);
	return r;
}

/* Everything that fd gives, up to cap bytes; what was read, or -errno. */
static ssize_t read_all(int fd, char *buf, size_t cap)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t got = read(fd, buf + n, cap - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

int config_json_load(struct vm_config *cfg, const char *path, struct errtext *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	const char *name = is_stdin ? "standard input" : path;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return config_fail(err, "%.100s: cannot open: %s", name, strerror(errno));

	char *text = malloc(CONFIG_JSON_MAX + 1);
	ssize_t n = text ? read_all(fd, text, CONFIG_JSON_MAX + 1) : -ENOMEM;
	int r;

	if (n < 0) {
		r = config_fail(err, "%.100s: cannot read: %s", name, strerror((int)-n));
	} else if (n > (ssize_t)CONFIG_JSON_MAX) {
		r = config_fail(err, "%.100s: larger than %u bytes", name, CONFIG_JSON_MAX);
	} else {
		r = config_json_decode(cfg, text, (size_t)n, err);
		if (r < 0)
			r = field_blame(err, name, "");
	}
	free(text);
	if (!is_stdin)
		close(fd);
	return r;
}

/* --- out --- */

/* What of a configuration belongs to the machine, whoever runs it. */
static const char *const shape_keys[] = {"kernel", "cmdline", "mem", "idle", "block", "net"};

#define NSHAPE (sizeof shape_keys / sizeof shape_keys[0])

/* json_*_set_new frees the value and fails when it is NULL, so one check at the end is enough. */
static int put_list(json_t *list, const char *text)
{
	return json_array_append_new(list, json_string(text));
}

static bool is_limit(const struct token_bucket *b)
{
	return b->size && b->refill_ms;
}

static int put_bucket(json_t *o, const char *key, const struct token_bucket *b)
{
	if (!is_limit(b))
		return 0;
	return json_object_set_new(o, key,
				   json_pack("{s:I, s:I, s:I}", "size", (json_int_t)b->size,
					     "one_time_burst", (json_int_t)b->burst, "refill_time",
					     (json_int_t)b->refill_ms));
}

/* Nothing when there is no limit. */
static int put_limiter(json_t *o, const char *key, const struct rate_config *l)
{
	json_t *v;

	if (!is_limit(&l->bw) && !is_limit(&l->ops))
		return 0;
	v = json_object();
	return put_bucket(v, "bandwidth", &l->bw) | put_bucket(v, "ops", &l->ops) |
	       json_object_set_new(o, key, v);
}

static json_t *blk_json(const struct blk_config *b)
{
	json_t *o = json_pack("{s:s, s:s, s:b, s:b, s:i}", "id", b->id, "path", b->path, "ro",
			      b->ro, "direct", b->direct, "queues", (int)b->queues);

	int bad = !o || put_limiter(o, "rate_limiter", &b->limit);
	char max[VALUE_STR_MAX];

	if (!bad && b->overlay)
		bad = json_object_set_new(o, "overlay", json_string(b->overlay));
	value_size_str(b->overlay_max, max);
	if (!bad && b->overlay_max)
		bad = json_object_set_new(o, "overlay_max", json_string(max));
	if (!bad)
		return o;
	json_decref(o);
	return NULL;
}

static int put_backend(json_t *o, const struct net_config *n)
{
	switch (n->backend) {
	case NET_TAP:
		return json_object_set_new(o, "tap", json_string(n->tap));
	case NET_USER:
		return json_object_set_new(o, "user", json_true());
	case NET_FD:
		return json_object_set_new(o, "fd", json_integer(n->fd));
	}
	return -1;
}

static int put_policy(json_t *o, const struct net_policy *p)
{
	json_t *addrs = json_array(), *allow = json_array();
	char v[VALUE_STR_MAX];
	int bad = 0;

	for (unsigned i = 0; i < p->naddrs; i++) {
		value_ip_str(p->addrs[i], v);
		bad |= put_list(addrs, v);
	}
	for (unsigned i = 0; i < p->nallow; i++) {
		value_allow_str(&p->allow[i], v);
		bad |= put_list(allow, v);
	}
	bad |= json_object_set_new(o, "antispoof", json_boolean(p->antispoof));
	bad |= json_object_set_new(o, "addr", addrs);
	if (p->restrict_dest)
		bad |= json_object_set_new(o, "allow", allow);
	else
		json_decref(allow);
	return bad;
}

static int put_ip4(json_t *o, const char *key, uint32_t ip, int prefix)
{
	char v[VALUE_STR_MAX];

	if (!ip)
		return 0;
	snprintf(v, sizeof v, prefix ? "%u.%u.%u.%u/%d" : "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255,
		 ip >> 8 & 255, ip & 255, prefix);
	return json_object_set_new(o, key, json_string(v));
}

static int put_addresses(json_t *o, const struct net_config *n)
{
	return put_ip4(o, "ip", n->ip4, n->prefix4) | put_ip4(o, "gw", n->gw4, 0) |
	       put_ip4(o, "dns", n->dns4, 0);
}

static json_t *net_json(const struct net_config *n)
{
	json_t *o = json_object(), *fwd = json_array();
	char v[VALUE_STR_MAX];
	int bad = json_object_set_new(o, "id", json_string(n->id)) | put_backend(o, n);

	if (n->has_mac) {
		value_mac_str(n->mac, v);
		bad |= json_object_set_new(o, "mac", json_string(v));
	}
	bad |= json_object_set_new(o, "mtu", json_integer(n->mtu ? n->mtu : 1500));
	bad |= put_addresses(o, n);
	for (unsigned i = 0; i < n->nfwd; i++) {
		value_fwd_str(&n->fwd[i], v);
		bad |= put_list(fwd, v);
	}
	if (n->host_loopback)
		bad |= json_object_set_new(o, "host_loopback", json_true());
	bad |= json_object_set_new(o, "fwd", fwd) | put_policy(o, &n->policy);
	bad |= put_limiter(o, "rx_rate_limiter", &n->rx_limit);
	bad |= put_limiter(o, "tx_rate_limiter", &n->tx_limit);
	if (!bad)
		return o;
	json_decref(o);
	return NULL;
}

static void put_path(json_t *o, const char *key, const char *path)
{
	if (path)
		json_object_set_new(o, key, json_string(path));
}

static int put_snapshot(json_t *root, const struct vm_config *cfg)
{
	static const char *const verify[] = {"auto", "none", "full", "copy", "lazy"};
	const struct restore_config *r = &cfg->restore;
	int bad = 0;

	if (r->path) {
		json_t *o = json_object();

		put_path(o, "path", r->path);
		put_path(o, "mem", r->mem);
		put_path(o, "base", r->base);
		put_path(o, "base_mem", r->base_mem);
		put_path(o, "key", r->key);
		put_path(o, "sig", r->sig);
		put_path(o, "verify", verify[r->verify]);
		bad |= json_object_set_new(o, "prefetch", json_boolean(!r->no_prefetch)) |
		       json_object_set_new(root, "restore", o);
	}
	if (cfg->save.path) {
		json_t *o = json_object();

		put_path(o, "path", cfg->save.path);
		put_path(o, "mem", cfg->save.mem);
		bad |= json_object_set_new(o, "run", json_boolean(cfg->save.run)) |
		       json_object_set_new(root, "snapshot", o);
	}
	if (cfg->fork.n) {
		json_t *o = json_object();

		bad |= json_object_set_new(o, "n", json_integer(cfg->fork.n));
		put_path(o, "id", cfg->fork.id);
		put_path(o, "console", cfg->fork.console);
		put_path(o, "metrics", cfg->fork.metrics);
		put_path(o, "hostname", cfg->fork.hostname);
		put_path(o, "tap", cfg->fork.tap);
		bad |= json_object_set_new(root, "fork", o);
	}
	if (cfg->hostname)
		put_path(root, "hostname", cfg->hostname);
	if (cfg->nenv) {
		json_t *env = json_array();

		for (unsigned i = 0; i < cfg->nenv; i++)
			bad |= put_list(env, cfg->env[i]);
		bad |= json_object_set_new(root, "env", env);
	}
	return bad;
}

static json_t *root_json(const struct vm_config *cfg)
{
	static const char *const idle[] = {
		[IDLE_AUTO] = "auto", [IDLE_EXIT] = "exit", [IDLE_HLT] = "hlt"};
	json_t *root, *block = json_array(), *net = json_array();
	char mem[VALUE_STR_MAX];
	int bad = 0;

	for (unsigned i = 0; i < cfg->nblk; i++)
		bad |= json_array_append_new(block, blk_json(&cfg->blk[i]));
	for (unsigned i = 0; i < cfg->nnet; i++)
		bad |= json_array_append_new(net, net_json(&cfg->net[i]));
	value_size_str(cfg->mem, mem);
	root = json_pack(
		"{s:s*, s:s, s:s, s:s*, s:s*, s:s, s:s*, s:s, s:s*, s:I, s:b, s:b, s:o, s:o}",
		"kernel", cfg->kernel, "cmdline", cfg->cmdline, "mem", mem, "id", cfg->id,
		"api_sock", cfg->api_sock, "console", cfg->console, "metrics", cfg->metrics, "idle",
		idle[cfg->idle], "serve", cfg->serve, "serve_timeout",
		(json_int_t)cfg->serve_timeout_ms, "boot_timer", cfg->boot_timer, "track_dirty",
		cfg->track_dirty, "block", block, "net", net);
	bad |= put_snapshot(root, cfg);
	if (!bad)
		return root;
	json_decref(root);
	return NULL;
}

char *config_json_shape(const struct vm_config *cfg)
{
	json_t *root = root_json(cfg), *shape = json_object(), *v;
	char *text = NULL;

	for (size_t i = 0; root && i < NSHAPE; i++) {
		v = json_object_get(root, shape_keys[i]);
		if (v)
			json_object_set(shape, shape_keys[i], v);
	}
	if (root)
		text = json_dumps(shape, JSON_COMPACT);
	json_decref(shape);
	json_decref(root);
	return text;
}

/* jansson would open /dev/urandom for this. The kernel's 16 bytes: musl takes the first 8. */
static void seed_hashes(void)
{
	const uint8_t *random = (const uint8_t *)getauxval(AT_RANDOM);
	size_t seed = 1;

	if (random)
		memcpy(&seed, random + 8, sizeof seed);
	json_object_seed(seed ? seed : 1);
}

int config_json_decode_shape(struct vm_config *cfg, const char *text, size_t len,
			     struct errtext *err)
{
	seed_hashes();
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL), *v;
	size_t known = 0;
	int r = json_is_object(root) ? 0 : config_fail(err, "is no object");

	for (size_t i = 0; r == 0 && i < NSHAPE; i++) {
		v = json_object_get(root, shape_keys[i]);
		if (v)
			r = decode_key(cfg, shape_keys[i], v, err);
		known += v != NULL;
	}
	if (r == 0 && known != json_object_size(root))
		r = config_fail(err, "has other keys than the shape of a VM");
	json_decref(root);
	return r;
}

int config_json_print(const struct vm_config *cfg, FILE *out)
{
	json_t *root = root_json(cfg);

	if (!root)
		return -EILSEQ; /* a path or a command line that is not UTF-8, which JSON cannot
				   hold */

	int r = json_dumpf(root, out, JSON_INDENT(2)) == 0 && fputc('\n', out) != EOF ? 0 : -EIO;

	json_decref(root);
	return r;
}
