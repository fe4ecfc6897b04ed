/* SPDX-License-Identifier: MIT
 *
 * http_parse.c: the request parser. Strict where leniency has been somebody's hole (folded headers,
 * blanks before a colon, repeated lengths), lenient where RFC 9112 2.2 says so (a bare LF ends a
 * line, empty lines before a request are skipped).
 */
#include "http_parse.h"

#include <string.h>
#include <strings.h>

static bool is_tchar(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool str_is(struct http_str s, const char *word)
{
	return s.n == strlen(word) && !strncasecmp(s.s, word, s.n);
}

static struct http_str trim(struct http_str s)
{
	while (s.n && is_blank(s.s[0]))
		s.s++, s.n--;
	while (s.n && is_blank(s.s[s.n - 1]))
		s.n--;
	return s;
}

/* Takes the next element of a comma-separated list off *list; false at its end. Empty elements are
 * skipped. */
static bool next_element(struct http_str *list, struct http_str *ret)
{
	while (list->n) {
		const char *comma = memchr(list->s, ',', list->n);
		size_t n = comma ? (size_t)(comma - list->s) : list->n;
		struct http_str e = trim((struct http_str){list->s, n});

		list->s += n + (comma != NULL);
		list->n -= n + (comma != NULL);
		if (e.n) {
			*ret = e;
			return true;
		}
	}
	return false;
}

/* Takes the next line without its end off the buffer; false when there is no complete one. */
static bool next_line(const char **p, const char *end, struct http_str *ret)
{
	const char *lf = memchr(*p, '\n', (size_t)(end - *p));

	if (!lf)
		return false;
	ret->s = *p;
	ret->n = (size_t)(lf - *p);
	if (ret->n && lf[-1] == '\r')
		ret->n--;
	*p = lf + 1;
	return true;
}

static enum http_method method_of(struct http_str m)
{
	static const char *const other[] = {"POST",    "PUT",	"DELETE", "CONNECT",
					    "OPTIONS", "TRACE", "PATCH"};

	if (m.n == 3 && !memcmp(m.s, "GET", 3))
		return HTTP_GET;
	if (m.n == 4 && !memcmp(m.s, "HEAD", 4))
		return HTTP_HEAD;
	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++)
		if (m.n == strlen(other[i]) && !memcmp(m.s, other[i], m.n))
			return HTTP_OTHER;
	return HTTP_UNKNOWN;
}

static int parse_version(struct http_str v, int *ret_minor)
{
	if (v.n != 8 || memcmp(v.s, "HTTP/", 5) || v.s[5] < '0' || v.s[5] > '9' || v.s[6] != '.' ||
	    v.s[7] < '0' || v.s[7] > '9')
		return -400;
	if (v.s[5] != '1')
		return -505;
	*ret_minor = v.s[7] > '0';
	return 0;
}

static int parse_request_line(struct http_str line, struct http_req *req)
{
	const char *p = line.s, *end = line.s + line.n, *start;

	while (p < end && is_tchar((unsigned char)*p))
		p++;
	if (p == line.s || p == end || *p != ' ')
		return -400;
	req->method = method_of((struct http_str){line.s, (size_t)(p - line.s)});
	start = ++p;
	while (p<end && * p> 0x20 && *p < 0x7f)
		p++;
	if (p == start || p == end || *p != ' ')
		return -400;
	req->target = (struct http_str){start, (size_t)(p - start)};
	p++;
	return parse_version((struct http_str){p, (size_t)(end - p)}, &req->minor);
}

static int parse_length(struct http_str v, uint64_t *ret)
{
	uint64_t n = 0;

	if (!v.n || v.n > 18) /* 18 digits cannot wrap */
		return -400;
	for (size_t i = 0; i < v.n; i++) {
		if (v.s[i] < '0' || v.s[i] > '9')
			return -400;
		n = n * 10 + (uint64_t)(v.s[i] - '0');
	}
	*ret = n;
	return 0;
}

/* What must be remembered between header lines. */
struct seen {
	int hosts, lengths;
	bool close, keep_alive;
};

static int parse_connection(struct http_str v, struct seen *seen)
{
	struct http_str e;

	while (next_element(&v, &e)) {
		seen->close |= str_is(e, "close");
		seen->keep_alive |= str_is(e, "keep-alive");
	}
	return 0;
}

static int parse_content_length(struct http_str v, struct http_req *req, struct seen *seen)
{
	uint64_t n;
	int r = parse_length(v, &n);

	if (r < 0 || (seen->lengths && n != req->content_length))
		return -400;
	seen->lengths++;
	req->content_length = n;
	return 0;
}

static int take_header(struct http_str name, struct http_str v, struct http_req *req,
		       struct seen *seen)
{
	const struct {
		const char *name;
		struct http_str *to;
	} fields[] = {
		{"Range", &req->range},
		{"If-Range", &req->if_range},
		{"If-Match", &req->if_match},
		{"If-None-Match", &req->if_none_match},
		{"If-Modified-Since", &req->if_modified_since},
		{"If-Unmodified-Since", &req->if_unmodified_since},
	};

