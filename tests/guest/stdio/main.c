/* SPDX-License-Identifier: MIT
 *
 * stdio and the C library on top of the console: formats, floating point, line buffering, large and
 * vectored writes, end of input, memory streams, time zones, sorting, TLS, constructors.
 */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "../check.h"

static __thread int tls_init = 41, tls_zero;
static int constructed;

__attribute__((constructor)) static void construct(void)
{
	constructed = tls_init + tls_zero;
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void formats(void)
{
	char buf[128];
	double back;

	snprintf(buf, sizeof(buf), "%d %5.2f %g %e %Lf %a", -7, 3.14159, 1e100, 12345.678, 1.25L,
		 0.5);
	CHECK(!strcmp(buf, "-7  3.14 1e+100 1.234568e+04 1.250000 0x1p-1"));
	snprintf(buf, sizeof(buf), "%08.3f|%-6s|%+d|%#x|%zu|%c", 2.5, "ab", 3, 255, sizeof(long),
		 'q');
	CHECK(!strcmp(buf, "0002.500|ab    |+3|0xff|8|q"));
	CHECK(sscanf("2.718281828 17", "%lf", &back) == 1 && fabs(back - 2.718281828) < 1e-12);
	CHECK(strtod("0x1.8p1", NULL) == 3.0 && fabs(sin(1.0) - 0.8414709848078965) < 1e-15);
	CHECK(fabs(pow(2, 0.5) * sqrt(2.0) - 2.0) < 1e-12);
	CHECK(isnan(strtod("nan", NULL)) && isinf(1e308 * 10));
}

static void streams(void)
{
	char *mem = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&mem, &len);
	char buf[64];

	CHECK(f && fprintf(f, "%s-%d", "stream", 9) == 8 && !fclose(f));
	CHECK(len == 8 && !strcmp(mem, "stream-9"));
	free(mem);
	f = fmemopen((char[]){"line one\nline two\n"}, 18, "r");
	CHECK(f && fgets(buf, sizeof(buf), f) && !strcmp(buf, "line one\n") && !fclose(f));
	CHECK(getchar() == EOF && feof(stdin));
}

static void console(void)
{
	static char big[30000];
	struct winsize ws;
	struct stat st;
	char a[] = "vec", b[] = "tor", nl[] = "\n";
	struct iovec iov[3] = {{a, 3}, {b, 3}, {nl, 1}};

	CHECK(isatty(1) && !ioctl(1, TIOCGWINSZ, &ws) && !fstat(1, &st) && S_ISCHR(st.st_mode));
	CHECK_ERR(ioctl(1, 0x1234567, 0), ENOTTY);
	CHECK(writev(1, iov, 3) == 7);
	memset(big, '.', sizeof(big));
	for (size_t i = 99; i < sizeof(big); i += 100)
		big[i] = '\n';
	CHECK(write(2, big, sizeof(big)) == sizeof(big));
	CHECK_ERR(write(77, "x", 1), EBADF);
	CHECK_ERR(lseek(1, 0, SEEK_CUR), ESPIPE);
}

int main(void)
{
	jmp_buf env;
	int v[5] = {5, 3, 9, -1, 0};
	struct tm tm;
	time_t when = 86400 * 365;

	CHECK(constructed == 41);
	formats();
	streams();
	console();
	qsort(v, 5, sizeof(*v), by_value);
	CHECK(v[0] == -1 && v[4] == 9);
	CHECK(gmtime_r(&when, &tm) && tm.tm_year == 71 && tm.tm_mon == 0 && tm.tm_mday == 1);
	volatile int jumps = 0;
	if (setjmp(env) < 3)
		longjmp(env, (int)++jumps);
	CHECK(jumps == 3);
	CHECK(wcslen(L"wide") == 4 && getenv("NOTHING") == NULL && !setenv("X", "1", 1) &&
	      getenv("X"));
	return pass();
}
