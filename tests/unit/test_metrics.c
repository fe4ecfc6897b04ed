/* SPDX-License-Identifier: MIT
 *
 * test_metrics.c: the metrics file parses as JSON, holds what was counted, and appears all at once.
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
				    .memory = true,
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
	cr_assert_eq(metrics_write(path, &rep), 0);

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

	vm.t_exit = 0;
	cr_assert_eq(metrics_write(path, &bare), 0);

	json_t *j = load();

	cr_assert(json_is_null(json_object_get(j, "id")));
	cr_assert(json_is_null(json_object_get(j, "exit_status")));
	cr_assert(json_is_null(json_object_get(j, "memory")));
	cr_assert_eq(json_array_size(json_object_get(j, "net")), 0);
	cr_assert_eq(json_array_size(json_object_get(j, "block")), 0);
	json_decref(j);
}

Test(metrics, replaced_at_once)
{
	struct stat before, after;
	int fd;

	vm.t_exit = 0;
	cr_assert_eq(metrics_write(path, &rep), 0);
	fd = open(path, O_RDONLY);
	cr_assert_eq(fstat(fd, &before), 0);
	cr_assert_eq(metrics_write(path, &rep), 0);
	cr_assert_eq(stat(path, &after), 0);
	cr_assert_neq(before.st_ino, after.st_ino, "whoever has the old file open keeps all of it");
	cr_assert_eq(fstat(fd, &before), 0);
	cr_assert_gt(before.st_size, 0);
	close(fd);
}

Test(metrics, counters_use_all_64_bits)
{
	char text[16384] = "";
	int fd = memfd_create("m", 0);

	cr_assert_eq(metrics_write_fd(fd, &rep), 0);
	cr_assert_gt(pread(fd, text, sizeof text - 1, 0), 0);
	cr_assert(strstr(text, "\"t_exit\": 18446744073709551615"));
	close(fd);
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
	cr_assert_eq(metrics_write(path, &big), 0);
}

Test(metrics, failures_are_told_and_leave_nothing)
{
	cr_assert_eq(metrics_write("build/no-such-folder/m.json", &rep), -ENOENT);
	cr_assert_eq(metrics_write("/dev/full", &rep), -ENOSPC);
	cr_assert_eq(metrics_write("/dev/null", &rep), 0);
	cr_assert_eq(metrics_write(dir, &rep), -EISDIR);
}
