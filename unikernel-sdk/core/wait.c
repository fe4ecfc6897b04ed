/* SPDX-License-Identifier: MIT
 *
 * wait.c: the one place where the library OS blocks (see wait.h). One thread.
 */
#include "core/wait.h"

#include <errno.h>
#include <stddef.h>

#include "core/area.h"
#include "core/freeze.h"
#include "core/platform.h"
#include "core/sig.h"

#define LOOK_NS \
	UINT64_C(200000) /* the host looks at our queues at least this often while we are busy */

static struct uk_poller *pollers;
static uint64_t looked_at; /* monotonic ns of the host's last look */
static uint64_t idle_total;

void uk__poller_add(struct uk_poller *p)
{
	p->next = pollers;
	pollers = p;
}

static bool run_pollers(void)
{
	bool worked = false;

	for (struct uk_poller *p = pollers; p; p = p->next)
		worked |= p->poll();
	return worked;
}

/* A program that never idles would never let the host serve its queues. */
static void let_host_look(void)
{
	if (!pollers || !uk__idle_serves_queues())
		return;
	uint64_t now = uk__mono_ns();

	if (now - looked_at > LOOK_NS) {
		looked_at = now;
		uk__idle(0);
	}
}

void uk__poll(void)
{
	let_host_look();
	run_pollers();
}

static void idle_until(uint64_t deadline)
{
	uint64_t alarm = uk__sig_deadline();

	for (struct uk_poller *p = pollers; p; p = p->next) {
		uint64_t d = p->deadline ? p->deadline() : UK_FOREVER;

		deadline = d < deadline ? d : deadline;
	}
	deadline = alarm < deadline ? alarm : deadline;

	uint64_t before = uk__mono_ns();

	if (deadline <= before)
		return;
	uk__idle(deadline);
	looked_at = uk__mono_ns();
	idle_total += looked_at - before;
}

int uk__wait(bool (*ready)(void *arg), void *arg, uint64_t deadline_ns)
{
	let_host_look();
	for (;;) {
		bool worked = run_pollers();

		if (ready && ready(arg))
			return 0;
		if (uk__sig_due() || (uk__restored_wanted && uk__restored_due()))
			return -EINTR;
		if (deadline_ns != UK_FOREVER && uk__mono_ns() >= deadline_ns)
			return -ETIMEDOUT;
		if (!worked)
			idle_until(deadline_ns);
	}
}

uint64_t uk__idle_ns(void)
{
	return idle_total;
}
