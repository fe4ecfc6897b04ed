/* SPDX-License-Identifier: MIT
 *
 * model.c: see model.h. json_*_set_new() takes the value and fails on NULL, so failures of memory
 * are gathered and looked at once.
 */
#include "monitor/api/model.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "api_tables.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "monitor/api/schema.h"
#include "monitor/config_json.h"

#define DEFAULT_MIB (CONFIG_MEM_DEF >> 20)

static const char *id_key(const char *list)
{
	return strcmp(list, MODEL_DRIVES) == 0 ? "drive_id" : "iface_id";
}

json_t *model_new(void)
{
	return json_pack("{s:[], s:[]}", MODEL_DRIVES, MODEL_NETS);
}

static void close_fd(const json_t *v)
{
	const json_t *fd = json_object_get(v, MODEL_FD);

	if (fd)
		close((int)json_integer_value(fd));
}

void model_free(json_t *model)
{
	json_t *dev;
	size_t i;

	close_fd(json_object_get(model, "boot-source"));
	json_array_foreach(json_object_get(model, MODEL_DRIVES), i, dev) close_fd(dev);
	json_array_foreach(json_object_get(model, MODEL_NETS), i, dev) close_fd(dev);
	json_decref(model);
}

int model_find(const json_t *model, const char *list, const char *id)
{
	json_t *dev;
	size_t i;

	json_array_foreach(json_object_get(model, list), i, dev)
	{
		const char *have = json_string_value(json_object_get(dev, id_key(list)));

		if (have && strcmp(have, id) == 0)
			return (int)i;
	}
	return -1;
}

int model_put_device(json_t *model, const char *list, const char *id, json_t *dev)
{
	json_t *all = json_object_get(model, list);
	int i = model_find(model, list, id);

	if (i < 0)
		return json_array_append(all, dev) ? -ENOMEM : 0;
	return json_array_set(all, (size_t)i, dev) ? -ENOMEM : 0;
}

/* --- to a vm_config --- */

/* The x-config properties of v under the keys they stand for. */
static int translate(json_t *out, unsigned id, const json_t *v)
{
	const struct schema *s = &schemas[id];
	int bad = 0;

	for (unsigned i = 0; i < s->nfields; i++) {
		const struct schema_field *f = &schema_fields[s->first + i];
		json_t *item = f->config ? json_object_get(v, schema_str(f->name)) : NULL;

		if (item)
			bad |= json_object_set(out, schema_str(f->config), item);
	}
	return bad;
}

/* A descriptor in the place of a path. */
static int put_fd(json_t *out, const char *key, const json_t *v)
{
	const json_t *fd = json_object_get(v, MODEL_FD);
	char path[40];

	if (!fd)
		return 0;
	snprintf(path, sizeof path, "/proc/self/fd/%d", (int)json_integer_value(fd));
	return json_object_set_new(out, key, json_string(path));
}

static int add_drive(json_t *out, const json_t *drive, bool root)
{
	json_t *o = json_object();
	int bad = translate(o, SCHEMA_ID_Drive, drive) | put_fd(o, "path", drive);

	/* The guest mounts its first disk. */
	return bad | (root ? json_array_insert_new(out, 0, o) : json_array_append_new(out, o));
}

static int add_net(json_t *out, const json_t *net)
{
	json_t *o = json_object();
	const json_t *fd = json_object_get(net, MODEL_FD);
	int bad = translate(o, SCHEMA_ID_NetworkInterface, net);

	if (fd)
		bad |= json_object_set_new(o, "fd", json_integer(json_integer_value(fd)));
	return bad | json_array_append_new(out, o);
}

static json_t *translated(const json_t *model)
{
	json_t *out = json_object(), *block = json_array(), *net = json_array(), *v;
	const json_t *boot = json_object_get(model, "boot-source");
	const json_t *mib =
		json_object_get(json_object_get(model, "machine-config"), "mem_size_mib");
	size_t i;
	char mem[32];
	const json_t *machine = json_object_get(model, "machine-config");
	int bad = translate(out, SCHEMA_ID_FullVmConfiguration, model) |
		  translate(out, SCHEMA_ID_MachineConfiguration, machine) |
		  translate(out, SCHEMA_ID_BootSource, boot) | put_fd(out, "kernel", boot) |
		  translate(out, SCHEMA_ID_Metrics, json_object_get(model, "metrics"));

	if (mib) {
		snprintf(mem, sizeof mem, "%" JSON_INTEGER_FORMAT "M", json_integer_value(mib));
		bad |= json_object_set_new(out, "mem", json_string(mem));
	}
	json_array_foreach(json_object_get(model, MODEL_DRIVES), i, v) bad |=
		add_drive(block, v, json_is_true(json_object_get(v, "is_root_device")));
	json_array_foreach(json_object_get(model, MODEL_NETS), i, v) bad |= add_net(net, v);
	bad |= json_object_set_new(out, "block", block) | json_object_set_new(out, "net", net);
	if (!bad)
		return out;
	json_decref(out);
	return NULL;
}

