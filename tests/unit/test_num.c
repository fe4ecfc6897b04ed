/* SPDX-License-Identifier: MIT
 *
 * test_num.c: lib/num.h, lib/kv.h, lib/near.h and lib/buf.h: the text helpers below options and
 * JSON; lib/errtext.h, lib/errbuf.h and lib/log.h: what becomes of hostile bytes in messages.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/errbuf.h"
#include "lib/errtext.h"
#include "lib/kv.h"
#include "lib/log.h"
#include "lib/near.h"
#include "lib/num.h"

static int u64(const char *s, uint64_t min, uint64_t max, uint64_t *v)
{
	return num_u64(s, strlen(s), min, max, v);
}

Test(num, reads_decimal_only)
{
	static const char *const bad[] = {"",	 " 1",	"1 ",  "+1",  "-1", "0x10",
					  "1e3", "1.0", "1,0", "one", "1\n"};
	uint64_t v = 77;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_assert_eq(u64(bad[i], 0, UINT64_MAX, &v), -EINVAL, "'%s'", bad[i]);
	cr_assert_eq(v, 77, "a failed parse writes nothing");
	cr_assert_eq(u64("007", 0, 10, &v), 0);
	cr_assert_eq(v, 7);
}

Test(num, range_and_overflow)
{
	uint64_t v = 0;

	cr_assert_eq(u64("18446744073709551615", 0, UINT64_MAX, &v), 0);
	cr_assert_eq(v, UINT64_MAX);
	cr_assert_eq(u64("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
	cr_assert_eq(u64("36893488147419103232", 0, UINT64_MAX, &v), -ERANGE, "2^65 wraps to 0");
	cr_assert_eq(u64("99999999999999999999999999999999999999", 0, UINT64_MAX, &v), -ERANGE);
	cr_assert_eq(u64("67", 68, 65535, &v), -ERANGE);
	cr_assert_eq(u64("65536", 68, 65535, &v), -ERANGE);
	cr_assert_eq(u64("65535", 68, 65535, &v), 0);
}

Test(num, a_length_bounds_the_text)
{
	uint64_t v;

	cr_assert_eq(num_u64("1234", 2, 0, 100, &v), 0);
	cr_assert_eq(v, 12);
	cr_assert_eq(num_u64("12", 0, 0, 100, &v), -EINVAL);
}

Test(num, sizes)
{
	uint64_t v;

	cr_assert_eq(num_size("16M", &v), 0);
	cr_assert_eq(v, 16u << 20);
	cr_assert_eq(num_size("4096b", &v), 0);
	cr_assert_eq(v, 4096);
	cr_assert_eq(num_size("1GiB", &v), 0);
	cr_assert_eq(v, 1u << 30);
	cr_assert_eq(num_size("3k", &v), 0);
	cr_assert_eq(v, 3072);
	cr_assert_eq(num_size("16", &v), -ENOMSG);
	cr_assert_eq(num_size("", &v), -EINVAL);
	cr_assert_eq(num_size("M", &v), -EINVAL);
	cr_assert_eq(num_size("-16M", &v), -EINVAL);
	cr_assert_eq(num_size("16 M", &v), -EINVAL);
	cr_assert_eq(num_size("16MB", &v), -EINVAL);
	cr_assert_eq(num_size("16Mi", &v), -EINVAL);
	cr_assert_eq(num_size("1.5G", &v), -EINVAL);
}

/* firecracker#6076: a MiB count whose product with 2^20 wraps to 0 was taken for a size. */
Test(num, a_product_never_wraps)
{
	uint64_t v = 5;

	cr_assert_eq(num_size("17592186044416M", &v), -ERANGE, "2^44 MiB is 2^64 bytes");
	cr_assert_eq(num_size("17592186044417M", &v), -ERANGE);
	cr_assert_eq(num_size("17179869184G", &v), -ERANGE);
	cr_assert_eq(num_size("18446744073709551616K", &v), -ERANGE);
	cr_assert_eq(v, 5);
	cr_assert_eq(num_size("17592186044415M", &v), 0);
	cr_assert_eq(v, UINT64_C(17592186044415) << 20);
}

static const char *key, *val;
static char item[32];

