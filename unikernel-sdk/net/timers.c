/* SPDX-License-Identifier: MIT
 *
 * timers.c: replaces lwIP's timeouts.c. An idle VM must sleep: TCP's clock runs only while
 * connections exist, DHCP's and the multicast ones only while they wait for something, and the slow
 * ones (ARP, neighbour discovery, reassembly) tick every 10 s instead of every second once the
 * network has been quiet, making up for the ticks left out. Runs on the one vCPU.
 */
#include "net/timers.h"

#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/igmp.h"
#include "lwip/ip4_frag.h"
#include "lwip/ip6_frag.h"
#include "lwip/mld6.h"
#include "lwip/nd6.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"
#include "platform.h"
#include "wait.h"

#define MS	      1000000ull
#define TIME_WAIT_MAX 256u
#define QUIET_AFTER   (15000 * MS)
#define SLOW_TICK     (1000 * MS)
#define SLOW_QUIET    (10 * SLOW_TICK)
#define MAX_CATCH_UP  600u
#define TCP_TICK      (TCP_TMR_INTERVAL * MS)

static uint64_t last_activity;

static bool dhcp_fine_needed(void)
{
	for (const struct netif *n = netif_list; n; n = n->next) {
		const struct dhcp *d = netif_dhcp_data(n);

		if (d && d->request_timeout > 0)
			return true;
	}
	return false;
}

static bool dhcp_coarse_needed(void)
{
	for (const struct netif *n = netif_list; n; n = n->next)
		if (netif_dhcp_data(n))
			return true;
	return false;
}

static bool igmp_needed(void)
{
	for (const struct netif *n = netif_list; n; n = n->next)
		for (const struct igmp_group *g = netif_igmp_data(n); g; g = g->next)
			if (g->timer)
				return true;
	return false;
}

static bool mld_needed(void)
{
	for (const struct netif *n = netif_list; n; n = n->next)
		for (const struct mld_group *g = netif_mld6_data(n); g; g = g->next)
			if (g->timer)
				return true;
	return false;
}

static struct timer {
	uint32_t ms;
	void (*fn)(void);
	bool (*needed)(void);
	uint64_t due; /* 0 = off */
} timers[] = {
	{DHCP_FINE_TIMER_MSECS, dhcp_fine_tmr, dhcp_fine_needed, 0},
	{DHCP_COARSE_TIMER_MSECS, dhcp_coarse_tmr, dhcp_coarse_needed, 0},
	{IGMP_TMR_INTERVAL, igmp_tmr, igmp_needed, 0},
	{MLD6_TMR_INTERVAL, mld6_tmr, mld_needed, 0},
};
#define NTIMERS (sizeof(timers) / sizeof(timers[0]))

static uint64_t slow_last; /* when the last slow tick was due */
static uint64_t tcp_last;  /* until when TCP's clock has run */
static bool tcp_idle = true;
static uint64_t next;	    /* no armed timer is due before */
static uint64_t look_again; /* when what is needed may have changed */

u32_t sys_now(void)
{
	return (u32_t)(uk__mono_ns() / MS);
}

void sys_timeouts_init(void)
{
	slow_last = last_activity = tcp_last = uk__mono_ns();
}

/* Connections come by packets and by system calls, which both touch the timers anyway. */
void tcp_timer_needed(void)
{
}

/* Addresses and routers that are still being sorted out need the slow tick at its real pace. */
static bool settling(void)
{
	for (const struct netif *n = netif_list; n; n = n->next) {
		if (n->rs_count > 0)
			return true;
		for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
			if (ip6_addr_istentative(netif_ip6_addr_state(n, i)))
				return true;
	}
	return false;
}

static uint64_t slow_tick(uint64_t now)
{
	return now - last_activity > QUIET_AFTER && !settling() ? SLOW_QUIET : SLOW_TICK;
}

static uint64_t slow_due(uint64_t now)
{
	if (!netif_list || !netif_list->next) /* only loopback */
		return UK_FOREVER;
	return slow_last + slow_tick(now);
}

