/* SPDX-License-Identifier: MIT
 *
 * respond.c: RFC 9110 for static files. Order of checks: method, target, file, preconditions
 * (13.2.2), range. Several ranges in one request get the whole file (14.2 allows it).
 */
#include "respond.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{200, "OK"},
	{206, "Partial Content"},
	{301, "Moved Permanently"},
	{304, "Not Modified"},
	{400, "Bad Request"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{412, "Precondition Failed"},
	{414, "URI Too Long"},
	{416, "Range Not Satisfiable"},
	{417, "Expectation Failed"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{503, "Service Unavailable"},
	{505, "HTTP Version Not Supported"},
};

static const char *reason_of(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

__attribute__((format(printf, 2, 3))) static void put(struct response *r, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(r->head + r->head_len, HEAD_MAX - r->head_len, fmt, ap);
	va_end(ap);
	/* Every caller's text fits by HEAD_MAX's definition; should one not, the head ends early
	 * and the connection with it. */
	if (n < 0 || (size_t)n >= HEAD_MAX - r->head_len)
		r->keep_alive = false;
	else
		r->head_len += (size_t)n;
}

static void start(struct response *r, int status, bool keep_alive, const struct now *now)
{
	r->status = status;
	r->keep_alive = keep_alive;
	r->head_len = r->head_sent = 0;
	r->file = NULL;
	r->off = r->left = r->body_len = 0;
	put(r, "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: mayfly-httpd\r\nConnection: %s\r\n", status,
	    reason_of(status), now->date, keep_alive ? "keep-alive" : "close");
}

/* Ends the head with a small page that says the status. */
static void put_page(struct response *r, bool head_only)
{
	static const char page[] = "<!doctype html><title>%d %s</title><h1>%d %s</h1>\n";
	const char *reason = reason_of(r->status);
	int n = snprintf(NULL, 0, page, r->status, reason, r->status, reason);

	put(r, "Content-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n", n);
	if (head_only)
		return;
	put(r, page, r->status, reason, r->status, reason);
	r->body_len = (uint64_t)n;
}

void respond_error(int status, bool keep_alive, bool head_only, const struct now *now,
		   struct response *r)
{
	start(r, status, keep_alive, now);
	if (status == 405)
		put(r, "Allow: GET, HEAD\r\n");
	put_page(r, head_only);
}

void response_fini(struct file_cache *c, struct response *r)
{
	file_put(c, r->file);
	r->file = NULL;
}

static int status_of_errno(int e)
{
	switch (e) {
	case -ENOENT:
	case -ENOTDIR:
	case -ENAMETOOLONG:
	case -ELOOP:
		return 404;
	case -EACCES:
	case -EPERM:
		return 403;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		return 503;
	default:
		return 500;
	}
}

/* 0, 304 or 412 (RFC 9110 13.2.2). A date that does not parse is as if absent. */
static int check_preconditions(const struct http_req *req, const struct file *f)
{
	int64_t t;

	if (req->if_match.s) {
		if (!http_etag_listed(req->if_match, f->etag, false))
			return 412;
	} else if (req->if_unmodified_since.s && !http_date_parse(req->if_unmodified_since, &t) &&
		   f->mtime > t) {
		return 412;
	}
	if (req->if_none_match.s)
		return http_etag_listed(req->if_none_match, f->etag, true) ? 304 : 0;
	if (req->if_modified_since.s && !http_date_parse(req->if_modified_since, &t) &&
	    f->mtime <= t)
		return 304;
	return 0;
}

/* May the Range field be honoured? A date must match exactly, a tag strongly (13.1.5). */
static bool if_range_holds(const struct http_req *req, const struct file *f)
{
	int64_t t;

	if (!req->if_range.s)
		return true;
	if (!http_date_parse(req->if_range, &t))
		return t == f->mtime;
	return req->if_range.n == strlen(f->etag) &&
	       !memcmp(req->if_range.s, f->etag, req->if_range.n);
}

static void put_validators(struct response *r, const struct file *f)
{
	put(r, "ETag: %s\r\nLast-Modified: %s\r\nAccept-Ranges: bytes\r\n", f->etag,
	    f->last_modified);
}

/* Takes over the reference to f. */
static void respond_file(struct file_cache *c, const struct http_req *req, struct file *f,
			 const struct now *now, struct response *r)
{
	enum http_range range = HTTP_RANGE_NONE;
	bool head = req->method == HTTP_HEAD;
	uint64_t first = 0, last = 0, n = f->size;
	int status = check_preconditions(req, f);

	if (!status && !head && req->range.s && if_range_holds(req, f))
		range = http_parse_range(req->range, f->size, &first, &last);
	if (status == 412) {
		respond_error(412, req->keep_alive, head, now, r);
	} else if (status == 304) {
		start(r, 304, req->keep_alive, now);
		put_validators(r, f);
		put(r, "\r\n");
	} else if (range == HTTP_RANGE_UNSATISFIABLE) {
		start(r, 416, req->keep_alive, now);
		put(r, "Content-Range: bytes */%llu\r\n", (unsigned long long)f->size);
		put_page(r, false);
	} else {
		start(r, range == HTTP_RANGE_ONE ? 206 : 200, req->keep_alive, now);
		put_validators(r, f);
		if (range == HTTP_RANGE_ONE) {
			put(r, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)first,
			    (unsigned long long)last, (unsigned long long)f->size);
			n = last - first + 1;
		}
		put(r, "Content-Type: %s\r\nContent-Length: %llu\r\n\r\n", f->type,
		    (unsigned long long)n);
		if (!head && n) {
			r->file = f;
			r->off = first;
			r->left = r->body_len = n;
			return;
		}
	}
	file_put(c, f);
}

static void respond_redirect(const char *path, const struct http_req *req, const struct now *now,
			     struct response *r)
{
	char location[3 * HTTP_PATH_MAX];

	if (http_encode_path(path, location, sizeof(location)) < 0) {
		respond_error(414, req->keep_alive, req->method == HTTP_HEAD, now, r);
		return;
	}
	start(r, 301, req->keep_alive, now);
	put(r, "Location: /%s/\r\n", location);
	put_page(r, req->method == HTTP_HEAD);
}

void respond(struct file_cache *c, const struct http_req *req, const struct now *now,
	     struct response *r)
{
	bool head = req->method == HTTP_HEAD;
	char path[HTTP_PATH_MAX];
	struct file *f = NULL;
	int e;

	if (req->method == HTTP_UNKNOWN || req->transfer_encoding) {
		/* A chunked body's end is not looked for: close behind it. */
		respond_error(501, req->keep_alive && !req->transfer_encoding, head, now, r);
		return;
	}
	if (req->method == HTTP_OTHER || req->expect_other) {
		respond_error(req->expect_other ? 417 : 405, req->keep_alive, head, now, r);
		return;
	}
	e = http_decode_path(req->target, path, sizeof(path));
	if (e < 0) {
		respond_error(-e, req->keep_alive, head, now, r);
		return;
	}
	e = file_get(c, path, now->mono_ms, &f);
	if (!e)
		respond_file(c, req, f, now, r);
	else if (e == -EISDIR)
		respond_redirect(path, req, now, r);
	else
		respond_error(status_of_errno(e), req->keep_alive, head, now, r);
}
