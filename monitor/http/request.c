/* SPDX-License-Identifier: MIT
 *
 * request.c: see request.h. The head is collected until its empty line, judged as bytes, and only
 * then given to llhttp in one piece; the body goes through as it comes. Sources: RFC 9110, RFC
 * 9112.
 */
#include "monitor/http/request.h"

#include <ctype.h>
#include <llhttp/llhttp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Chunk sizes and extensions around a body. Beyond that they are an attack, not a framing. */
#define CHUNK_OVERHEAD_MAX 65536

const char http_continue[] = "HTTP/1.1 100 Continue\r\n\r\n";

enum stage { IN_HEAD, IN_BODY, READY, BAD };

struct http_parser {
	llhttp_t ll;
	llhttp_settings_t set;
	enum stage stage;
	bool told_continue, chunked, has_length;
	size_t body_max, framing; /* bytes fed since the head that were not body */

	char head[HTTP_HEAD_MAX + 1]; /* as received; then cut into strings in place */
	size_t head_len;
	char text[HTTP_HEAD_MAX + HTTP_HEADERS_MAX * 2]; /* the strings of the request */
	size_t text_len;
	struct http_header header[HTTP_HEADERS_MAX];
	unsigned nheaders;
	char *body;
	size_t body_len, body_cap;

	struct http_request req;
	int status;
	const char *reason;
};

static int bad(struct http_parser *p, int status, const char *reason)
{
	if (p->stage != BAD) {
		p->stage = BAD;
		p->status = status;
		p->reason = reason;
	}
	return -1;
}

/* --- strings: llhttp hands them out in pieces; each is closed by a NUL --- */

static int add_text(llhttp_t *ll, const char *at, size_t len)
{
	struct http_parser *p = ll->data;

	if (len >= sizeof p->text - p->text_len)
		return bad(p, 431, "The header fields are too large.");
	memcpy(p->text + p->text_len, at, len);
	p->text_len += len;
	return 0;
}

static int close_text(llhttp_t *ll)
{
	struct http_parser *p = ll->data;

	if (p->text_len >= sizeof p->text)
		return bad(p, 431, "The header fields are too large.");
	p->text[p->text_len++] = '\0';
	return 0;
}

/* --- header fields --- */

static int on_field(llhttp_t *ll, const char *at, size_t len)
{
	struct http_parser *p = ll->data;

	if (p->stage != IN_HEAD)
		return bad(p, 400, "Trailer fields are not accepted.");
	if (p->nheaders == HTTP_HEADERS_MAX)
		return bad(p, 431, "There are too many header fields.");
	if (!p->header[p->nheaders].name)
		p->header[p->nheaders].name = p->text + p->text_len;
	return add_text(ll, at, len);
}

static int on_field_done(llhttp_t *ll)
{
	struct http_parser *p = ll->data;

	if (p->stage != IN_HEAD || !p->header[p->nheaders].name)
		return bad(p, 400, "Trailer fields are not accepted.");
	if (p->header[p->nheaders].name == p->text + p->text_len)
		return bad(p, 400, "A header field has no name.");
	if (close_text(ll))
		return -1;
	p->header[p->nheaders].value = p->text + p->text_len;
	return 0;
}

static int judge_header(struct http_parser *p, const struct http_header *h)
{
	if (!strcasecmp(h->name, "Content-Length")) {
		size_t digits = strspn(h->value, "0123456789");

		if (p->has_length)
			return bad(p, 400, "Content-Length is there twice.");
		if (!digits || h->value[digits])
			return bad(p, 400, "Content-Length is not a number.");
		p->has_length = true;
	} else if (!strcasecmp(h->name, "Transfer-Encoding")) {
		if (p->chunked)
			return bad(p, 400, "Transfer-Encoding is there twice.");
		if (strcasecmp(h->value, "chunked") != 0)
			return bad(p, 501, "The only Transfer-Encoding here is chunked.");
		p->chunked = true;
	}
	return 0;
}

static int on_value_done(llhttp_t *ll)
{
	struct http_parser *p = ll->data;
	struct http_header *h = &p->header[p->nheaders];

	if (p->stage != IN_HEAD || !h->name)
		return bad(p, 400, "Trailer fields are not accepted.");
	while (p->text_len && p->text + p->text_len > h->value &&
	       strchr(" \t", p->text[p->text_len - 1]))
		p->text_len--;
	if (close_text(ll))
		return -1;
	p->nheaders++;
	return judge_header(p, h);
}

static unsigned count(const struct http_parser *p, const char *name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->nheaders; i++)
		n += strcasecmp(p->header[i].name, name) == 0;
	return n;
}

