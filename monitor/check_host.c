/* SPDX-License-Identifier: MIT
 *
 * check_host.c: see check_host.h. A setting that cannot be read is no warning where the kernel just
 * does not have the thing, and one where it hides it. Text comes from the kernel and is printed as
 * it is, but for control characters and what JSON wants escaped.
 */
#include "monitor/check_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VALUE_MAX 256
#define VULN_DIR  "/sys/devices/system/cpu/vulnerabilities"

struct report {
	const char *root;
	FILE *out;
	bool json;
	unsigned rows, warnings;
};

/* First line of a file below root, without its end; false: it cannot be read. */
static bool read_line(const struct report *r, const char *path, char value[VALUE_MAX])
{
	char full[512];

	snprintf(full, sizeof full, "%s%s", r->root, path);
	int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, value, VALUE_MAX - 1);
	close(fd);
	if (n < 0)
		return false;
	value[n] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return true;
}

static bool exists(const struct report *r, const char *path)
{
	char full[512];

	snprintf(full, sizeof full, "%s%s", r->root, path);
	return access(full, F_OK) == 0;
}

static void put_text(const struct report *r, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < ' ' || c > '~')
			c = '?';
		if (r->json && (c == '"' || c == '\\'))
			putc('\\', r->out);
		putc(c, r->out);
	}
}

