/* SPDX-License-Identifier: MIT
 *
 * test_jail_plan.c: jailer/plan.h on hosts that need not exist: cgroup v1, v2 and hybrid, with and
 * without root.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/resource.h>

#include "jailer/plan.h"

static struct jail_opts opts;
static struct jail_host host;
static struct jail_plan plan;
static struct errtext err;

static void mount_v1(const char *dir, const char *controllers)
{
	struct cgroup_mount *m = &host.mounts[host.nmounts++];

	snprintf(m->dir, sizeof m->dir, "%s", dir);
	snprintf(m->controllers, sizeof m->controllers, "%s", controllers);
	m->writable = true;
}

static void mount_v2(const char *dir, const char *controllers)
{
	mount_v1(dir, controllers);
	host.mounts[host.nmounts - 1].v2 = true;
}

static void setup(void)
{
	memset(&opts, 0, sizeof opts);
	memset(&host, 0, sizeof host);
	opts.id = "a";
	opts.exec_file = "/usr/bin/monitor";
	opts.uid = opts.gid = 1000;
	host.max_files = 1 << 20;
	host.devs[DEV_KVM].present = host.devs[DEV_KVM].open_to_us = true;
}

static int make(void)
{
	err.text[0] = '\0';
	return plan_make(&plan, &opts, &host, &err);
}

static void cgroup(const char *file, const char *value)
{
	opts.cgroups[opts.ncgroups++] = (struct cgroup_opt){.file = file, .value = value};
}

static uint64_t limit(const char *name)
{
	for (unsigned i = 0; i < plan.nlimits; i++)
		if (strcmp(plan.limits[i].name, name) == 0)
			return plan.limits[i].value;
	return UINT64_MAX;
}

TestSuite(jail_plan, .init = setup);

Test(jail_plan, defaults)
{
	cr_assert_eq(make(), 0, "%s", err.text);
	cr_assert_str_eq(plan.program, "monitor");
	cr_assert_str_eq(plan.base, "/srv/jailer");
	cr_assert_eq(plan.net, NET_NEW);
	cr_assert_str_eq(plan.argv[0], "monitor");
	cr_assert_str_eq(plan.argv[1], "--id");
	cr_assert_str_eq(plan.argv[2], "a");
	cr_assert_null(plan.argv[3]);
	cr_assert_eq(limit("no-file"), 2048);
	cr_assert_eq(limit("core"), 0);
	cr_assert_eq(limit("nproc"), 64, "nothing else bounds the processes");
	cr_assert_eq(plan.nwarnings, 0);
}

Test(jail_plan, hybrid_has_a_group_per_hierarchy)
{
	mount_v1("/c/memory", " memory ");
	mount_v1("/c/cpu", " cpu cpuacct ");
	mount_v2("/c/unified", " pids io ");
	cgroup("memory.limit_in_bytes", "1");
	cgroup("cpuacct.usage", "0");
	cgroup("cpu.shares", "2");
	cgroup("io.max", "8:0 rbps=1");
	cr_assert_eq(make(), 0, "%s", err.text);
	cr_assert_eq(plan.ngroups, 3);
	cr_assert_str_eq(plan.groups[1].mount->dir, "/c/cpu");
	cr_assert_eq(plan.groups[1].lines, 1u << 1 | 1u << 2);
	cr_assert_str_eq(plan.groups[2].enable, "+io +pids", "the default goes along");
	cr_assert_str_eq(plan.lines[4].file, "pids.max");
	cr_assert_eq(limit("nproc"), UINT64_MAX, "pids.max is better");
}

Test(jail_plan, a_version_that_is_asked_for_is_kept_to)
{
	mount_v1("/c/memory", " memory ");
	mount_v2("/c/unified", " pids ");
	opts.cgroup_version = 2;
	cgroup("memory.max", "1");
	cr_assert_eq(make(), -EINVAL);
	cr_assert(strstr(err.text, "no controller 'memory' in cgroup v2"), "%s", err.text);
	opts.ncgroups = 0;
	opts.cgroup_version = 1;
	cr_assert_eq(make(), 0);
	cr_assert_eq(plan.ngroups, 0, "pids is not in v1 here");
}

Test(jail_plan, controllers_are_whole_words)
{
	mount_v1("/c/cpu", " cpuacct cpuset ");
	cgroup("cpu.shares", "1");
	cr_assert_eq(make(), -EINVAL);
	opts.cgroups[0].file = "cpuset.cpus";
	cr_assert_eq(make(), 0, "%s", err.text);
}

Test(jail_plan, each_controller_is_enabled_once)
{
	mount_v2("/c", " cpu cpuset memory pids ");
	cgroup("cpuset.cpus", "0");
	cgroup("cpu.max", "1");
	cgroup("cpu.weight", "1");
	cgroup("pids.max", "9");
	cr_assert_eq(make(), 0, "%s", err.text);
	cr_assert_str_eq(plan.groups[0].enable, "+cpuset +cpu +pids");
	cr_assert_eq(plan.nlines, 4, "no default over what was asked for");
	cgroup("pids.max", "8");
	cr_assert_eq(make(), -EINVAL);
}

Test(jail_plan, the_full_number_of_limits_and_the_default)
{
	static char names[JAIL_CGROUPS][24];

	mount_v2("/c", " misc pids ");
	for (unsigned i = 0; i < JAIL_CGROUPS; i++) {
		snprintf(names[i], sizeof names[i], "misc.%u", i);
		cgroup(names[i], "1");
	}
	cr_assert_eq(make(), 0, "%s", err.text);
	cr_assert_eq(plan.nlines, JAIL_CGROUPS + 1);
	cr_assert_eq(plan.groups[0].lines, (UINT64_C(1) << (JAIL_CGROUPS + 1)) - 1);
}

Test(jail_plan, who_is_not_root_says_so)
{
	host.euid = 1000;
	cr_assert_eq(make(), -EINVAL);
	cr_assert(strstr(err.text, "--userns"), "%s", err.text);
	opts.userns = true;
	mount_v2("/c", " pids ");
	host.mounts[0].writable = false;
	cr_assert_eq(make(), 0, "%s", err.text);
	cr_assert_eq(plan.ngroups, 0);
	cr_assert_eq(limit("nproc"), 64);
	cr_assert_str_eq(plan.base, "/run/user/1000/mayfly-jailer");
}

Test(jail_plan, root_is_no_user_of_a_jail)
{
	opts.uid = 0;
	cr_assert_eq(make(), -EINVAL);
	opts.userns = true;
	cr_assert_eq(make(), -EINVAL, "it would be root outside");
	host.euid = 1000;
	cr_assert_eq(make(), 0, "it is the caller outside");
}

Test(jail_plan, places_in_the_room_do_not_overlap)
{
	static const struct {
		const char *a, *b;
		int r;
	} rows[] = {{"/a", "/b", 0},	     {"/a", "/ab", 0},
		    {"/a/b", "/a/c", 0},     {"/a", "/a", -EINVAL},
		    {"/a", "/a/b", -EINVAL}, {"/a/b", "/a", -EINVAL},
		    {"/dev", "/b", -EINVAL}, {"/dev/kvm", "/b", -EINVAL},
		    {"/device", "/b", 0}};

	opts.nbinds = 2;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		opts.binds[0] = (struct bind_opt){.src = "/x", .dst = rows[i].a};
		opts.binds[1] = (struct bind_opt){.src = "/x", .dst = rows[i].b};
		cr_assert_eq(make(), rows[i].r, "%s %s: %s", rows[i].a, rows[i].b, err.text);
	}
}

Test(jail_plan, userfaultfd_only_when_asked_for)
{
	host.devs[DEV_UFFD].present = true;
	cr_assert_eq(make(), 0);
	cr_assert(!plan_has_device(&plan, DEV_UFFD) && plan_has_device(&plan, DEV_KVM));
	opts.userfaultfd = true;
	cr_assert_eq(make(), 0);
	cr_assert(plan_has_device(&plan, DEV_UFFD));
	opts.userns = true;
	cr_assert_eq(make(), -EACCES);
	host.devs[DEV_UFFD].open_to_all = true;
	cr_assert_eq(make(), 0);
	host.devs[DEV_UFFD].present = false;
	cr_assert_eq(make(), -ENODEV);
	cr_assert(strstr(err.text, "--userfaultfd"));
}

Test(jail_plan, what_the_jail_will_lack_is_told)
{
	host.devs[DEV_KVM].present = false;
	cr_assert_eq(make(), 0);
	cr_assert_eq(plan.nwarnings, 1);
	cr_assert(strstr(plan.warnings[0], "no /dev/kvm"));
	host.devs[DEV_KVM].present = true;
	host.devs[DEV_KVM].open_to_us = false;
	cr_assert_eq(make(), 0);
	cr_assert_eq(plan.nwarnings, 0, "root makes a node of its own");
	opts.userns = true;
	cr_assert_eq(make(), 0);
	cr_assert_eq(plan.nwarnings, 1);
}

Test(jail_plan, files_stay_below_the_hosts_limit)
{
	host.max_files = 256;
	cr_assert_eq(make(), 0);
	cr_assert_eq(limit("no-file"), 256);
	opts.limits[0] =
		(struct limit_opt){.name = "no-file", .resource = RLIMIT_NOFILE, .value = 99};
	opts.nlimits = 1;
	cr_assert_eq(make(), 0);
	cr_assert_eq(limit("no-file"), 99);
}

Test(jail_plan, exec_names_the_program_itself)
{
	opts.fds[0] = (struct fd_opt){.name = "tap", .fd = 5};
	opts.fds[1] = (struct fd_opt){.name = "exec", .fd = 6};
	opts.nfds = 2;
	cr_assert_eq(make(), 0);
	cr_assert_eq(plan.exec_fd, 6);
	opts.fds[0].name = "exec";
	cr_assert_eq(make(), -EINVAL);
}

Test(jail_plan, mount_lines)
{
	static const struct {
		const char *line;
		int r;
		const char *dir, *controllers;
	} rows[] = {
		{"30 24 0:26 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup "
		 "rw,cpu,cpuacct",
		 1, "/sys/fs/cgroup/cpu", " rw cpu cpuacct "},
		{"31 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate", 1,
		 "/sys/fs/cgroup", ""},
		{"32 24 0:28 / /tmp rw - tmpfs tmpfs rw", 0, "", ""},
		{"33 24 0:29 / /a\\040b rw - cgroup cgroup rw,cpu", 0, "", ""},
		{"34 24 - cgroup cgroup rw", 0, "", ""},
		{"35 24 0:29 / /a rw - cgroup", 0, "", ""},
		{"36 24 0:29 / /a rw - cgroupx x rw", 0, "", ""},
		{"", 0, "", ""},
	};
	char line[256];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cgroup_mount m = {0};

		snprintf(line, sizeof line, "%s", rows[i].line);
		cr_assert_eq(host_parse_mount(line, &m), rows[i].r, "%s", rows[i].line);
		cr_assert_str_eq(m.dir, rows[i].dir);
		cr_assert_str_eq(m.controllers, rows[i].controllers);
	}
}