Test(kv, items_in_order)
{
	const char *p = "id=root,path=a=b,ro,x=";

	cr_assert_eq(kv_next(&p, item, sizeof item, &key, &val), 1);
	cr_assert_str_eq(key, "id");
	cr_assert_str_eq(val, "root");
	cr_assert_eq(kv_next(&p, item, sizeof item, &key, &val), 1);
	cr_assert_str_eq(val, "a=b", "only the first '=' splits");
	cr_assert_eq(kv_next(&p, item, sizeof item, &key, &val), 1);
	cr_assert_str_eq(key, "ro");
	cr_assert_null(val);
	cr_assert_eq(kv_next(&p, item, sizeof item, &key, &val), 1);
	cr_assert_str_eq(val, "");
	cr_assert_eq(kv_next(&p, item, sizeof item, &key, &val), 0);
}

Test(kv, two_commas_are_one)
{
	const char *p = "path=a,,b,,,ro";

	cr_assert_eq(kv_next(&p, item, sizeof item, &key, &val), 1);
	cr_assert_str_eq(val, "a,b,");
	cr_assert_eq(kv_next(&p, item, sizeof item, &key, &val), 1);
	cr_assert_str_eq(key, "ro");
}

Test(kv, malformed)
{
	static const char *const bad[] = {",a=1", "=1", "a=1,", ",", ",a"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *p = bad[i];
		int r;

		while ((r = kv_next(&p, item, sizeof item, &key, &val)) == 1)
			;
		cr_assert_eq(r, -EINVAL, "'%s'", bad[i]);
	}
}

Test(kv, too_long_for_the_buffer)
{
	const char *p = "k=0123456789012345678901234567890123456789";

	cr_assert_eq(kv_next(&p, item, sizeof item, &key, &val), -ENAMETOOLONG);
	p = "k=01234567890123456789012345678"; /* 31 bytes and a NUL */
	cr_assert_eq(kv_next(&p, item, sizeof item, &key, &val), 1);
}

Test(near, distances)
{
	cr_assert_eq(near_distance("kernel", "kernel", 3), 0);
	cr_assert_eq(near_distance("kernl", "kernel", 3), 1);
	cr_assert_eq(near_distance("kernle", "kernel", 3), 1, "a swap is one");
	cr_assert_eq(near_distance("mem", "net", 3), 2);
	cr_assert_eq(near_distance("", "net", 5), 3);
	cr_assert_eq(near_distance("memory", "mem", 3), 2, "one begins with the other");
	cr_assert_eq(near_distance("ne", "network", 3), 4);
	cr_assert_eq(near_distance("abcdefgh", "zyxwvuts", 3), 4, "cut at limit + 1");
	cr_assert_eq(near_distance("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a", 3), 4);
}

Test(buf, cuts_and_says_so)
{
	char mem[8];
	struct buf b;

	buf_init(&b, mem, sizeof mem);
	buf_printf(&b, "%s", "1234567");
	cr_assert(!b.cut);
	cr_assert_eq(b.len, 7);
	buf_printf(&b, "%s", "8");
	cr_assert(b.cut);
	cr_assert_str_eq(mem, "1234567");
}

Test(buf, json_strings_are_escaped)
{
	char mem[64];
	struct buf b;

	buf_init(&b, mem, sizeof mem);
	buf_json_str(&b, "a\"b\\c\n\x7f");
	cr_assert_str_eq(mem, "\"a\\u0022b\\u005cc\\u000a\\u007f\"");
}

#define HOSTILE	 "a\x1b[0m\n\x7f\x80\xc3\xa9~ z"
#define HARMLESS "a?[0m?????~ z"

Test(errors, are_one_printable_line)
{
	struct errtext err;
	char text[8];

	cr_assert_eq(errtext_set(&err, -EPERM, "%s", HOSTILE), -EPERM);
	cr_assert_str_eq(err.text, HARMLESS);
	cr_assert_eq(errtext_blame(&err, -EINVAL, "--%s", "\xff\t"), -EINVAL);
	cr_assert_str_eq(err.text, "--??: " HARMLESS);
	cr_assert_eq(err_put(text, sizeof text, -ENOENT, "%s", HOSTILE), -ENOENT);
	cr_assert_str_eq(text, "a?[0m??");
	cr_assert_eq(err_put(NULL, 0, -ENOENT, "%s", HOSTILE), -ENOENT);
}

Test(errors, a_log_line_stays_one)
{
	char path[] = "/tmp/mayfly-log-XXXXXX", text[64];
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(log_open(path), 0);
	log_init("m", "x");
	log_err("--kernel %s", HOSTILE);
	ssize_t n = read(fd, text, sizeof text - 1);
	cr_assert_gt(n, 0);
	text[n] = '\0';
	cr_assert_str_eq(text, "m[x]: error: --kernel " HARMLESS "\n");
	close(fd);
	unlink(path);
}