/* One row. fix: NULL when all is well. */
static void say(struct report *r, const char *name, const char *fix, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void say(struct report *r, const char *name, const char *fix, const char *fmt, ...)
{
	char what[VALUE_MAX + 128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	r->warnings += fix != NULL;
	if (!r->json) {
		fprintf(r->out, "%-4s  %-22s ", fix ? "WARN" : "OK", name);
		put_text(r, what);
		fprintf(r->out, "%s%s\n", fix ? "\n      fix: " : "", fix ? fix : "");
	} else {
		fprintf(r->out, "%s\n  {\"name\": \"%s\", \"ok\": %s, \"found\": \"",
			r->rows ? "," : "", name, fix ? "false" : "true");
		put_text(r, what);
		fputs("\"", r->out);
		if (fix) {
			fputs(", \"fix\": \"", r->out);
			put_text(r, fix);
			fputs("\"", r->out);
		}
		fputs("}", r->out);
	}
	r->rows++;
}

/* --- settings that are one number --- */

struct number {
	const char *name, *path;
	long min, max; /* that are well */
	const char *good, *bad, *fix;
};

static const struct number numbers[] = {
	{"ksm", "/sys/kernel/mm/ksm/run", 0, 0, "off: no page is merged between VMs",
	 "same pages of different VMs are merged, which the writer can time",
	 "echo 2 > /sys/kernel/mm/ksm/run (unmerges, too)"},
	{"smt", "/sys/devices/system/cpu/smt/active", 0, 0, "off: no two VMs share a core",
	 "two VMs may run on one core and share its caches and buffers",
	 "echo off > /sys/devices/system/cpu/smt/control, or boot with nosmt; or give each VM a "
	 "core "
	 "scheduling cookie (prctl PR_SCHED_CORE)"},
	{"aslr", "/proc/sys/kernel/randomize_va_space", 2, 2, "full", "addresses can be guessed",
	 "sysctl kernel.randomize_va_space=2"},
	{"kptr-restrict", "/proc/sys/kernel/kptr_restrict", 1, 2, "kernel addresses are hidden",
	 "kernel addresses are shown", "sysctl kernel.kptr_restrict=1"},
	{"dmesg-restrict", "/proc/sys/kernel/dmesg_restrict", 1, 1, "the kernel's log is root's",
	 "everybody reads the kernel's log, a monitor without seccomp too",
	 "sysctl kernel.dmesg_restrict=1"},
	{"perf-paranoid", "/proc/sys/kernel/perf_event_paranoid", 2, 9,
	 "users cannot count kernel events",
	 "users can watch the kernel and other processes by perf",
	 "sysctl kernel.perf_event_paranoid=2"},
	{"unprivileged-bpf", "/proc/sys/kernel/unprivileged_bpf_disabled", 1, 2, "off",
	 "every user can load BPF programs", "sysctl kernel.unprivileged_bpf_disabled=1"},
	{"ptrace-scope", "/proc/sys/kernel/yama/ptrace_scope", 1, 3,
	 "a process traces its children only", "a process traces any other of its user",
	 "sysctl kernel.yama.ptrace_scope=1"},
	{"user-namespaces", "/proc/sys/user/max_user_namespaces", 0, 0, "off",
	 "every user can make them, and reach kernel code that root alone should",
	 "sysctl user.max_user_namespaces=0, unless jails are made without root (--userns)"},
};

static void check_number(struct report *r, const struct number *n)
{
	char value[VALUE_MAX], *end;

	if (!read_line(r, n->path, value)) {
		bool absent = !exists(r, n->path) && strcmp(n->name, "ptrace-scope") != 0;

		say(r, n->name, absent ? NULL : n->fix,
		    absent ? "this kernel has none" : "cannot be read");
		return;
	}
	long v = strtol(value, &end, 10);
	bool good = end != value && *end == '\0' && v >= n->min && v <= n->max;
	say(r, n->name, good ? NULL : n->fix, "%s (%.40s)", good ? n->good : n->bad, value);
}

/* --- the others --- */

static void check_kvm(struct report *r)
{
	char full[512], value[VALUE_MAX];

	snprintf(full, sizeof full, "%s/dev/kvm", r->root);
	if (access(full, F_OK) < 0)
		say(r, "kvm", "modprobe kvm_intel or kvm_amd; in a VM, let its host allow nesting",
		    "no /dev/kvm: no VM can run here");
	else if (access(full, R_OK | W_OK) < 0)
		say(r, "kvm", "join the group that owns it: usermod -aG kvm USER",
		    "/dev/kvm is not open to this user");
	else
		say(r, "kvm", NULL, "usable");
	const char *nested = exists(r, "/sys/module/kvm_amd")
				     ? "/sys/module/kvm_amd/parameters/nested"
				     : "/sys/module/kvm_intel/parameters/nested";
	if (read_line(r, nested, value) && (*value == '1' || *value == 'Y'))
		say(r, "nested-kvm",
		    "options kvm_amd nested=0 (kvm_intel nested=0) in /etc/modprobe.d",
		    "guests may be given virtualisation, a large piece of KVM");
	else
		say(r, "nested-kvm", NULL, "off");
}

static void check_huge_pages(struct report *r)
{
	char value[VALUE_MAX], multihit[VALUE_MAX] = "";

	read_line(r, VULN_DIR "/itlb_multihit", multihit);
	if (read_line(r, "/sys/module/kvm/parameters/nx_huge_pages", value) &&
	    (*value == 'N' || *value == '0' || strcmp(value, "never") == 0) &&
	    strstr(multihit, "ulnerable"))
		say(r, "nx-huge-pages", "echo auto > /sys/module/kvm/parameters/nx_huge_pages",
		    "off, on a CPU that a guest can stop with huge pages");
	else
		say(r, "nx-huge-pages", NULL, "as this CPU needs");
	if (read_line(r, "/sys/kernel/mm/transparent_hugepage/enabled", value) &&
	    strstr(value, "[always]"))
		say(r, "transparent-huge-pages",
		    "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
		    "always: one touched page may cost 2 MiB, and khugepaged stalls VMs (the "
		    "monitor asks for "
		    "none for its guest)");
	else
		say(r, "transparent-huge-pages", NULL, "only where asked for");
	if (read_line(r, "/sys/module/kvm_intel/parameters/vmentry_l1d_flush", value) &&
	    strcmp(value, "never") == 0)
		say(r, "l1d-flush",
		    "echo cond > /sys/module/kvm_intel/parameters/vmentry_l1d_flush",
		    "never: a guest reads what the host left in the first cache (L1TF)");
}

static void check_command_line(struct report *r)
{
	static const char *const off[] = {"mitigations=off", "no_guest_host", "no_guest_guest",
					  "nopti",	     "nospectre",     "spectre_v2=off",
					  "mds=off",	     "l1tf=off"};
	char value[VALUE_MAX];

	if (!read_line(r, "/proc/cmdline", value))
		return;
	for (size_t i = 0; i < sizeof off / sizeof *off; i++)
		if (strstr(value, off[i])) {
			say(r, "mitigations", "boot with mitigations=auto,nosmt",
			    "'%s' on the kernel's command line switches some off", off[i]);
			return;
		}
	say(r, "mitigations", NULL, "none is switched off on the kernel's command line");
}

/* One row for each that the kernel calls vulnerable, or one for all. */
static void check_vulnerabilities(struct report *r)
{
	char full[512], path[400], value[VALUE_MAX];
	unsigned bad = 0, all = 0;
	struct dirent *e;

	snprintf(full, sizeof full, "%s" VULN_DIR, r->root);
	DIR *d = opendir(full);
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof path, VULN_DIR "/%.255s", e->d_name);
		if (e->d_name[0] == '.' || !read_line(r, path, value))
			continue;
		all++;
		if (!strstr(value, "ulnerable") || strstr(value, "SMT mitigated"))
			continue;
		bad++;
		say(r, "cpu-vulnerability",
		    strstr(value, "SMT vulnerable")
			    ? "boot with nosmt"
			    : "update microcode and kernel, boot with mitigations=auto,nosmt",
		    "%.64s: %s", e->d_name, value);
	}
	if (d)
		closedir(d);
	if (all == 0)
		say(r, "cpu-vulnerability", "mount /sys, or take a kernel from 4.15",
		    "the kernel does not tell");
	else if (bad == 0)
		say(r, "cpu-vulnerability", NULL, "%u known ones, none open", all);
}

