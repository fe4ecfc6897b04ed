/* SPDX-License-Identifier: MIT
 *
 * test_config_json.c: configuration files, good, bad and hostile.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "monitor/config_json.h"

static struct vm_config cfg;
static struct errtext err;

static int decode(const char *json, size_t len)
{
	config_fini(&cfg);
	config_init(&cfg);
	err.text[0] = '\0';
	return config_json_decode(&cfg, json, len, &err);
}

static void refused(const char *json, const char *says)
{
	cr_assert_eq(decode(json, strlen(json)), -EINVAL, "accepted: %s", json);
	cr_assert(strstr(err.text, says), "%s\n  says '%s'\n  not  '%s'", json, err.text, says);
	cr_assert_null(strchr(err.text, '\n'));
}

static void accepted(const char *json)
{
	cr_assert_eq(decode(json, strlen(json)), 0, "%s: %s", json, err.text);
}

Test(config_json, everything)
{
	accepted("{\"kernel\":\"app\",\"cmdline\":\"-- "
		 "x\",\"mem\":\"8M\",\"id\":\"v1\",\"console\":\"-\",\"metrics\":\"m\","
		 "\"boot_timer\":true,\"idle\":\"exit\","
		 "\"block\":[{\"id\":\"root\",\"path\":\"d,1\",\"ro\":true,\"direct\":false,"
		 "\"queues\":3}],"
		 "\"net\":[{\"id\":\"n0\",\"tap\":\"tap0\",\"mac\":\"02:00:00:00:00:05\",\"mtu\":"
		 "9000,"
		 "\"antispoof\":true,\"addr\":[\"10.0.0.2\",\"fd00::1\"],\"allow\":[\"10.0.0.0/"
		 "8:80\"]},"
		 "{\"user\":true,\"fwd\":[\"8080:80\",\"udp:53:53\"]},{\"fd\":5,\"allow\":[]}]}");
	cr_assert_str_eq(cfg.kernel, "app");
	cr_assert_eq(cfg.mem, 8u << 20);
	cr_assert(cfg.boot_timer);
	cr_assert_eq(cfg.idle, IDLE_EXIT);
	cr_assert_eq(cfg.nblk, 1);
	cr_assert_str_eq(cfg.blk[0].path, "d,1", "commas are nothing special here");
	cr_assert_eq(cfg.blk[0].queues, 3);
	cr_assert_eq(cfg.nnet, 3);
	cr_assert_eq(cfg.net[0].policy.naddrs, 2);
	cr_assert_eq(cfg.net[0].policy.nallow, 1);
	cr_assert_eq(cfg.net[1].backend, NET_USER);
	cr_assert_eq(cfg.net[1].nfwd, 2);
	cr_assert_eq(cfg.net[2].fd, 5);
	cr_assert(cfg.net[2].policy.restrict_dest, "an empty list lets nothing out");
	cr_assert_eq(cfg.net[2].policy.nallow, 0);
}

Test(config_json, empty_lists_and_objects)
{
	accepted("{}");
	accepted("{\"block\":[],\"net\":[]}");
	accepted("{\"net\":[{\"user\":true,\"fwd\":[]}]}");
	cr_assert(!cfg.net[0].policy.restrict_dest);
}

Test(config_json, unknown_keys_are_named)
{
	refused("{\"kernal\":\"a\"}", "unknown key 'kernal'; did you mean 'kernel'?");
	refused("{\"boot-timer\":true}", "unknown key 'boot-timer'; did you mean 'boot_timer'?");
	refused("{\"frobnicate\":1}", "unknown key 'frobnicate'");
	refused("{\"dry_run\":true}", "unknown key 'dry_run'");
	refused("{\"block\":[{\"path\":\"x\",\"readonly\":true}]}",
		"block[0].readonly: unknown key");
	refused("{\"net\":[{\"user\":true},{\"mtuu\":1}]}",
		"net[1].mtuu: unknown key 'mtuu'; did you mean 'mtu'?");
	refused("{\"\":1}", "unknown key ''");
}

Test(config_json, wrong_types_are_named)
{
	refused("[]", "is a list; it has to be an object");
	refused("{\"kernel\":7}", "kernel: is a whole number; it has to be a string");
	refused("{\"kernel\":null}", "kernel: is null; it has to be a string");
	refused("{\"kernel\":[\"a\"]}", "kernel: is a list");
	refused("{\"mem\":16}", "mem: is a whole number; it has to be a string, such as \"16M\"");
	refused("{\"mem\":1.5}", "mem: is a fraction");
	refused("{\"boot_timer\":\"on\"}", "boot_timer: is a string; it has to be true or false");
	refused("{\"boot_timer\":1}", "boot_timer: is a whole number");
	refused("{\"block\":{}}", "block: is an object; it has to be a list of objects");
	refused("{\"block\":[1]}", "block[0]: is a whole number; it has to be an object");
	refused("{\"block\":[{\"path\":\"x\",\"queues\":\"2\"}]}",
		"block[0].queues: is a string; it has to be a whole number");
	refused("{\"block\":[{\"path\":\"x\",\"queues\":2.0}]}", "block[0].queues: is a fraction");
	refused("{\"block\":[{\"path\":\"x\",\"ro\":null}]}", "block[0].ro: is null");
	refused("{\"net\":[{\"user\":true,\"fwd\":\"80:80\"}]}",
		"net[0].fwd: is a string; it has to be a list of strings");
	refused("{\"net\":[{\"user\":true,\"fwd\":[\"80:80\",81]}]}",
		"net[0].fwd[1]: is a whole number");
	refused("{\"net\":[{\"user\":1}]}", "net[0].user: is a whole number");
}

Test(config_json, ranges_are_named)
{
	refused("{\"mem\":\"1M\"}", "mem: 1M is out of range 2M..3072M");
	refused("{\"mem\":\"17592186044416M\"}", "mem: 17592186044416M is out of range");
	refused("{\"mem\":\"16\"}", "mem: '16' has no unit");
	refused("{\"net\":[{\"user\":true,\"mtu\":70000}]}",
		"net[0].mtu: 70000 is out of range 68..65535");
	refused("{\"net\":[{\"user\":true,\"mtu\":-1}]}", "net[0].mtu: -1 is negative");
	refused("{\"net\":[{\"user\":true,\"mtu\":9223372036854775807}]}",
		"net[0].mtu: 9223372036854775807 is out of range");
	refused("{\"net\":[{\"fd\":-9223372036854775808}]}",
		"net[0].fd: -9223372036854775808 is negative");
	refused("{\"net\":[{\"user\":true,\"mtu\":99999999999999999999}]}", "line 1");
	refused("{\"block\":[{\"path\":\"x\",\"queues\":0}]}",
		"block[0].queues: 0 is out of range 1..8");
	refused("{\"net\":[{\"user\":true,\"allow\":[\"10.0.0.1\",\"10.0.0.1/8\"]}]}",
		"net[0].allow[1]: '10.0.0.1/8' has address bits set");
	refused("{\"net\":[{\"tap\":\"t\",\"fwd\":[\"1:1\"]}]}",
		"net[0]: fwd needs the user backend");
	refused("{\"net\":[{}]}", "net[0]: no backend");
	refused("{\"block\":[{}]}", "block[0]: no path");
	refused("{\"block\":[{\"path\":\"1\"},{\"path\":\"2\"},{\"path\":\"3\"},{\"path\":\"4\"},{"
		"\"path\":\"5\"}]}",
		"more than 4 disks");
}

Test(config_json, rate_limiters)
{
	accepted("{\"block\":[{\"path\":\"x\",\"rate_limiter\":{\"bandwidth\":{\"size\":1000,"
		 "\"one_time_burst\":2000,\"refill_time\":100},\"ops\":{\"size\":5,"
		 "\"refill_time\":1000}}}],\"net\":[{\"user\":true,\"rx_rate_limiter\":{\"ops\":"
		 "{\"size\":7,\"refill_time\":8},\"bandwidth\":null},\"tx_bw\":\"1M/1s\","
		 "\"tx_rate_limiter\":{}}]}");
	cr_assert_eq(cfg.blk[0].limit.bw.size, 1000);
	cr_assert_eq(cfg.blk[0].limit.bw.burst, 2000);
	cr_assert_eq(cfg.blk[0].limit.bw.refill_ms, 100);
	cr_assert_eq(cfg.blk[0].limit.ops.size, 5);
	cr_assert_eq(cfg.blk[0].limit.ops.burst, 0);
	cr_assert_eq(cfg.net[0].rx_limit.ops.size, 7);
	cr_assert_eq(cfg.net[0].rx_limit.bw.refill_ms, 0);
	cr_assert_eq(cfg.net[0].tx_limit.bw.size, 1u << 20);
	accepted("{\"block\":[{\"path\":\"x\",\"rate_limiter\":{\"ops\":{\"size\":0,"
		 "\"refill_time\":0}}}]}");
}

/* A disk with this as its rate_limiter. */
static void limiter_refused(const char *limiter, const char *says)
{
	char json[256];

	snprintf(json, sizeof json, "{\"block\":[{\"path\":\"x\",\"rate_limiter\":%s}]}", limiter);
	refused(json, says);
}

