/* SPDX-License-Identifier: MIT
 *
 * test_metrics.c: the metrics file parses as JSON, holds what was counted, and holds one report.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor/metrics_json.h"

static struct vm_metrics vm;
static struct blk_metrics blk;
static struct net_metrics net[2];
static char dir[] = "build/test_metrics.XXXXXX";
static char path[64];

static const struct metrics_dev devs[] = {{.id = "root", .blk = &blk},
					  {.id = "eth0", .net = &net[0]},
					  {.id = "eth1", .net = &net[1]}};
static struct metrics_report rep = {.id = "vm-1",
				    .image = "leased",
				    .mem_size = 16u << 20,
				    .exit_status = 3,
				    .vm = &vm,
				    .devs = devs,
				    .ndevs = 3};

static void setup(void)
{
	mkdir("build", 0755); /* there already, but for an unusual O= */
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/m.json", dir);
	vm.exits = 3;
	vm.t_exit = UINT64_MAX;
	blk.read_bytes = 4096;
	net[1].tx_denied_dest = 9;
}

static void teardown(void)
{
	unlink(path);
	cr_assert_eq(rmdir(dir), 0, "nothing else is left in the folder");
}

TestSuite(metrics, .init = setup, .fini = teardown);

static int write_once(const char *to, const struct metrics_report *r)
{
	struct metrics_out out;
	int ret = metrics_open(&out, to);

	if (ret < 0)
		return ret;
	ret = metrics_write(&out, r);
	metrics_close(&out);
	return ret;
}

static json_t *load(void)
{
	json_error_t je;
	json_t *j = json_load_file(path, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &je);

	cr_assert_not_null(j, "%s at %d", je.text, je.line);
	return j;
}

static json_int_t num(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	cr_assert(json_is_integer(v), "%s", key);
	return json_integer_value(v);
}

Test(metrics, schema)
{
	vm.t_exit = 5;
	cr_assert_eq(write_once(path, &rep), 0);

	json_t *j = load(), *b = json_object_get(j, "block"), *n = json_object_get(j, "net");

	cr_assert_eq(num(j, "schema"), 1);
	cr_assert_str_eq(json_string_value(json_object_get(j, "id")), "vm-1");
	cr_assert_str_eq(json_string_value(json_object_get(j, "image")), "leased");
	cr_assert_eq(num(j, "mem_size"), 16 << 20);
	cr_assert_eq(num(j, "exit_status"), 3);
	cr_assert_eq(num(json_object_get(j, "vm"), "exits"), 3);
	cr_assert_eq(num(json_object_get(j, "times_ns"), "t_exit"), 5);
	cr_assert_eq(json_object_size(json_object_get(j, "vm")) +
			     json_object_size(json_object_get(j, "times_ns")),
		     sizeof vm / 8);
	cr_assert_eq(json_array_size(b), 1);
	cr_assert_str_eq(json_string_value(json_object_get(json_array_get(b, 0), "id")), "root");
	cr_assert_eq(num(json_array_get(b, 0), "read_bytes"), 4096);
	cr_assert_eq(json_object_size(json_array_get(b, 0)), 1 + sizeof blk / 8);
	cr_assert_eq(json_array_size(n), 2);
	cr_assert_eq(num(json_array_get(n, 1), "tx_denied_dest"), 9);
	cr_assert_eq(json_object_size(json_array_get(n, 0)), 1 + sizeof net[0] / 8);
	cr_assert_gt(num(json_object_get(j, "process"), "max_rss_kib"), 0);
	cr_assert_gt(num(json_object_get(j, "process"), "minor_faults"), 0);
	cr_assert_gt(num(json_object_get(j, "memory"), "pss_kib"), 0);
	cr_assert_gt(num(json_object_get(j, "memory"), "private_dirty_kib"), 0);
	json_decref(j);
}