/* "block[1].path: is empty" is about Drive.path_on_host. */
static void blame(struct api_fault *fault, const char *text, unsigned schema)
{
	const unsigned owners[] = {schema,
				   SCHEMA_ID_Drive,
				   SCHEMA_ID_NetworkInterface,
				   SCHEMA_ID_BootSource,
				   SCHEMA_ID_Metrics,
				   SCHEMA_ID_FullVmConfiguration};
	size_t end = strcspn(text, ":"), start = end;
	unsigned from = schema				 ? 0
			: strncmp(text, "block", 5) == 0 ? 1
			: strncmp(text, "net", 3) == 0	 ? 2
							 : 3;

	while (start && text[start - 1] != '.' && text[start - 1] != ' ')
		start--;
	for (unsigned o = from; o < sizeof owners / sizeof *owners; o++) {
		const struct schema *s = &schemas[owners[o]];

		for (unsigned i = 0; i < s->nfields; i++) {
			const struct schema_field *f = &schema_fields[s->first + i];
			size_t n = f->config ? strlen(schema_str(f->config)) : 0;

			if (n && !strncmp(text + start, schema_str(f->config), n) &&
			    strchr("[:", text[start + n])) {
				fault->field[0] = '\0';
				fault_field(fault, schema_str(f->name));
				return;
			}
		}
	}
}

/* schema: what `own` was translated from, 0 = a whole model. */
static int decode(const json_t *own, unsigned schema, struct vm_config *cfg,
		  struct api_fault *fault)
{
	struct errtext err;
	char *text = json_dumps(own, JSON_COMPACT);
	int r = text ? config_json_decode(cfg, text, strlen(text), &err)
		     : config_fail(&err, "out of memory");

	free(text);
	if (!r)
		return 0;
	fault_set(fault, "bad_value", "%s.", err.text);
	blame(fault, err.text, schema);
	return -EINVAL;
}

/* Two roots: which one would the guest mount? */
static int judge_roots(const json_t *model, bool whole, struct api_fault *fault)
{
	bool seen = false;
	char at[40];
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(model, MODEL_DRIVES), i, v)
	{
		bool root = json_is_true(json_object_get(v, "is_root_device"));

		if (root && seen) {
			fault_set(fault, "bad_value",
				  "Drive config error: A root block device already exists!");
			fault->field[0] = '\0';
			fault_field(fault, "is_root_device");
			snprintf(at, sizeof at, MODEL_DRIVES "[%zu]", i);
			return whole ? fault_field(fault, at) : -EINVAL;
		}
		seen |= root;
	}
	return 0;
}

/* Which drive of the model became block[n]? add_drive() puts the root device first. */
static size_t drive_of(const json_t *model, size_t n)
{
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(model, MODEL_DRIVES), i, v)
	{
		if (!json_is_true(json_object_get(v, "is_root_device")))
			continue;
		return n == 0 ? i : n <= i ? n - 1 : n;
	}
	return n;
}

/* The device before the property that is to blame: "drives[1].path_on_host". */
static void blame_device(const json_t *model, struct api_fault *fault)
{
	size_t n;
	char at[40];

	if (sscanf(fault->text, "block[%zu]", &n) == 1)
		snprintf(at, sizeof at, MODEL_DRIVES "[%zu]", drive_of(model, n));
	else if (sscanf(fault->text, "net[%zu]", &n) == 1)
		snprintf(at, sizeof at, MODEL_NETS "[%zu]", n);
	else
		return;
	fault_field(fault, at);
}

int model_config(const json_t *model, struct vm_config *cfg, bool whole, struct api_fault *fault)
{
	struct errtext err;
	json_t *own;

	if (judge_roots(model, whole, fault))
		return -EINVAL;
	own = translated(model);
	if (!own)
		return fault_set(fault, "host_error", "There is no memory left.");
	int r = decode(own, 0, cfg, fault);
	json_decref(own);
	if (r && whole)
		blame_device(model, fault);
	if (r)
		return r;
	if (whole && !cfg->kernel)
		return fault_set(fault, "no_kernel",
				 "Start microvm error: Cannot start microvm without kernel "
				 "configuration.");
	if (!cfg->kernel)
		cfg->kernel = "/";
	r = config_check(cfg, &err);
	return r ? fault_set(fault, "bad_value", "%s.", err.text) : 0;
}

int model_overlay(const json_t *v, unsigned schema, struct vm_config *cfg, const char *dev_list,
		  const char *id, struct api_fault *fault)
{
	json_t *own = json_object(), *dev = NULL;
	int bad = 0;

	if (dev_list) {
		dev = json_object();
		bad = json_object_set_new(own, dev_list, json_array()) |
		      json_array_append_new(json_object_get(own, dev_list), dev) |
		      json_object_set_new(dev, "id", json_string(id));
	}
	bad |= translate(dev ? dev : own, schema, v);
	int r = bad ? fault_set(fault, "host_error", "There is no memory left.")
		    : decode(own, schema, cfg, fault);
	json_decref(own);
	return r;
}