Test(config_json, bad_rate_limiters_are_named)
{
	limiter_refused("5", "block[0].rate_limiter: is a whole number; it has to be an object");
	limiter_refused("{\"bw\":{}}", "block[0].rate_limiter.bw: unknown key");
	limiter_refused("{\"ops\":5}", "block[0].rate_limiter.ops: is a whole number");
	limiter_refused("{\"ops\":{\"size\":1}}", "rate_limiter.ops: refill_time is missing");
	limiter_refused("{\"ops\":{\"refill_time\":1}}", "rate_limiter.ops: size is missing");
	limiter_refused("{\"ops\":{\"size\":-1,\"refill_time\":1}}",
			"rate_limiter.ops: size is not a whole number of 0 or more");
	limiter_refused("{\"ops\":{\"size\":1,\"refill_time\":1.5}}", "refill_time is not a whole");
	limiter_refused("{\"ops\":{\"size\":1,\"refill_time\":\"1s\"}}", "refill_time is not");
	limiter_refused("{\"ops\":{\"size\":1,\"refill_time\":1,\"burst\":3}}",
			"rate_limiter.ops: unknown key 'burst'");
	limiter_refused("{\"ops\":{\"size\":99999999999999999999,\"refill_time\":1}}", "line 1");
	refused("{\"block\":[{\"path\":\"x\",\"ops\":\"1/1s\",\"rate_limiter\":{\"ops\":{"
		"\"size\":1,\"refill_time\":1}}}]}",
		"block[0].rate_limiter.ops: this limit is there twice");
}

