/* SPDX-License-Identifier: MIT
 *
 * test_jail_opts.c: jailer/opts.h and jailer/path.h's judges: what each option takes, keeps and
 * refuses.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/resource.h>

#include "jailer/opts.h"
#include "jailer/path.h"

#define NEEDED "--id", "a-1", "--exec-file", "/bin/monitor", "--uid", "1000", "--gid", "1001"

static struct jail_opts opts;
static struct errtext err;

static int parse(const char *const *args)
{
	static char words[300][320];
	char *argv[300] = {(char[]){"mayfly-jailer"}};
	int argc = 1;

	memset(&opts, 0, sizeof opts);
	err.text[0] = '\0';
	for (; *args; args++, argc++) {
		snprintf(words[argc], sizeof words[0], "%s", *args);
		argv[argc] = words[argc];
	}
	return opts_parse(argc, argv, &opts, &err);
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

Test(jail_opts, takes_firecrackers_line)
{
	int r = PARSE("--id=551e7604-e35c-42b3-b825-416853441234", "--cgroup", "cpuset.mems=0",
		      "--cgroup", "cpuset.cpus=0-3", "--exec-file", "/usr/bin/firecracker", "--uid",
		      "123", "--gid", "100", "--netns", "/var/run/netns/my_netns", "--daemonize",
		      "--new-pid-ns", "--cgroup-version", "2", "--parent-cgroup", "all/external",
		      "--chroot-base-dir", "/srv/jailer", "--resource-limit", "fsize=250000000",
		      "--resource-limit", "no-file=1024", "--", "--config-file", "/vm.json");

	cr_assert_eq(r, 0, "%s", err.text);
	cr_assert_eq(opts.uid, 123);
	cr_assert_eq(opts.gid, 100);
	cr_assert_eq(opts.ncgroups, 2);
	cr_assert_str_eq(opts.cgroups[1].file, "cpuset.cpus");
	cr_assert_str_eq(opts.cgroups[1].value, "0-3");
	cr_assert_eq(opts.cgroup_version, 2);
	cr_assert(opts.daemonize && opts.new_pid_ns && !opts.userns);
	cr_assert_eq(opts.nlimits, 2);
	cr_assert_eq(opts.limits[1].resource, RLIMIT_NOFILE);
	cr_assert_eq(opts.limits[1].value, 1024);
	cr_assert_eq(opts.nextra, 2);
	cr_assert_str_eq(opts.extra[0], "--config-file");
}

Test(jail_opts, binds_are_cut_up)
{
	cr_assert_eq(PARSE(NEEDED, "--bind", "/a/b:/c", "--bind", "/d:/e:ro"), 0, "%s", err.text);
	cr_assert_str_eq(opts.binds[0].src, "/a/b");
	cr_assert_str_eq(opts.binds[0].dst, "/c");
	cr_assert_not(opts.binds[0].ro);
	cr_assert_str_eq(opts.binds[1].dst, "/e");
	cr_assert(opts.binds[1].ro);
}

Test(jail_opts, values_may_have_an_equals_sign)
{
	cr_assert_eq(PARSE(NEEDED, "--cgroup=io.max=8:0 rbps=1048576"), 0, "%s", err.text);
	cr_assert_str_eq(opts.cgroups[0].file, "io.max");
	cr_assert_str_eq(opts.cgroups[0].value, "8:0 rbps=1048576");
}

Test(jail_opts, all_that_follows_two_dashes_is_the_programs)
{
	cr_assert_eq(PARSE(NEEDED, "--", "--id", "b", "--", "--nonsense"), 0, "%s", err.text);
	cr_assert_str_eq(opts.id, "a-1");
	cr_assert_eq(opts.nextra, 4);
}

Test(jail_opts, help_hides_no_mistake_behind_it)
{
	cr_assert_eq(PARSE("--help", "--nonsense"), 0);
	cr_assert(opts.help);
	cr_assert_eq(PARSE("--nonsense", "--help"), -EINVAL);
}

Test(jail_opts, a_mistake_is_named)
{
	static const struct {
		const char *args[6];
		const char *says;
	} bad[] = {
		{{"--uid", "x"}, "--uid: needs a number from 0 to 4294967294, not 'x'"},
		{{"--uid", "4294967295"}, "--uid: needs a number"},
		{{"--bind", "/a"}, "--bind: needs SRC:DST"},
		{{"--bind", "/a:/b/../c"}, "DST '/b/../c' has '.' or '..'"},
		{{"--cgroup", "cgroup.procs=1"}, "'cgroup.procs' belongs to no controller"},
		{{"--cgroup", "pids.max=1\n"}, "one line of ASCII"},
		{{"--fd", "tap=2"}, "--fd: needs NAME=N"},
		{{"--fd", "tap=7", "--fd", "x=7"}, "7 is there twice"},
		{{"--netns", "hosts"}, "'hosts' is not an absolute path"},
		{{"--resource-limit", "nofile=1"}, "needs fsize=N, no-file=N"},
		{{"--exec-fil", "/x"}, "did you mean '--exec-file'"},
		{{"stray"}, "unexpected argument 'stray'"},
		{{"--daemonize", "--daemonize"}, "--daemonize is there twice"},
		{{"--uid"}, "--uid needs a value: --uid N"},
		{{"--json"}, "--json goes with --dry-run"},
	};
	const char *args[16];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		static const char *const needed[] = {"--id", "a",     "--exec-file",
						     "/b",   "--gid", "1"};
		size_t n = sizeof needed / sizeof needed[0];

		memcpy(args, needed, sizeof needed);
		for (size_t k = 0; k < 6 && bad[i].args[k]; k++)
			args[n++] = bad[i].args[k];
		args[n] = NULL;
		if (strcmp(bad[i].args[0], "--json") == 0) {
			args[n++] = "--uid";
			args[n++] = "1";
			args[n] = NULL;
		}
		cr_assert_eq(parse(args), -EINVAL, "%s", bad[i].args[0]);
		cr_assert(strstr(err.text, bad[i].says), "'%s' does not say '%s'", err.text,
			  bad[i].says);
	}
}

Test(jail_opts, what_is_missing_is_named)
{
	static const char *const all[] = {"--id",  "a", "--exec-file", "/b",
					  "--uid", "1", "--gid",       "1"};
	const char *args[9];

	for (size_t skip = 0; skip < 8; skip += 2) {
		size_t n = 0;

		for (size_t i = 0; i < 8; i++)
			if (i != skip && i != skip + 1)
				args[n++] = all[i];
		args[n] = NULL;
		cr_assert_eq(parse(args), -EINVAL);
		cr_assert(strstr(err.text, all[skip]) && strstr(err.text, "required"), "%s",
			  err.text);
	}
	cr_assert_eq(PARSE("--cleanup", "a"), 0, "%s", err.text);
	cr_assert_eq(PARSE("--cleanup", "a", "--id", "b"), -EINVAL);
}

Test(jail_opts, ids)
{
	char longest[66];

	memset(longest, 'a', sizeof longest);
	longest[65] = '\0';
	cr_assert_not(opts_is_id(longest));
	longest[64] = '\0';
	cr_assert(opts_is_id(longest));
	cr_assert(opts_is_id("-") && opts_is_id("0") && opts_is_id("aZ-9"));
	cr_assert_not(opts_is_id("") || opts_is_id(".") || opts_is_id("a_b") || opts_is_id("a/b") ||
		      opts_is_id("\xc3\xa4"));
}

Test(jail_path, is_absolute_and_plain)
{
	static const char *const bad[] = {"",	"a",   "/",	  "//",	  "/a//b", "/a/",
					  "/.", "/..", "/a/../b", "/a/.", "/a\n",  "/a\x7f"};
	static const char *const good[] = {"/a", "/a/b", "/...", "/a..", "/.a", "/\xc3\xa4"};
	char name[300] = "/";
	const char *why;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_assert_eq(path_check(bad[i], &why), -EINVAL, "'%s'", bad[i]);
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		cr_assert_eq(path_check(good[i], &why), 0, "'%s' %s", good[i], why);
	memset(name + 1, 'a', 255);
	cr_assert_eq(path_check(name, &why), 0);
	name[256] = 'a';
	cr_assert_eq(path_check(name, &why), -EINVAL);
	cr_assert_eq(path_check_relative("a/b", &why), 0);
	cr_assert_eq(path_check_relative("/a", &why), -EINVAL);
	cr_assert_eq(path_check_relative("../a", &why), -EINVAL);
}