static enum http_method method_of(const char *name)
{
	static const char *const names[] = {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"};

	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(name, names[i]))
			return (enum http_method)i;
	return METHOD_OTHER;
}

static int on_head_done(llhttp_t *ll)
{
	struct http_parser *p = ll->data;

	if (*p->req.target != '/')
		return bad(p, 400, "The request target does not start with '/'.");
	if (p->has_length && p->chunked)
		return bad(p, 400, "There are Content-Length and Transfer-Encoding.");
	if (p->chunked && ll->http_minor == 0)
		return bad(p, 400, "HTTP/1.0 has no Transfer-Encoding.");
	if (count(p, "Host") > 1)
		return bad(p, 400, "Host is there twice.");
	if (p->has_length && ll->content_length > p->body_max)
		return bad(p, 413, "The body is too large.");
	p->stage = IN_BODY;
	return 0;
}

/* --- body --- */

static int on_body(llhttp_t *ll, const char *at, size_t len)
{
	struct http_parser *p = ll->data;

	if (len > p->body_max - p->body_len)
		return bad(p, 413, "The body is too large.");
	if (p->body_len + len >= p->body_cap) {
		size_t cap = p->body_cap ? p->body_cap : 512;

		while (cap <= p->body_len + len)
			cap *= 2;
		char *body = realloc(p->body, cap);
		if (!body)
			return bad(p, 413, "There is no memory for the body.");
		p->body = body;
		p->body_cap = cap;
	}
	memcpy(p->body + p->body_len, at, len);
	p->body_len += len;
	return 0;
}

static int on_extension(llhttp_t *ll, const char *at, size_t len)
{
	(void)at;
	(void)len;
	return bad(ll->data, 400, "Chunk extensions are not accepted.");
}

static int on_message_done(llhttp_t *ll)
{
	struct http_parser *p = ll->data;

	if (p->stage == BAD)
		return -1;
	p->stage = READY;
	p->req.body_len = p->body_len;
	p->req.keep_alive = llhttp_should_keep_alive(ll);
	if (p->body)
		p->body[p->body_len] = '\0';
	p->req.body = p->body ? p->body : "";
	return HPE_PAUSED;
}

/* --- the parser --- */

void http_parser_next(struct http_parser *p)
{
	llhttp_init(&p->ll, HTTP_REQUEST, &p->set);
	p->ll.data = p;
	p->stage = IN_HEAD;
	p->told_continue = p->chunked = p->has_length = false;
	p->framing = p->head_len = p->text_len = p->body_len = 0;
	p->nheaders = 0;
	memset(p->header, 0, sizeof p->header);
	p->req = (struct http_request){.headers = p->header};
}

struct http_parser *http_parser_create(size_t body_max)
{
	struct http_parser *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->body_max = body_max;
	llhttp_settings_init(&p->set);
	p->set.on_url = add_text;
	p->set.on_url_complete = close_text;
	p->set.on_header_field = on_field;
	p->set.on_header_field_complete = on_field_done;
	p->set.on_header_value = add_text;
	p->set.on_header_value_complete = on_value_done;
	p->set.on_headers_complete = on_head_done;
	p->set.on_chunk_extension_name = on_extension;
	p->set.on_body = on_body;
	p->set.on_message_complete = on_message_done;
	http_parser_next(p);
	return p;
}

void http_parser_destroy(struct http_parser *p)
{
	if (!p)
		return;
	free(p->body);
	free(p);
}

/* Bytes that end a line in one parser and not in another, or that no field may hold. */
static int judge_bytes(struct http_parser *p)
{
	for (size_t i = 0; i < p->head_len; i++) {
		unsigned char c = (unsigned char)p->head[i];

		if (c == '\r' && p->head[i + 1] != '\n') /* the head ends in CR LF */
			return bad(p, 400, "There is a CR without LF.");
		if (c == '\n' && (!i || p->head[i - 1] != '\r'))
			return bad(p, 400, "There is an LF without CR.");
		if (c == '\n' && i + 1 < p->head_len && strchr(" \t", p->head[i + 1]))
			return bad(p, 400, "Folded lines are not accepted.");
		if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
			return bad(p, 400, "There is a control character.");
	}
	return 0;
}

static void run(struct http_parser *p, const char *data, size_t len, size_t *ret_used)
{
	enum llhttp_errno e = llhttp_execute(&p->ll, data, len);

	*ret_used = len;
	if (e == HPE_OK || p->stage == BAD)
		return;
	if (p->stage == READY)
		*ret_used = (size_t)(llhttp_get_error_pos(&p->ll) - data);
	else if (e == HPE_INVALID_METHOD)
		bad(p, 501, "The method is not known.");
	else
		bad(p, 400, "This is not HTTP/1.1.");
}