struct log_config model_logger(const json_t *logger)
{
	static const char levels[][8] = {"Off", "Error", "Warn"}; /* above: all */
	const char *level = json_string_value(json_object_get(logger, "level"));
	struct log_config l = {
		.given = true,
		.path = json_string_value(json_object_get(logger, "log_path")),
		.level = LOG_ALL,
		.show_level = json_is_true(json_object_get(logger, "show_level")),
		.show_origin = json_is_true(json_object_get(logger, "show_log_origin")),
	};

	for (int i = 0; level && i < LOG_ALL; i++)
		if (!strncmp(level, levels[i], strlen(levels[i])))
			l.level = i;
	return l;
}

void model_warn(const json_t *model)
{
	const json_t *machine = json_object_get(model, "machine-config");
	json_int_t n = json_integer_value(json_object_get(machine, "vcpu_count"));

	if (n > 1)
		log_warn("machine-config.vcpu_count: there is one vCPU, not %d", (int)n);
}

/* --- from one --- */

/* The properties of a schema that v has under their configuration keys. */
static json_t *back(unsigned id, const json_t *v)
{
	const struct schema *s = &schemas[id];
	json_t *out = json_object();

	for (unsigned i = 0; out && i < s->nfields; i++) {
		const struct schema_field *f = &schema_fields[s->first + i];
		json_t *item = f->config ? json_object_get(v, schema_str(f->config)) : NULL;

		if (item && json_object_set(out, schema_str(f->name), item)) {
			json_decref(out);
			return NULL;
		}
	}
	return out;
}

/* Firecracker's clients know no property that is only ours: one that says what is so anyway is not
 * shown. */
static json_t *without_defaults(json_t *v)
{
	static const struct {
		char key[12], text[8];
	} all[] = {{"direct", "false"}, {"queues", "1"},	{"user", "false"},
		   {"addr", "[]"},	{"antispoof", "false"}, {"fwd", "[]"}};

	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		char *text = json_dumps(json_object_get(v, all[i].key), JSON_ENCODE_ANY);

		if (text && !strcmp(text, all[i].text))
			json_object_del(v, all[i].key);
		free(text);
	}
	return v;
}

/* "16M", "65536K"... in MiB, rounded up. */
static json_int_t mib_of(const char *mem)
{
	char *unit;
	unsigned long long n = strtoull(mem ? mem : "0", &unit, 10);

	if (*unit == 'G')
		n <<= 10;
	else if (*unit == 'K')
		n = (n + 1023) >> 10;
	else if (*unit == 'B')
		n = (n + (1 << 20) - 1) >> 20;
	return (json_int_t)n;
}

static int back_devices(json_t *model, const json_t *own)
{
	json_t *v;
	size_t i;
	int bad = 0;

	json_array_foreach(json_object_get(own, "block"), i, v)
	{
		json_t *drive = without_defaults(back(SCHEMA_ID_Drive, v));

		bad |= json_object_set_new(drive, "is_root_device", json_boolean(i == 0)) |
		       json_array_append_new(json_object_get(model, MODEL_DRIVES), drive);
	}
	json_array_foreach(json_object_get(own, "net"), i, v) bad |=
		json_array_append_new(json_object_get(model, MODEL_NETS),
				      without_defaults(back(SCHEMA_ID_NetworkInterface, v)));
	return bad;
}

json_t *model_of_config(const char *text)
{
	json_t *own = text ? json_loads(text, 0, NULL) : NULL, *model = own ? model_new() : NULL;
	const char *mem = json_string_value(json_object_get(own, "mem"));
	int bad = !model;

	if (model)
		bad = json_object_set_new(model, "boot-source", back(SCHEMA_ID_BootSource, own)) |
		      json_object_set_new(model, "machine-config",
					  json_pack("{s:I}", "mem_size_mib", mib_of(mem))) |
		      back_devices(model, own);
	if (!bad && json_object_get(own, "metrics"))
		bad = json_object_set_new(model, "metrics", back(SCHEMA_ID_Metrics, own));
	json_decref(own);
	if (!bad)
		return model;
	model_free(model);
	return NULL;
}

static int without_fds(json_t *list)
{
	json_t *dev;
	size_t i;

	json_array_foreach(list, i, dev) json_object_del(dev, MODEL_FD);
	return 0;
}

json_t *model_export(const json_t *model)
{
	json_t *out = json_deep_copy(model), *machine = json_object_get(out, "machine-config");
	json_t *defaults =
		json_pack("{s:i, s:I, s:b, s:b, s:s, s:s}", "vcpu_count", 1, "mem_size_mib",
			  (json_int_t)DEFAULT_MIB, "smt", 0, "track_dirty_pages", 0, "cpu_template",
			  "None", "huge_pages", "None");
	int bad = !out || (machine && json_object_update(defaults, machine));

	bad |= json_object_set_new(defaults, "vcpu_count", json_integer(1)) |
	       json_object_set_new(out, "machine-config", defaults);
	json_object_del(json_object_get(out, "boot-source"), MODEL_FD);
	without_fds(json_object_get(out, MODEL_DRIVES));
	without_fds(json_object_get(out, MODEL_NETS));
	if (!bad)
		return out;
	json_decref(out);
	return NULL;
}