Test(config_json, duplicates)
{
	refused("{\"kernel\":\"a\",\"kernel\":\"b\"}", "duplicate object key");
	refused("{\"block\":[{\"path\":\"a\",\"path\":\"b\"}]}", "duplicate object key");
	accepted("{\"kernel\":\"k\",\"block\":[{\"path\":\"a\",\"id\":\"x\"},{\"path\":\"b\","
		 "\"id\":\"x\"}]}");
	cr_assert_eq(config_check(&cfg, &err), -EINVAL);
	cr_assert(strstr(err.text, "id 'x' is used by two devices"), "%s", err.text);
}

Test(config_json, not_json)
{
	refused("", "line 1");
	refused("{", "line 1");
	refused("{\"kernel\":\"a\"} x", "line 1");
	refused("{\"kernel\":'a'}", "line 1");
	refused("{\"kernel\":\"a\",}", "line 1");
	refused("\n\n{\"kernel\" \"a\"}", "line 3");
	refused("{\"kernel\":\"\xff\xfe\"}", "line 1");
	refused("{\"kernel\":\"a\\u0000b\"}",
		"line 1"); /* would cut the string for whoever reads it as C */
	refused("// comment\n{}", "line 1");
}

Test(config_json, a_nul_in_the_file)
{
	cr_assert_eq(decode("{\"kernel\":\"a\0b\"}", 16), -EINVAL);
	cr_assert_eq(decode("{}\0", 3), -EINVAL);
}

Test(config_json, deep_nesting_is_refused_without_recursing_away)
{
	static char deep[200000];

	memset(deep, '[', sizeof deep);
	cr_assert_eq(decode(deep, sizeof deep), -EINVAL);
	cr_assert(strstr(err.text, "depth"), "%s", err.text);
}

Test(config_json, strings_are_printable_in_errors)
{
	refused("{\"idle\":\"\\u001b[31m\\nx\"}", "'?[31m?x' is not auto, exit or hlt");
}

Test(config_json, long_strings)
{
	static char json[8192];
	size_t n = (size_t)snprintf(json, sizeof json, "{\"cmdline\":\"");

	memset(json + n, 'x', 3072);
	snprintf(json + n + 3072, sizeof json - n - 3072, "\"}");
	refused(json, "cmdline: is 3072 bytes long");
	snprintf(json + n + 3071, sizeof json - n - 3071, "\"}");
	accepted(json);
	n = (size_t)snprintf(json, sizeof json, "{\"kernel\":\"");
	memset(json + n, 'x', 4096);
	snprintf(json + n + 4096, sizeof json - n - 4096, "\"}");
	refused(json, "kernel: the path is 4096 bytes long");
}

static int load(size_t spaces)
{
	static const char json[] = "{\"kernel\":\"a\"}";
	char path[32];
	int fd = memfd_create("cfg", 0);
	char *pad = malloc(spaces + 1);

	memset(pad, ' ', spaces);
	cr_assert_eq(write(fd, pad, spaces), (ssize_t)spaces);
	cr_assert_eq(write(fd, json, sizeof json - 1), (ssize_t)(sizeof json - 1));
	free(pad);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	config_fini(&cfg);
	config_init(&cfg);

	int r = config_json_load(&cfg, path, &err);

	close(fd);
	return r;
}

Test(config_json, size_limit)
{
	cr_assert_eq(load(CONFIG_JSON_MAX - 14), 0, "%s", err.text);
	cr_assert_eq(load(CONFIG_JSON_MAX - 13), -EINVAL);
	cr_assert(strstr(err.text, "larger than 1048576 bytes"), "%s", err.text);
}
