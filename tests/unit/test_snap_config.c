/* SPDX-License-Identifier: MIT
 *
 * test_snap_config.c: what a restored VM is made of: what the snapshot says, changed by the command
 * line where it may be; copies; and a snapshot whose configuration lies.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "monitor/config_field.h"
#include "monitor/config_json.h"
#include "monitor/opts.h"
#include "monitor/snapshot/snapshot.h"
#include "tests/unit/snap.h"

#define GOOD                                                                                     \
	"{\"kernel\": \"k\", \"cmdline\": \"-- x\", \"mem\": \"2M\", \"idle\": \"exit\", "       \
	"\"block\": "                                                                            \
	"[{\"id\": \"root\", \"path\": \"a.img\", \"ro\": true}], \"net\": [{\"id\": \"eth0\", " \
	"\"tap\": \"tap0\", \"mac\": \"02:00:00:00:00:09\", \"antispoof\": true, \"addr\": "     \
	"[\"10.0.0.2\"]}, {\"id\": \"eth1\", \"user\": true, \"fwd\": [\"8080:80\"]}]}"

static struct snap_dir d;
static struct vm_state st;
static uint8_t *mem;
static char err[512], path[120];
static struct vm_config cfg;
static struct errtext why;

static void add_dev(unsigned i, uint32_t kind, const char *id)
{
	st.dev[i].device_id = kind;
	st.dev[i].nqueues = kind == 1 ? 2 : 1;
	snprintf(st.dev[i].id, sizeof st.dev[i].id, "%s", id);
	st.dev[i].mac[0] = 2;
	st.dev[i].mac[5] = (uint8_t)(8 + i);
}

static void save(const char *config)
{
	cr_assert_eq(snap_save_as(&d, mem, &st, config, err, sizeof err), 0, "%s", err);
}

static void setup(void)
{
	snap_dir_make(&d);
	mem = snap_memory();
	snap_state(&st);
	add_dev(0, 2, "root");
	add_dev(1, 1, "eth0");
	add_dev(2, 1, "eth1");
	st.ndevs = st.layout.ndevs = 3;
	save(GOOD);
	snprintf(path, sizeof path, "path=%s", d.state);
}

static void teardown(void)
{
	config_fini(&cfg);
	snap_dir_remove(&d);
}

TestSuite(snap_config, .init = setup, .fini = teardown);

static int parse(char *const *more)
{
	char *argv[24] = {"mayfly-monitor", "--restore", path};
	static struct opts opts;
	int argc = 3;

	config_fini(&cfg);
	while (*more)
		argv[argc++] = *more++;
	return opts_parse(argc, argv, &cfg, &opts, &why);
}
#define PARSE(...) parse((char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void refused(int r, const char *text)
{
	cr_assert_lt(r, 0, "taken, but: %s", text);
	cr_assert(strstr(why.text, text), "says '%s', not '%s'", why.text, text);
}

Test(snap_config, is_the_snapshots)
{
	cr_assert_eq(PARSE(), OPTS_RUN, "%s", why.text);
	cr_assert_eq(cfg.mem, SNAP_MEM);
	cr_assert_eq(cfg.idle, IDLE_EXIT);
	cr_assert_eq(cfg.nblk, 1);
	cr_assert_str_eq(cfg.blk[0].path, "a.img");
	cr_assert(cfg.blk[0].ro);
	cr_assert_str_eq(cfg.net[0].tap, "tap0");
	cr_assert_eq(cfg.net[1].nfwd, 1);
	cr_assert(cfg.net[0].has_mac, "it cannot be told another one");
	cr_assert_eq(cfg.net[0].mac[5], 9);
}

Test(snap_config, frozen_guests_get_a_mac_of_their_own)
{
	st.freeze_gpa = UK_GPA_IMAGE;
	save(GOOD);
	cr_assert_eq(PARSE(), OPTS_RUN, "%s", why.text);
	cr_assert_not(cfg.net[0].has_mac);
}

Test(snap_config, devices_are_rebound_by_id)
{
	cr_assert_eq(PARSE("--net", "id=eth0,tap=tap9,ip=10.0.0.7/24,gw=10.0.0.1,addr=10.0.0.7",
			   "--block", "path=b.img", "--net", "id=eth1,tap=tap8", "--id", "x",
			   "--hostname", "h", "--env", "A=1", "--env", "B=2"),
		     OPTS_RUN, "%s", why.text);
	cr_assert_str_eq(cfg.blk[0].path, "b.img");
	cr_assert(cfg.blk[0].ro, "what is not said stays");
	cr_assert_str_eq(cfg.net[0].tap, "tap9");
	cr_assert_eq(cfg.net[0].ip4, 0x0a000007);
	cr_assert_eq(cfg.net[0].prefix4, 24);
	cr_assert_eq(cfg.net[0].gw4, 0x0a000001);
	cr_assert_eq(cfg.net[0].policy.naddrs, 1, "a list is replaced, not added to");
	cr_assert_eq(cfg.net[0].policy.addrs[0][15], 7);
	cr_assert_eq(cfg.net[1].backend, NET_TAP);
	cr_assert_eq(cfg.net[1].nfwd, 0, "forwarding was the old host side's");
	cr_assert_str_eq(cfg.hostname, "h");
	cr_assert_eq(cfg.nenv, 2);
}

Test(snap_config, what_is_settled_is_refused)
{
	refused(PARSE("--mem", "4M"), "--mem has no effect with --restore");
	refused(PARSE("--kernel", "k"), "--kernel has no effect");
	refused(PARSE("--net", "tap=x"), "no id; the VM has eth0, eth1");
	refused(PARSE("--net", "id=eth2,tap=x"), "has no net 'eth2'");
	refused(PARSE("--block", "id=data,path=x"), "has no disk 'data'; it has root");
	refused(PARSE("--env", "=x"), "NAME=VALUE");
	refused(PARSE("--net", "id=eth0,ip=10.0.0.1"), "ADDRESS/PREFIX");
	refused(PARSE("--hostname", "a b"), "is not a name");
}

Test(snap_config, keys_of_restore_are_judged)
{
	snprintf(path, sizeof path, "mem=%s", d.mem);
	refused(PARSE(), "no path");
	snprintf(path, sizeof path, "path=%s,sig=x", d.state);
	refused(PARSE(), "sig has no effect without key");
	snprintf(path, sizeof path, "path=%s,key=x,verify=full", d.state);
	refused(PARSE(), "does not go with key");
	snprintf(path, sizeof path, "path=%s,verify=some", d.state);
	refused(PARSE(), "is not auto, none, full, copy or lazy");
}

Test(snap_config, a_snapshot_that_lies_is_refused)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"mem\": \"2M\", \"restore\": {\"path\": \"/etc/passwd\"}}",
		"{\"mem\": \"2M\", \"console\": \"/etc/passwd\"}",
		"{\"mem\": \"2M\", \"api_sock\": \"/x\"}",
		"{\"mem\": \"2M\", \"block\": [{\"path\": \"a\"}, {\"path\": \"b\"}, {\"path\": "
		"\"c\"}]}",
		"{\"mem\": \"4M\"}",
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		save(bad[i]);
		refused(PARSE(), "its configuration is not");
	}
	st.ndevs = st.layout.ndevs = 2;
	save(GOOD);
	refused(PARSE(), "is not that of its state");
}

Test(snap_config, comes_through_json_too)
{
	char text[400];

	config_init(&cfg);
	snprintf(text, sizeof text,
		 "{\"net\": [{\"id\": \"eth0\", \"tap\": \"t\"}], \"restore\": {\"path\": \"%s\"}, "
		 "\"hostname\": \"j\", \"env\": [\"A=1\"]}",
		 d.state);
	cr_assert_eq(config_json_decode(&cfg, text, strlen(text), &why), 0, "%s", why.text);
	cr_assert_str_eq(cfg.net[0].tap, "t");
	cr_assert_eq(cfg.nnet, 2);
	cr_assert_eq(config_check(&cfg, &why), 0, "%s", why.text);
}

Test(snap_config, what_is_for_restored_vms_is_for_them_alone)
{
	char *argv[] = {"mayfly-monitor", "--kernel", "k", "--hostname", "x", NULL};
	static struct opts opts;

	refused(opts_parse(5, argv, &cfg, &opts, &why), "is for a VM that is restored");
}

Test(snap_config, copies_have_numbers)
{
	struct vm_config copy;
	char *argv[10] = {"mayfly-monitor",
			  "--kernel",
			  "k",
			  "--net",
			  "tap=tap0",
			  "--fork",
			  "n=2,id=web-%d,console=out.%d,tap=t%d,hostname=h%d",
			  NULL};
	static struct opts opts;

	cr_assert_eq(opts_parse(7, argv, &cfg, &opts, &why), OPTS_RUN, "%s", why.text);
	cr_assert_eq(fork_config_copy(&copy, &cfg, 2, &why), 0, "%s", why.text);
	cr_assert_str_eq(copy.id, "web-2");
	cr_assert_str_eq(copy.console, "out.2");
	cr_assert_str_eq(copy.net[0].tap, "t2");
	cr_assert_str_eq(copy.hostname, "h2");
	cr_assert_eq(copy.fork.n, 0);
	config_fini(&copy);
	cfg.fork.tap = NULL;
	refused(fork_config_copy(&copy, &cfg, 1, &why), "has to be given anew");
	config_fini(&copy);
	argv[7] = "--serve";
	argv[8] = "8080";
	refused(opts_parse(9, argv, &cfg, &opts, &why), "fork does not go with serve");
	argv[6] = "n=2,id=%s";
	refused(opts_parse(7, argv, &cfg, &opts, &why), "only one %d");
	argv[6] = "n=2,id=%d%d";
	refused(opts_parse(7, argv, &cfg, &opts, &why), "only one %d");
	argv[6] = "id=a";
	refused(opts_parse(7, argv, &cfg, &opts, &why), "no number of copies");
	argv[6] = "n=0";
	refused(opts_parse(7, argv, &cfg, &opts, &why), "is not a number of copies");
}
