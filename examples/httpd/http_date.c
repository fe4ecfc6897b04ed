/* SPDX-License-Identifier: MIT
 *
 * http_date.c: dates without the C library's locale and time zone: an HTTP date is always English
 * and GMT.
 */
#include "http_date.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DAY	 86400
#define LAST_SEC INT64_C(253402300799) /* the end of year 9999 */

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char day_names[] = "ThuFriSatSunMonTueWed"; /* 1970 began on a Thursday */

/* Days since 1970-01-01 of a Gregorian date, counting years from March so that leap days come last.
 */
static int64_t days_from_civil(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = y / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_from_days(int64_t days, int *y, int *m, int *d)
{
	int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = (int)(yoe + era * 400 + (*m <= 2));
}

void http_date_format(int64_t t, char out[HTTP_DATE_SIZE])
{
	int y, m, d, s;

	if (t < 0)
		t = 0;
	if (t > LAST_SEC)
		t = LAST_SEC;
	civil_from_days(t / DAY, &y, &m, &d);
	s = (int)(t % DAY);
	snprintf(out, HTTP_DATE_SIZE, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
		 day_names + 3 * (t / DAY % 7), d % 100u, month_names + 3 * (m - 1), y % 10000u,
		 s / 3600, s / 60 % 60, s % 60);
}

/* Reads one digit into the field that a letter of the picture names: Y year, D day, h, m, s. A day
 * may have a blank for its first digit. */
static int take_field(char what, char c, int v[6])
{
	static const char letters[] = "YDhms";
	const char *at = strchr(letters, what);
	int i = (int)(at - letters);

	if (c == ' ' && what == 'D' && !v[i])
		return 0;
	if (c < '0' || c > '9')
		return -EINVAL;
	v[i] = v[i] * 10 + (c - '0');
	return 0;
}

static int month_of(const char *s)
{
	for (int m = 0; m < 12; m++)
		if (!memcmp(s, month_names + 3 * m, 3))
			return m + 1;
	return -EINVAL;
}

/* text: letters as in take_field(), @@@ the name of a month, '.' any byte; others stand for
 * themselves. */
static int match(const char *text, struct http_str s, int v[6])
{
	if (s.n != strlen(text))
		return -EINVAL;
	memset(v, 0, 6 * sizeof(*v));
	for (size_t i = 0; i < s.n; i++) {
		if (text[i] == '.')
			continue;
		if (text[i] == '@') {
			v[5] = month_of(s.s + i);
			if (v[5] < 0)
				return -EINVAL;
			i += 2;
		} else if (strchr("YDhms", text[i])) {
			if (take_field(text[i], s.s[i], v) < 0)
				return -EINVAL;
		} else if (text[i] != s.s[i]) {
			return -EINVAL;
		}
	}
	return 0;
}

int http_date_parse(struct http_str s, int64_t *ret)
{
	const char *comma = memchr(s.s, ',', s.n);
	bool long_day = comma && comma - s.s > 3; /* RFC 850: "Sunday, 06-Nov-94 ..." */
	int v[6], r;

	if (long_day) {
		s.n -= (size_t)(comma - s.s);
		s.s = comma;
		r = match(", DD-@@@-YY hh:mm:ss GMT", s, v);
		v[0] += v[0] < 70 ? 2000 : 1900;
	} else if (comma) {
		r = match("..., DD @@@ YYYY hh:mm:ss GMT", s, v);
	} else {
		r = match("... @@@ DD hh:mm:ss YYYY", s, v);
	}
	if (r < 0)
		return r;
	/* v: year, day, hour, minute, second, month. A leap second is allowed and folds into the
	 * next. */
	if (v[0] < 1970 || v[1] < 1 || v[1] > 31 || v[2] > 23 || v[3] > 59 || v[4] > 60)
		return -EINVAL;
	*ret = days_from_civil(v[0], v[5], v[1]) * DAY + v[2] * 3600 + v[3] * 60 + v[4];
	return 0;
}