/* The request line is "method SP target SP version": one space each. llhttp takes more. */
static int judge_request_line(struct http_parser *p)
{
	const char *end = memchr(p->head, '\r', p->head_len);
	const char *sp = memchr(p->head, ' ', (size_t)(end - p->head));
	const char *sp2 = sp ? memchr(sp + 1, ' ', (size_t)(end - sp - 1)) : NULL;

	if (!sp2 || sp == p->head || sp2 == sp + 1 || memchr(sp2 + 1, ' ', (size_t)(end - sp2 - 1)))
		return bad(p, 400, "The request line is not 'METHOD /path HTTP/1.1'.");
	if (sp2 - sp > HTTP_HEAD_MAX / 2)
		return bad(p, 414, "The request target is too long.");
	if (end - sp2 != 9 || memcmp(sp2, " HTTP/", 6) != 0 || sp2[7] != '.' || !isdigit(sp2[6]) ||
	    !isdigit(sp2[8]))
		return bad(p, 400, "The request line is not 'METHOD /path HTTP/1.1'.");
	if (sp2[6] != '1' || sp2[8] > '1')
		return bad(p, 505, "The HTTP version is not 1.0 or 1.1.");
	p->req.method_name = p->text;
	if (add_text(&p->ll, p->head, (size_t)(sp - p->head)) || close_text(&p->ll))
		return -1;
	p->req.method = method_of(p->req.method_name);
	p->req.target = p->text + p->text_len;
	return 0;
}

/* Collect up to the empty line; *ret_used bytes of data belong to the head. True: it is whole. */
static bool collect_head(struct http_parser *p, const char *data, size_t len, size_t *ret_used)
{
	size_t i = 0;

	/* RFC 9112, 2.2: an empty line before a request is skipped, once. */
	while (i < len && p->head_len < HTTP_HEAD_MAX) {
		p->head[p->head_len++] = data[i++];
		if (p->head_len == 2 && !memcmp(p->head, "\r\n", 2))
			p->head_len = 0;
		if (p->head_len >= 4 && !memcmp(p->head + p->head_len - 4, "\r\n\r\n", 4)) {
			*ret_used = i;
			return true;
		}
	}
	*ret_used = i;
	if (p->head_len == HTTP_HEAD_MAX)
		bad(p, 431, "The header fields are too large.");
	return false;
}

static enum http_verdict verdict(struct http_parser *p)
{
	if (p->stage == READY) {
		p->req.nheaders = p->nheaders;
		return HTTP_READY;
	}
	return p->stage == BAD ? HTTP_BAD : HTTP_MORE;
}

static bool wants_continue(struct http_parser *p)
{
	struct http_request r = {.headers = p->header, .nheaders = p->nheaders};
	const char *expect = http_request_header(&r, "Expect");

	if (p->stage != IN_BODY || p->told_continue || p->ll.http_minor == 0 || !expect)
		return false;
	p->told_continue = true;
	return !strcasecmp(expect, "100-continue");
}

enum http_verdict http_parser_feed(struct http_parser *p, const char *data, size_t len,
				   size_t *ret_used)
{
	size_t used = 0, n;

	*ret_used = 0;
	if (p->stage == IN_HEAD) {
		if (collect_head(p, data, len, &used) && !judge_bytes(p) && !judge_request_line(p))
			run(p, p->head, p->head_len, &n);
		*ret_used = used;
		if (wants_continue(p))
			return HTTP_CONTINUE;
	}
	if (p->stage == IN_BODY && used < len) {
		size_t before = p->body_len;

		run(p, data + used, len - used, &n);
		*ret_used = used + n;
		p->framing += n - (p->body_len - before);
		if (p->framing > CHUNK_OVERHEAD_MAX)
			bad(p, 413, "The chunks are too small for their number.");
	}
	return verdict(p);
}

const struct http_request *http_parser_request(const struct http_parser *p)
{
	return &p->req;
}

int http_parser_status(const struct http_parser *p)
{
	return p->status;
}

const char *http_parser_reason(const struct http_parser *p)
{
	return p->reason;
}

bool http_parser_idle(const struct http_parser *p)
{
	return p->stage == IN_HEAD && !p->head_len;
}

const char *http_request_header(const struct http_request *r, const char *name)
{
	for (unsigned i = 0; i < r->nheaders; i++)
		if (!strcasecmp(r->headers[i].name, name))
			return r->headers[i].value;
	return NULL;
}
