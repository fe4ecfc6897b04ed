/* SPDX-License-Identifier: MIT
 *
 * test_check_host.c: --check-host against hosts made of files.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor/check_host.h"

static char root[64];

static void put(const char *path, const char *text)
{
	char full[512];

	snprintf(full, sizeof full, "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		cr_assert(mkdir(full, 0755) == 0 || errno == EEXIST);
	}
	FILE *f = fopen(full, "we");
	cr_assert_not_null(f, "%s", full);
	fputs(text, f);
	fclose(f);
}

static void good_host(void)
{
	snprintf(root, sizeof root, "/tmp/check-host.XXXXXX");
	cr_assert_not_null(mkdtemp(root));
	put("/dev/kvm", "");
	put("/sys/kernel/mm/ksm/run", "0\n");
	put("/sys/devices/system/cpu/smt/active", "0\n");
	put("/proc/sys/kernel/randomize_va_space", "2\n");
	put("/proc/sys/kernel/kptr_restrict", "1\n");
	put("/proc/sys/kernel/dmesg_restrict", "1\n");
	put("/proc/sys/kernel/perf_event_paranoid", "3\n");
	put("/proc/sys/kernel/unprivileged_bpf_disabled", "2\n");
	put("/proc/sys/kernel/yama/ptrace_scope", "1\n");
	put("/proc/sys/user/max_user_namespaces", "0\n");
	put("/proc/cmdline", "root=/dev/sda1 mitigations=auto,nosmt\n");
	put("/proc/swaps", "Filename Type Size Used Priority\n");
	put("/sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n");
	put("/sys/devices/system/cpu/vulnerabilities/mds",
	    "Mitigation: Clear CPU buffers; SMT mitigated\n");
	put("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	put("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
	put("/sys/kernel/security/lsm", "capability,landlock,yama\n");
}

/* The report as JSON; *ret_code is what check_host returned. */
static json_t *report(int *ret_code)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	*ret_code = check_host(root, true, f);
	fclose(f);
	json_error_t e;
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, &e);
	cr_assert_not_null(j, "%s in %s", e.text, text);
	free(text);
	return j;
}

static json_t *row(json_t *j, const char *name)
{
	json_t *r;
	size_t i;

	json_array_foreach(json_object_get(j, "checks"), i,
			   r) if (strcmp(json_string_value(json_object_get(r, "name")), name) ==
				  0) return r;
	return NULL;
}

Test(check_host, nothing_to_say_about_a_good_host)
{
	int code;

	good_host();
	json_t *j = report(&code);
	size_t i;
	json_t *r;
	json_array_foreach(json_object_get(j, "checks"), i, r)
		cr_expect(json_is_true(json_object_get(r, "ok")), "%s: %s",
			  json_string_value(json_object_get(r, "name")),
			  json_string_value(json_object_get(r, "found")));
	cr_assert_eq(code, 0);
	cr_assert_eq(json_integer_value(json_object_get(j, "warnings")), 0);
}

Test(check_host, each_bad_setting_is_named_with_its_fix)
{
	static const struct {
		const char *path, *text, *name;
	} bad[] = {
		{"/sys/kernel/mm/ksm/run", "1\n", "ksm"},
		{"/sys/devices/system/cpu/smt/active", "1\n", "smt"},
		{"/proc/sys/kernel/randomize_va_space", "1\n", "aslr"},
		{"/proc/sys/kernel/kptr_restrict", "0\n", "kptr-restrict"},
		{"/proc/sys/kernel/dmesg_restrict", "0\n", "dmesg-restrict"},
		{"/proc/sys/kernel/perf_event_paranoid", "-1\n", "perf-paranoid"},
		{"/proc/sys/kernel/unprivileged_bpf_disabled", "0\n", "unprivileged-bpf"},
		{"/proc/sys/kernel/yama/ptrace_scope", "nonsense", "ptrace-scope"},
		{"/proc/sys/user/max_user_namespaces", "63000\n", "user-namespaces"},
		{"/proc/cmdline", "quiet mitigations=off\n", "mitigations"},
		{"/proc/swaps", "Filename\n/dev/sda2 partition 1 0 -2\n", "swap"},
		{"/sys/devices/system/cpu/vulnerabilities/mds", "Mitigation: x; SMT vulnerable\n",
		 "cpu-vulnerability"},
		{"/sys/devices/system/cpu/vulnerabilities/srso", "Vulnerable: No \"microcode\"\n",
		 "cpu-vulnerability"},
		{"/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n",
		 "transparent-huge-pages"},
		{"/sys/fs/cgroup/cgroup.controllers", "hugetlb\n", "cgroups"},
		{"/sys/kernel/security/lsm", "capability,yama\n", "landlock"},
		{"/sys/module/kvm_amd/parameters/nested", "1\n", "nested-kvm"},
		{"/sys/module/kvm_intel/parameters/vmentry_l1d_flush", "never\n", "l1d-flush"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int code;

		good_host();
		put(bad[i].path, bad[i].text);
		json_t *j = report(&code), *r = row(j, bad[i].name);
		cr_expect_eq(code, 1, "%s", bad[i].path);
		cr_expect_eq(json_integer_value(json_object_get(j, "warnings")), 1, "%s",
			     bad[i].path);
		cr_expect(r && json_is_false(json_object_get(r, "ok")), "%s", bad[i].path);
		cr_expect(r && json_string_length(json_object_get(r, "fix")) > 5, "%s",
			  bad[i].path);
		json_decref(j);
	}
}

Test(check_host, what_the_kernel_lacks_is_no_mistake_but_silence_about_the_cpu_is)
{
	int code;

	snprintf(root, sizeof root, "/tmp/check-host.XXXXXX");
	cr_assert_not_null(mkdtemp(root));
	json_t *j = report(&code);
	cr_assert_eq(code, 1);
	cr_assert(json_is_true(json_object_get(row(j, "ksm"), "ok")));
	cr_assert(json_is_false(json_object_get(row(j, "kvm"), "ok")));
	cr_assert(json_is_false(json_object_get(row(j, "cpu-vulnerability"), "ok")));
	cr_assert(json_is_false(json_object_get(row(j, "ptrace-scope"), "ok")),
		  "yama is something to have");
}

Test(check_host, text_has_a_line_each_and_the_fix_below)
{
	char *text = NULL;
	size_t len;

	good_host();
	put("/sys/kernel/mm/ksm/run", "1\n");
	FILE *f = open_memstream(&text, &len);
	cr_assert_eq(check_host(root, false, f), 1);
	fclose(f);
	cr_assert_not_null(strstr(text, "WARN  ksm"));
	cr_assert_not_null(strstr(text, "\n      fix: echo 2 >"));
	cr_assert_not_null(strstr(text, "\n1 of "));
}