	if (str_is(name, "Host"))
		return seen->hosts++ ? -400 : 0;
	if (str_is(name, "Connection"))
		return parse_connection(v, seen);
	if (str_is(name, "Content-Length"))
		return parse_content_length(v, req, seen);
	if (str_is(name, "Transfer-Encoding"))
		req->transfer_encoding = true;
	if (str_is(name, "Expect")) {
		req->expect_continue |= str_is(v, "100-continue");
		req->expect_other |= !str_is(v, "100-continue");
	}
	if (name.n != 5 && strncasecmp(name.s, "If-", 3))
		return 0;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		if (!str_is(name, fields[i].name))
			continue;
		if (fields[i].to->s)
			return -400;
		*fields[i].to = v;
	}
	return 0;
}

static int parse_header(struct http_str line, struct http_req *req, struct seen *seen)
{
	struct http_str name = {line.s, 0}, value;

	/* A folded line starts with a blank, which is no token character: refused here too. */
	while (name.n < line.n && is_tchar((unsigned char)line.s[name.n]))
		name.n++;
	if (!name.n || name.n == line.n || line.s[name.n] != ':')
		return -400;
	value = trim((struct http_str){line.s + name.n + 1, line.n - name.n - 1});
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.s[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return -400;
	}
	return take_header(name, value, req, seen);
}

static int finish(struct http_req *req, const struct seen *seen)
{
	if (req->minor == 1 && !seen->hosts)
		return -400;
	if (req->transfer_encoding && (seen->lengths || req->minor == 0))
		return -400; /* RFC 9112 6.1: two ideas of where the body ends */
	req->keep_alive = !seen->close && (req->minor == 1 || seen->keep_alive);
	return 0;
}

int http_parse(const char *buf, size_t len, struct http_req *ret)
{
	const char *p = buf, *end = buf + len;
	struct http_req req = {0};
	struct seen seen = {0};
	struct http_str line;
	int r, n = 0;

	do {
		if (!next_line(&p, end, &line))
			return 0;
	} while (!line.n);
	r = parse_request_line(line, &req);
	if (r < 0)
		return r;
	for (;;) {
		if (!next_line(&p, end, &line))
			return 0;
		if (!line.n)
			break;
		if (++n > HTTP_MAX_HEADERS)
			return -431;
		r = parse_header(line, &req, &seen);
		if (r < 0)
			return r;
	}
	r = finish(&req, &seen);
	if (r < 0)
		return r;
	*ret = req;
	return (int)(p - buf);
}

int http_overflow_status(const char *buf, size_t len)
{
	const char *p = buf;
	struct http_str line;

	while (next_line(&p, buf + len, &line))
		if (line.n)
			return 431;
	return 414;
}

/* Digits at *p, saturating; -1 when there are none. */
static int take_digits(const char **p, const char *end, uint64_t *ret)
{
	const char *start = *p;
	uint64_t n = 0;

	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		uint64_t d = (uint64_t)(**p - '0');

		n = n > (UINT64_MAX - d) / 10 ? UINT64_MAX : n * 10 + d;
	}
	*ret = n;
	return *p == start ? -1 : 0;
}

enum http_range http_parse_range(struct http_str value, uint64_t size, uint64_t *ret_first,
				 uint64_t *ret_last)
{
	const char *p, *end;
	uint64_t first = 0, last = UINT64_MAX;
	bool has_first, has_last;

	if (value.n < 7 || strncasecmp(value.s, "bytes=", 6))
		return HTTP_RANGE_NONE;
	value = trim((struct http_str){value.s + 6, value.n - 6});
	p = value.s;
	end = p + value.n;
	has_first = !take_digits(&p, end, &first);
	if (p == end || *p++ != '-')
		return HTTP_RANGE_NONE;
	has_last = !take_digits(&p, end, &last);
	if (p != end || (!has_first && !has_last) || (has_first && has_last && last < first))
		return HTTP_RANGE_NONE;
	if (!has_first) { /* the last `last` bytes */
		if (!last || !size)
			return HTTP_RANGE_UNSATISFIABLE;
		first = last >= size ? 0 : size - last;
		last = size - 1;
	}
	if (first >= size)
		return HTTP_RANGE_UNSATISFIABLE;
	*ret_first = first;
	*ret_last = has_last && last < size ? last : size - 1;
	return HTTP_RANGE_ONE;
}

bool http_etag_listed(struct http_str list, const char *etag, bool weak)
{
	struct http_str e;

	if (str_is(trim(list), "*"))
		return true;
	/* Our own tags hold no comma, so splitting at every comma cannot make one out of a foreign
	 * tag's parts: a part that equals ours has both quotes. */
	while (next_element(&list, &e)) {
		if (e.n > 2 && e.s[0] == 'W' && e.s[1] == '/') {
			if (!weak)
				continue;
			e.s += 2;
			e.n -= 2;
		}
		if (e.n == strlen(etag) && !memcmp(e.s, etag, e.n))
			return true;
	}
	return false;
}