static bool run_slow(uint64_t now)
{
	uint64_t ticks;

	if (now < slow_due(now))
		return false;
	ticks = (now - slow_last) / SLOW_TICK;
	slow_last += ticks * SLOW_TICK;
	if (ticks > MAX_CATCH_UP)
		ticks = MAX_CATCH_UP;
	while (ticks-- > 0) {
		etharp_tmr();
		nd6_tmr();
		ip_reass_tmr();
		ip6_reass_tmr();
	}
	return true;
}

/* --- TCP
 * --------------------------------------------------------------------------------------------- */

/* No connection waits for an acknowledgement, owes one, or has anything else to do soon. */
static bool all_idle(void)
{
	for (const struct tcp_pcb *p = tcp_active_pcbs; p; p = p->next)
		if (p->unsent || p->unacked || p->ooseq || p->refused_data || p->persist_backoff ||
		    (p->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND)) || p->state == SYN_RCVD)
			return false;
	return true;
}

static uint64_t tcp_due(uint64_t now)
{
	if (!tcp_active_pcbs && !tcp_tw_pcbs)
		return UK_FOREVER;
	return tcp_last + (tcp_idle ? slow_tick(now) : TCP_TICK);
}

/* Make up for the ticks that an idle TCP left out: only keepalive and TIME_WAIT count them. */
static void tcp_catch_up(uint64_t now)
{
	uint64_t ticks = (now - tcp_last) / TCP_TICK;

	tcp_last += ticks * TCP_TICK;
	if (ticks > MAX_CATCH_UP)
		ticks = MAX_CATCH_UP;
	while (ticks-- > 0 && (tcp_active_pcbs || tcp_tw_pcbs))
		tcp_tmr();
}

/* lwIP looks through all of TIME_WAIT for every new connection, and each takes memory: the oldest
 * of too many go early. New ones are put in front. */
static void trim_time_wait(void)
{
	struct tcp_pcb *p = tcp_tw_pcbs;

	for (unsigned i = 0; p && i < TIME_WAIT_MAX; i++)
		p = p->next;
	while (p) {
		struct tcp_pcb *after = p->next;

		tcp_pcb_remove(&tcp_tw_pcbs, p);
		tcp_free(p);
		p = after;
	}
}

static bool run_tcp(uint64_t now)
{
	if (now < tcp_due(now))
		return false;
	if (tcp_idle) {
		tcp_catch_up(now);
	} else {
		/* One tick, however late: retransmission clocks must not jump. */
		tcp_last = now;
		tcp_tmr();
	}
	trim_time_wait();
	tcp_idle = all_idle();
	return true;
}

void uk__net_timers_touch(void)
{
	uint64_t now;

	if (!tcp_idle)
		return;
	now = uk__mono_ns();
	tcp_catch_up(now);
	tcp_last = now;
	tcp_idle = false;
	look_again = 0;
}

void uk__net_timers_activity(uint64_t now)
{
	last_activity = now;
}

/* --- all
 * --------------------------------------------------------------------------------------------- */

/* Switch timers on and off as they are needed, and find the earliest. */
static void rearm(uint64_t now)
{
	uint64_t tcp = tcp_due(now);

	next = slow_due(now);
	if (tcp < next)
		next = tcp;
	for (unsigned i = 0; i < NTIMERS; i++) {
		struct timer *t = &timers[i];

		if (!t->needed())
			t->due = 0;
		else if (!t->due)
			t->due = now + t->ms * MS;
		if (t->due && t->due < next)
			next = t->due;
	}
	look_again = now + TCP_TICK;
}

bool uk__net_timers_run(uint64_t now)
{
	bool ran;

	if (now < next && now < look_again)
		return false;
	rearm(now);
	if (now < next)
		return false;
	ran = run_slow(now);
	ran |= run_tcp(now);
	for (unsigned i = 0; i < NTIMERS; i++) {
		struct timer *t = &timers[i];

		if (!t->due || now < t->due)
			continue;
		t->due += t->ms * MS;
		if (t->due <= now)
			t->due = now + t->ms * MS;
		t->fn();
		ran = true;
	}
	rearm(now);
	return ran;
}

uint64_t uk__net_timers_deadline(uint64_t now)
{
	rearm(now);
	return next;
}
