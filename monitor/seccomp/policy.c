/* SPDX-License-Identifier: MIT
 *
 * policy.c: policy_parse of policy.h. A cursor runs over one line at a time; nothing is allocated,
 * every table has a bound whose overflow is an error.
 */
#include "monitor/seccomp/policy.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/num.h"

struct parse {
	struct policy *p;
	struct errtext *err;
	const char *at, *end; /* rest of the line */
	unsigned line;
};

static int bad(struct parse *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(struct parse *s, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return errtext_set(s->err, -EINVAL, "%u: %s", s->line, text);
}

/* A word as it may stand in a message: "%.*s". */
#define CUT(n, w) (int)((n) < 40 ? (n) : 40), (w)

static void skip_space(struct parse *s)
{
	while (s->at < s->end && isspace((unsigned char)*s->at))
		s->at++;
}

static bool at_end(struct parse *s)
{
	skip_space(s);
	return s->at == s->end;
}

/* Letters, digits and '_', and whatever else `more` has. Empty when there is none. */
static size_t word(struct parse *s, const char *more, const char **ret)
{
	skip_space(s);
	*ret = s->at;
	while (s->at < s->end && (isalnum((unsigned char)*s->at) || *s->at == '_' ||
				  (*s->at && strchr(more, *s->at))))
		s->at++;
	return (size_t)(s->at - *ret);
}

/* A word of at most cap - 1 bytes into dst. */
static int take(struct parse *s, char *dst, size_t cap, const char *what)
{
	const char *w;
	size_t n = word(s, "/-", &w);

	if (n == 0)
		return bad(s, "%s is missing", what);
	if (n >= cap)
		return bad(s, "%s '%.*s' is longer than %zu bytes", what, CUT(n, w), cap - 1);
	memcpy(dst, w, n);
	dst[n] = '\0';
	return 0;
}

static int take_number(struct parse *s, uint64_t max, const char *what, unsigned *ret)
{
	const char *w;
	size_t n = word(s, "", &w);
	uint64_t v;

	if (num_u64(w, n, 0, max, &v) < 0)
		return bad(s, "%s is a number from 0 to %llu", what, (unsigned long long)max);
	*ret = (unsigned)v;
	return 0;
}

static int nothing_more(struct parse *s)
{
	return at_end(s) ? 0 : bad(s, "what is '%.*s'?", CUT(s->end - s->at, s->at));
}

/* --- values and conditions --- */

static int parse_hex(const char *w, size_t n, uint64_t *ret)
{
	uint64_t v = 0;

	if (n < 3 || n > 18)
		return -EINVAL;
	for (size_t i = 2; i < n; i++) {
		if (!isxdigit((unsigned char)w[i]))
			return -EINVAL;
		v = v << 4 | (uint64_t)(isdigit((unsigned char)w[i]) ? w[i] - '0'
								     : (w[i] | 0x20) - 'a' + 10);
	}
	*ret = v;
	return 0;
}

static int parse_term(struct parse *s, uint64_t *ret)
{
	const char *w;
	size_t n = word(s, "", &w);

	if (n > 1 && w[0] == '0' && (w[1] | 0x20) == 'x' && parse_hex(w, n, ret) == 0)
		return 0;
	if (n && isdigit((unsigned char)*w) && num_u64(w, n, 0, UINT64_MAX, ret) == 0)
		return 0;
	if (n && name_value(w, n, ret))
		return 0;
	return bad(s, "'%.*s' is no number and no known constant", CUT(n, w));
}

static int parse_slot(struct parse *s, struct cond *c)
{
	struct section *sec = &s->p->sections[s->p->nsections - 1];
	char name[FILTER_NAME];
	int r = take(s, name, sizeof name, "the name behind '$'");

	if (r < 0)
		return r;
	if (c->op != COND_EQ)
		return bad(s, "$%s can only be compared by ==", name);
	for (unsigned i = 0; i < sec->nslots; i++)
		if (strcmp(sec->slots[i], name) == 0) {
			c->slot = (int)i;
			return 0;
		}
	if (sec->nslots == FILTER_SLOTS)
		return bad(s, "more than %d '$' values in one section", FILTER_SLOTS);
	memcpy(sec->slots[sec->nslots], name, sizeof name);
	c->slot = (int)sec->nslots++;
	return 0;
}

static int parse_value(struct parse *s, struct cond *c)
{
	skip_space(s);
	if (s->at < s->end && *s->at == '$') {
		s->at++;
		return parse_slot(s, c);
	}
	for (;;) {
		uint64_t term;
		int r = parse_term(s, &term);

		if (r < 0)
			return r;
		c->value |= term;
		if (at_end(s) || *s->at != '|')
			break;
		s->at++;
	}
	if (c->half && c->op == COND_EQ)
		c->value = (uint32_t)c->value; /* -1 of 64 bits is -1 of 32 */
	if (c->half && c->value > UINT32_MAX)
		return bad(s, "w%u has 32 bits; 0x%llx does not fit", c->arg,
			   (unsigned long long)c->value);
	return 0;
}

static int parse_op(struct parse *s, struct cond *c)
{
	skip_space(s);
	if (s->end - s->at < 2 || (memcmp(s->at, "==", 2) != 0 && memcmp(s->at, "in", 2) != 0))
		return bad(s, "expected == or in");
	c->op = *s->at == '=' ? COND_EQ : COND_IN;
	s->at += 2;
	return 0;
}

static int parse_cond(struct parse *s, struct rule *r)
{
	struct cond *c = &r->conds[r->nconds];
	const char *w;
	size_t n = word(s, "", &w);
	int ret;

	if (n != 2 || (*w != 'a' && *w != 'w') || w[1] < '0' || w[1] > '5')
		return bad(s, "'%.*s' is no argument: a0 to a5, w0 to w5", CUT(n, w));
	*c = (struct cond){.arg = (uint8_t)(w[1] - '0'), .half = *w == 'w', .slot = -1};
	for (unsigned i = 0; i < r->nconds; i++)
		if (r->conds[i].arg == c->arg)
			return bad(s, "argument %u is compared twice in one rule", c->arg);
	ret = parse_op(s, c);
	if (ret == 0)
		ret = parse_value(s, c);
	r->nconds++;
	return ret;
}

/* --- statements --- */

static int parse_rule(struct parse *s, const char *call, size_t n, bool forced)
{
	struct policy *p = s->p;
	struct rule *r = &p->rules[p->nrules];

	if (p->nsections == 0)
		return bad(s, "'%.*s' is in no section; write [always] above it", CUT(n, call));
	if (p->nrules == POLICY_RULES)
		return bad(s, "more than %d rules", POLICY_RULES);
	if (n >= POLICY_CALL)
		return bad(s, "'%.*s' is no name of a system call", CUT(n, call));
	*r = (struct rule){
		.line = s->line, .section = p->nsections - 1, .nr = -1, .forced = forced};
	memcpy(r->call, call, n);
	for (bool first = true; !at_end(s) && *s->at != ':'; first = false) {
		if (!first && *s->at++ != ',')
			return bad(s, "expected ',' or ': reason'");
		if (r->nconds == POLICY_CONDS)
			return bad(s, "more than %d conditions", POLICY_CONDS);
		int ret = parse_cond(s, r);
		if (ret < 0)
			return ret;
	}
	if (!at_end(s))
		s->at++;
	if (at_end(s))
		return bad(s, "%s has no reason; say behind ':' what needs it", r->call);
	snprintf(r->why, sizeof r->why, "%.*s", (int)(s->end - s->at), s->at);
	p->nrules++;
	p->sections[p->nsections - 1].nrules++;
	return 0;
}

static int parse_section(struct parse *s)
{
	struct policy *p = s->p;
	struct section *sec = &p->sections[p->nsections];

	if (p->nsections == POLICY_SECTIONS)
		return bad(s, "more than %d sections", POLICY_SECTIONS);
	*sec = (struct section){.first = p->nrules};
	s->at++;
	int r = take(s, sec->feature, sizeof sec->feature, "the feature");
	if (r < 0)
		return r;
	if (at_end(s) || *s->at != ']')
		return bad(s, "[%s has no ']'", sec->feature);
	s->at++;
	p->nsections++;
	return nothing_more(s);
}

static int parse_never(struct parse *s)
{
	struct policy *p = s->p;

	while (!at_end(s)) {
		if (p->nnever == POLICY_NEVER)
			return bad(s, "more than %d names behind never", POLICY_NEVER);
		int r = take(s, p->never[p->nnever], POLICY_CALL, "the call");
		if (r < 0)
			return r;
		p->nnever++;
	}
	return 0;
}

static int parse_head(struct parse *s)
{
	int r = take(s, s->p->name, sizeof s->p->name, "the policy's name");

	if (r == 0)
		r = take_number(s, 62, "the policy's number", &s->p->number);
	return r < 0 ? r : nothing_more(s);
}

static int parse_line(struct parse *s)
{
	const char *w;

	if (at_end(s) || *s->at == '#')
		return 0;
	if (*s->at == '[')
		return s->p->name[0] ? parse_section(s) : bad(s, "begin with: policy NAME NUMBER");
	bool forced = *s->at == '!';

	s->at += forced;
	size_t n = word(s, "", &w);
	bool head = n == 6 && memcmp(w, "policy", n) == 0;
	int r;

	if (n == 0)
		return bad(s, "what is '%.*s'?", CUT(s->end > w ? 1 : 0, w));
	if (!head && !s->p->name[0])
		return bad(s, "begin with: policy NAME NUMBER");
	if (head)
		return s->p->name[0] ? bad(s, "a second policy in one file") : parse_head(s);
	if (n == 5 && memcmp(w, "never", n) == 0)
		return parse_never(s);
	if (n == 4 && memcmp(w, "deny", n) == 0) {
		s->p->deny = true;
		return nothing_more(s);
	}
	if (n == 3 && memcmp(w, "max", n) == 0) {
		r = take_number(s, POLICY_RULES, "max", &s->p->max);
		return r < 0 ? r : nothing_more(s);
	}
	if (n == 6 && memcmp(w, "beyond", n) == 0) {
		if (s->p->nbeyond == POLICY_BEYOND)
			return bad(s, "more than %d lines of beyond", POLICY_BEYOND);
		r = take(s, s->p->beyond[s->p->nbeyond++], FILTER_NAME, "the feature");
		return r < 0 ? r : nothing_more(s);
	}
	if (n == 6 && memcmp(w, "either", n) == 0) {
		r = take(s, s->p->either[0], FILTER_NAME, "the first feature");
		r = r < 0 ? r : take(s, s->p->either[1], FILTER_NAME, "the second feature");
		return r < 0 ? r : nothing_more(s);
	}
	return parse_rule(s, w, n, forced);
}

int policy_parse(struct policy *ret_p, const char *text, size_t len, struct errtext *err)
{
	struct parse s = {.p = ret_p, .err = err};
	const char *end = text + len;

	memset(ret_p, 0, sizeof *ret_p);
	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));

		s.line++;
		s.at = text;
		s.end = nl ? nl : end;
		/* Names and reasons are strings from here on: none may end before it was read. */
		if (memchr(s.at, '\0', (size_t)(s.end - s.at)))
			return bad(&s, "a NUL byte; a policy is text");
		int r = parse_line(&s);
		if (r < 0)
			return r;
		text = nl ? nl + 1 : end;
	}
	s.line++;
	return ret_p->nrules ? 0 : bad(&s, "the file has no rule");
}

uint16_t policy_rule_id(const struct policy *p, unsigned rule)
{
	return (uint16_t)(p->number << 10 | rule);
}
