/* SPDX-License-Identifier: MIT
 *
 * freeze.c: mayfly.h: the freeze point, what a clone does before it goes on, and the one request of
 * a VM that is rewound. Linked only into programs that ask for it. The monitor's half of the page
 * is trusted as the boot page is. Ring 3, the one vCPU.
 */
#include "core/freeze.h"

#include <errno.h>
#include <mayfly.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/platform.h"
#include "core/sys.h"

#define HOOKS_MAX   16
#define REQUEST_MAX 65536u

static struct uk_restore *page;
static struct {
	void (*fn)(void *);
	void *arg;
} hooks[HOOKS_MAX];
static unsigned nhooks;
static uint8_t generation[16];
static uint64_t told;	/* uk_shared.restored when the functions ran */
static uint64_t gen_of; /* when the generation was taken */
static char *request;	/* req_cap bytes and a NUL */

int mayfly_on_restore(void (*fn)(void *), void *arg)
{
	if (nhooks == HOOKS_MAX) {
		errno = ENOMEM;
		return -1;
	}
	hooks[nhooks].fn = fn;
	hooks[nhooks++].arg = arg;
	return 0;
}

static uint64_t restored(void)
{
	return __atomic_load_n(&uk__shared->restored, __ATOMIC_RELAXED);
}

static void run_hooks(void)
{
	for (unsigned i = 0; i < nhooks; i++)
		hooks[i].fn(hooks[i].arg);
}

bool uk__restored_due(void)
{
	return restored() != told && nhooks;
}

void uk__restored_run(void)
{
	told = restored(); /* first: what they call comes here too */
	run_hooks();
}

const uint8_t *mayfly_generation(void)
{
	uint64_t now = restored();

	if (now != gen_of) {
		memcpy(generation, uk__shared->generation, sizeof(generation));
		gen_of = now;
	}
	return generation;
}

static void take_environment(void)
{
	size_t len = page->env_len < sizeof(page->env) ? page->env_len : sizeof(page->env);

	for (size_t at = 0; at < len;) {
		char *word = page->env + at, *eq;
		size_t n = strnlen(word, len - at);

		if (n == len - at)
			return;
		eq = memchr(word, '=', n);
		if (eq && eq != word) {
			*eq = '\0';
			setenv(word, eq + 1, 1);
			*eq = '=';
		}
		at += n + 1;
	}
}

/* Be somebody else: all that makes two runs from one snapshot differ. */
static void become(void)
{
	/* random.c mixes a seed in that it has not seen before anything is drawn. */
	memcpy(uk__boot->seed, page->seed, sizeof(uk__boot->seed));
	page->hostname[sizeof(page->hostname) - 1] = '\0';
	if (page->hostname[0])
		uk__hostname_set(page->hostname);
	take_environment();
	for (unsigned i = 0; uk__net_rebind && i < UK_MAX_DEVS; i++)
		if (page->dev[i].has_mac || page->dev[i].has_ip4)
			uk__net_rebind(i, &page->dev[i]);
	run_hooks();
}

int mayfly_freeze(void)
{
	if (uk__boot->flags & UK_BOOT_FOREIGN)
		return MAYFLY_NOT_FROZEN;
	if (!page)
		page = uk__pages_alloc(1);
	if (!page)
		return MAYFLY_NOT_FROZEN;
	uk__depth++;
	if (uk__fs_sync_all)
		uk__fs_sync_all();
	uk__depth--;
	page->magic = UK_RESTORE_MAGIC;
	page->version = UK_ABI_VERSION;
	uk__mmio_w64(uk__boot->ctl + UK_CTL_FREEZE, uk__v2p(page));
	__asm__ volatile("" : : : "memory");
	memcpy(generation, page->generation, sizeof(generation));
	gen_of = restored();
	if (page->why >= UK_WHY_CLONE)
		become();
	return (int)page->why;
}

/* --- requests --- */

/* The head is a request line and header lines, each ended by CR LF, and an empty line. */
static int parse(struct mayfly_request *req, char *p, size_t len)
{
	char *end = len >= 4 ? memmem(p, len, "\r\n\r\n", 4) : NULL;
	char *line_end = end ? memmem(p, (size_t)(end - p) + 2, "\r\n", 2) : NULL;
	char *space = line_end ? memchr(p, ' ', (size_t)(line_end - p)) : NULL;
	char *space2 = space ? memchr(space + 1, ' ', (size_t)(line_end - space - 1)) : NULL;

	if (!space2)
		return -1;
	*space = *space2 = '\0';
	end[2] = '\0';
	req->method = p;
	req->target = space + 1;
	req->head = line_end + 2;
	if (line_end == end)
		req->head = end + 2;
	req->body = end + 4;
	req->body_len = len - (size_t)(end + 4 - p);
	p[len] = '\0';
	return 0;
}

int mayfly_ready(struct mayfly_request *req, size_t max)
{
	size_t cap = (max ? max : REQUEST_MAX);
	int why = MAYFLY_NOT_FROZEN;

	if (!page && !(uk__boot->flags & UK_BOOT_FOREIGN))
		page = uk__pages_alloc(1);
	if (page && !request)
		request = uk__pages_alloc((cap + UK_PAGE) / UK_PAGE);
	if (request) {
		page->req_gpa = uk__v2p(request);
		page->req_cap = cap;
		page->req_len = 0;
		why = mayfly_freeze();
	}
	if (why == MAYFLY_NOT_FROZEN || !page->req_len) {
		errno = ENOTCONN;
		return -1;
	}
	if (page->req_len > cap || parse(req, request, page->req_len)) {
		errno = EBADMSG;
		return -1;
	}
	return 0;
}

long mayfly_header(const struct mayfly_request *req, const char *name, char *buf, size_t len)
{
	size_t n = strlen(name);

	for (const char *line = req->head; *line;) {
		const char *end = strstr(line, "\r\n"), *v;

		if (!end)
			return -1;
		if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
			for (v = line + n + 1; v < end && (*v == ' ' || *v == '\t');)
				v++;
			size_t vlen = (size_t)(end - v), cut = vlen < len ? vlen : len - 1;

			if (len) {
				memcpy(buf, v, cut);
				buf[cut] = '\0';
			}
			return (long)vlen;
		}
		line = end + 2;
	}
	return -1;
}

_Noreturn void mayfly_reply(int status, const char *type, const void *body, size_t len)
{
	struct uk_reply *r = (struct uk_reply *)page;
	size_t n = strlen(type ? type : (type = "text/plain"));

	if (!page) /* nobody asked */
		exit(1);
	/* The page has done its duty: the answer may stand in it. */
	memset(r, 0, sizeof(*r));
	r->status = (uint32_t)status;
	r->type_len = (uint32_t)(n < sizeof(r->type) ? n : sizeof(r->type));
	memcpy(r->type, type, r->type_len);
	r->body_gpa = uk__v2p(body);
	r->body_len = len;
	uk__mmio_w64(uk__boot->ctl + UK_CTL_REPLY, uk__v2p(r));
	exit(0); /* a monitor that does not serve requests */
}
