/* SPDX-License-Identifier: MIT
 *
 * info.c: command_info: what a snapshot is, by its state alone. The configuration in it is hostile
 * text: it is printed as JSON that was read and written again.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/errbuf.h"
#include "lib/printable.h"
#include "monitor/snapshot/tool/command.h"
#include "monitor/snapshot/tool/packed.h"

static json_t *hex(const uint8_t *id)
{
	char text[2 * SNAP_ID + 1];

	for (unsigned i = 0; i < SNAP_ID; i++)
		snprintf(text + (size_t)2 * i, 3, "%02x", id[i]);
	return json_string(text);
}

static json_t *when(uint64_t wall_ns)
{
	time_t t = (time_t)(wall_ns / 1000000000);
	char text[32] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm))
		(void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

static json_t *devices(const struct vm_state *st)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < st->ndevs; i++) {
		const struct dev_state *d = &st->dev[i];
		json_t *o = json_pack("{s:s, s:s}", "id", d->id, "type",
				      d->device_id == 1 ? "net" : "block");
		char mac[18];

		if (d->device_id == 1) {
			snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", d->mac[0],
				 d->mac[1], d->mac[2], d->mac[3], d->mac[4], d->mac[5]);
			json_object_set_new(o, "mac", json_string(mac));
		} else {
			json_object_set_new(o, "size", json_integer((json_int_t)d->blk_size));
			json_object_set_new(o, "overlay_bytes",
					    json_integer((json_int_t)d->ov_len));
		}
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *describe(const struct snap_view *v, uint64_t state_len)
{
	const struct snap_head *h = v->head;
	char vendor[sizeof v->cpu->vendor + 1] = "";
	json_t *o = json_object(), *config = json_loads(v->config, 0, NULL);

	memcpy(vendor, v->cpu->vendor, sizeof v->cpu->vendor);
	printable(vendor);
	json_object_set_new(o, "kind", json_string(h->flags & SNAP_DIFF ? "diff" : "full"));
	json_object_set_new(o, "format", json_integer(h->version));
	json_object_set_new(o, "id", hex(h->id));
	if (h->flags & SNAP_DIFF)
		json_object_set_new(o, "base_id", hex(h->base_id));
	json_object_set_new(o, "taken", when(v->state->wall_ns));
	json_object_set_new(o, "memory_bytes", json_integer((json_int_t)h->mem_size));
	json_object_set_new(o, "unpacked_bytes",
			    json_integer((json_int_t)packed_room(v, state_len)));
	json_object_set_new(o, "at_freeze_point", json_boolean(v->state->freeze_gpa != 0));
	json_object_set_new(o, "idle", json_string(v->state->idle_exit ? "exit" : "hlt"));
	json_object_set_new(o, "cpu", json_string(vendor));
	json_object_set_new(o, "tsc_hz", json_integer((json_int_t)v->state->tsc_hz));
	json_object_set_new(o, "devices", devices(v->state));
	json_object_set_new(o, "config", config ? config : json_null());
	return o;
}

/* A line a field; what has parts as JSON. */
static void print_lines(const json_t *o)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)o, key, value)
	{
		printf("%-16s ", key);
		if (json_is_string(value))
			printf("%s\n", json_string_value(value));
		else {
			json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
			printf("\n");
		}
	}
}

static int print(const struct command *c, json_t *o, char *err, size_t errlen)
{
	if (c->json) {
		json_dumpf(o, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		printf("\n");
	} else {
		print_lines(o);
	}
	json_decref(o);
	return fflush(stdout) || ferror(stdout) ? err_put(err, errlen, -EIO, "standard output") : 0;
}

static int info_packed(const struct command *c, int fd, char *err, size_t errlen)
{
	struct packed p;
	struct stat st;
	int r = packed_open(&p, fd, c->arg[0], c->key, err, errlen);

	if (!r) {
		json_t *o = describe(&p.v, p.head.state_len);

		json_object_set_new(o, "signed", json_boolean(p.head.has_sig));
		json_object_set_new(o, "packed", json_true());
		if (!fstat(fd, &st) && S_ISREG(st.st_mode))
			json_object_set_new(o, "packed_bytes", json_integer(st.st_size));
		r = print(c, o, err, errlen);
	}
	packed_close(&p);
	return r;
}

static int info_state(const struct command *c, char *err, size_t errlen)
{
	char why[300], sig[4096];
	struct snap_view v;
	void *buf;
	size_t len;
	int r = snap_read(c->arg[0], SNAP_STATE_MAX, &buf, &len, err, errlen);

	if (r)
		return r;
	snprintf(sig, sizeof sig, "%s.sig", c->arg[0]);
	const char *at = c->sig ? c->sig : sig;

	r = c->key ? snap_verify(buf, len, c->key, at, err, errlen) : 0;
	if (!r) {
		r = snap_decode(buf, len, &v, why, sizeof why);
		if (r)
			err_put(err, errlen, r, "%s: %s", c->arg[0], why);
	}
	if (!r) {
		json_t *o = describe(&v, len);

		json_object_set_new(o, "signed", json_boolean(!access(at, F_OK)));
		json_object_set_new(o, "packed", json_false());
		r = print(c, o, err, errlen);
	}
	free(buf);
	return r;
}

int command_info(const struct command *c, char *err, size_t errlen)
{
	int fd = command_open(c->arg[0], err, errlen), r;

	if (fd < 0)
		return fd;
	r = command_is_packed(fd) ? info_packed(c, fd, err, errlen) : info_state(c, err, errlen);
	close(fd);
	return r;
}