static void check_swap(struct report *r)
{
	char full[512], text[4096];
	unsigned lines = 0;
	ssize_t n = -1;

	snprintf(full, sizeof full, "%s/proc/swaps", r->root);
	int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0) {
		n = read(fd, text, sizeof text);
		close(fd);
	}
	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	if (lines > 1)
		say(r, "swap",
		    "swapoff -a, or put it on dm-crypt with a random key; memory.swap.max=0 for "
		    "each jail",
		    "guest memory may be written to %u swap areas", lines - 1);
	else
		say(r, "swap", NULL, "none");
}

static void check_cgroups(struct report *r)
{
	char value[VALUE_MAX];

	if (!read_line(r, "/sys/fs/cgroup/cgroup.controllers", value))
		say(r, "cgroups", "boot with systemd.unified_cgroup_hierarchy=1",
		    "v1 or hybrid: limits on disks do not hold for buffered writes, and groups end "
		    "slowly");
	else if (!strstr(value, "memory") || !strstr(value, "pids") || !strstr(value, "cpu"))
		say(r, "cgroups", "boot without cgroup_disable=, with cgroup_enable=memory",
		    "v2, but only with: %s", value);
	else
		say(r, "cgroups", NULL, "v2 with %s", value);
	/* Asked itself where it can be: securityfs may not be mounted. */
	long abi = *r->root ? 0 : syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
	if (abi > 0)
		say(r, "landlock", NULL, "on (ABI %ld)", abi);
	else if (!read_line(r, "/sys/kernel/security/lsm", value))
		say(r, "landlock", NULL, "cannot be told without securityfs");
	else if (strstr(value, "landlock"))
		say(r, "landlock", NULL, "on");
	else
		say(r, "landlock", "boot with lsm=landlock,... (CONFIG_SECURITY_LANDLOCK)",
		    "off: jails have one layer less");
}

int check_host(const char *root, bool json, FILE *out)
{
	struct report r = {.root = root, .out = out, .json = json};

	if (json)
		fputs("{\"checks\": [", out);
	check_kvm(&r);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		check_number(&r, &numbers[i]);
	check_huge_pages(&r);
	check_command_line(&r);
	check_vulnerabilities(&r);
	check_swap(&r);
	check_cgroups(&r);
	if (json)
		fprintf(out, "\n], \"warnings\": %u}\n", r.warnings);
	else
		fprintf(out, "%u of %u settings want attention\n", r.warnings, r.rows);
	if (fflush(out) || ferror(out))
		return -EIO;
	return r.warnings > 0;
}