Test(metrics, nothing_to_tell)
{
	const struct metrics_report bare = {.exit_status = -1, .vm = &vm};
	struct metrics_out out;

	vm.t_exit = 0;
	cr_assert_eq(metrics_open(&out, path), 0);
	close(out.rollup);
	out.rollup = -1; /* as in a jail */
	cr_assert_eq(metrics_write(&out, &bare), 0);
	metrics_close(&out);

	json_t *j = load();

	cr_assert(json_is_null(json_object_get(j, "id")));
	cr_assert(json_is_null(json_object_get(j, "exit_status")));
	cr_assert(json_is_null(json_object_get(j, "memory")));
	cr_assert_eq(json_array_size(json_object_get(j, "net")), 0);
	cr_assert_eq(json_array_size(json_object_get(j, "block")), 0);
	json_decref(j);
}

Test(metrics, each_report_covers_the_last)
{
	struct metrics_out out;
	struct stat long_one, short_one;

	vm.exits = UINT64_MAX;
	cr_assert_eq(metrics_open(&out, path), 0);
	cr_assert_eq(fstat(out.fd, &short_one), 0);
	cr_assert_eq(short_one.st_size, 0, "what an earlier run left is gone");
	cr_assert_eq(metrics_write(&out, &rep), 0);
	cr_assert_eq(fstat(out.fd, &long_one), 0);
	vm.exits = 1;
	vm.t_exit = 2;
	cr_assert_eq(metrics_write(&out, &rep), 0);
	cr_assert_eq(fstat(out.fd, &short_one), 0);
	cr_assert_geq(short_one.st_size, long_one.st_size);
	metrics_close(&out);
	json_t *j = load();
	cr_assert_eq(num(json_object_get(j, "vm"), "exits"), 1);
	json_decref(j);
}

Test(metrics, a_stream_gets_one_after_the_other)
{
	char text[32768];
	struct metrics_out out;

	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_eq(metrics_open(&out, path), 0, "also when nobody reads it yet");
	cr_assert_eq(metrics_write(&out, &rep), 0);
	cr_assert_eq(metrics_write(&out, &rep), 0);
	ssize_t n = read(out.fd, text, sizeof text - 1);
	cr_assert_gt(n, 0);
	text[n] = '\0';
	char *second = strstr(text + 1, "{\n  \"schema\"");
	cr_assert_not_null(second);
	metrics_close(&out);
}

Test(metrics, counters_use_all_64_bits)
{
	char text[16384] = "";
	struct metrics_out out = {.fd = memfd_create("m", 0), .rollup = -1};

	cr_assert_eq(metrics_write(&out, &rep), 0);
	cr_assert_gt(pread(out.fd, text, sizeof text - 1, 0), 0);
	cr_assert(strstr(text, "\"t_exit\": 18446744073709551615"));
	metrics_close(&out);
}

Test(metrics, full_of_devices_fits)
{
	struct metrics_dev many[8];
	struct metrics_report big = rep;
	static struct blk_metrics worst;

	memset(&vm, 0xff, sizeof vm);
	memset(&worst, 0xff, sizeof worst);
	memset(net, 0xff, sizeof net);
	for (unsigned i = 0; i < 8; i++)
		many[i] = (struct metrics_dev){.id = "abcdefghijklmnopqrstuvwxyz12345",
					       .blk = i < 4 ? &worst : NULL,
					       .net = i < 4 ? NULL : net};
	big.devs = many;
	big.ndevs = 8;
	cr_assert_eq(write_once(path, &big), 0);
}

Test(metrics, failures_are_told_and_leave_nothing)
{
	cr_assert_eq(write_once("build/no-such-folder/m.json", &rep), -ENOENT);
	cr_assert_eq(write_once("/dev/full", &rep), -ENOSPC);
	cr_assert_eq(write_once("/dev/null", &rep), 0);
	cr_assert_eq(write_once(dir, &rep), -EISDIR);
}
