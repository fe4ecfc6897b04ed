/* SPDX-License-Identifier: MIT
 *
 * http_date.h: the three date formats of RFC 9110 5.6.7. Pure functions; the parser takes bytes
 * from the network.
 */
#ifndef HTTPD_HTTP_DATE_H
#define HTTPD_HTTP_DATE_H

#include <stdint.h>

#include "http_parse.h"

#define HTTP_DATE_SIZE 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and its NUL */

/* Writes t (seconds since 1970; clamped to the years 1970-9999) as an IMF-fixdate. */
void http_date_format(int64_t t, char out[HTTP_DATE_SIZE]);

/* IMF-fixdate, RFC 850 or asctime form. 0 or -EINVAL. The name of the day is not checked. */
int http_date_parse(struct http_str s, int64_t *ret);

#endif
