/* SPDX-License-Identifier: MIT
 *
 * net.c: entry of the network module: what system calls reach it, when it starts (with the first
 * socket, so that other programs pay nothing), how memory is divided, and the poller. Runs on the
 * one vCPU.
 */
#include "net/net.h"

#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "net/mem.h"
#include "net/netif.h"
#include "net/sock.h"
#include "net/syscall.h"
#include "net/timers.h"
#include "platform.h"
#include "sys.h"
#include "wait.h"

#define DRAIN_NS   2000000000ull
#define DRAIN_STEP 5000000ull

/* Referenced by musl's call sites, so that the archive member is pulled in. */
const char uk__need_net = 1;

uint32_t uk__tcp_wnd, uk__tcp_snd_buf;
uint16_t uk__tcp_ooseq_pbufs;
static bool started;
static unsigned rx_bufs; /* that all devices may have */

uint32_t uk__net_rand(void)
{
	uint32_t r;

	uk__random(&r, sizeof(r));
	return r;
}

void uk__net_flush(void)
{
	for (unsigned i = 0; i < UK_MAX_NICS && uk__nifs[i]; i++)
		uk__nif_flush(uk__nifs[i]);
}

/* Packets to our own addresses wait on a queue, so that they do not recurse. */
static bool loop_packets(void)
{
	bool any = false;

	for (struct netif *n = netif_list; n; n = n->next) {
		if (!n->loop_first)
			continue;
		any = true;
		uk__net_timers_touch();
		netif_poll(n);
	}
	return any;
}

static bool poll(void)
{
	uint64_t now = uk__mono_ns();
	bool any = false;

	for (unsigned i = 0; i < UK_MAX_NICS && uk__nifs[i]; i++) {
		uk__nif_reap(uk__nifs[i]);
		any |= uk__nif_rx(uk__nifs[i]);
	}
	any |= loop_packets();
	if (any)
		uk__net_timers_activity(now);
	any |= uk__net_timers_run(now);
	uk__sock_feed();
	if (any)
		uk__net_flush();
	return any;
}

/* Asked just before the vCPU idles: from here on completions must wake it. */
static uint64_t deadline(void)
{
	for (unsigned i = 0; i < UK_MAX_NICS && uk__nifs[i]; i++) {
		struct uk_nif *nif = uk__nifs[i];

		uk__nif_flush(nif);
		if (uk__vq_irq_enable(&nif->nic.rx))
			return 0;
		if (nif->tx_full && uk__vq_irq_enable(&nif->nic.tx))
			return 0;
	}
	return uk__net_timers_deadline(uk__mono_ns());
}

static uint32_t size_setting(const char *name, uint32_t preset)
{
	const char *s = uk__setting(name);
	uint64_t v = 0;

	for (; s && *s >= '0' && *s <= '9' && v < (1u << 30); s++)
		v = v * 10 + (uint64_t)(*s - '0');
	if (s && (*s == 'K' || *s == 'k'))
		v <<= 10;
	if (s && (*s == 'M' || *s == 'm'))
		v <<= 20;
	return v ? (uint32_t)(v < 0xffff0 ? v : 0xffff0) : preset;
}

/* A quarter of memory for packet data and control structures, a 32nd for receive buffers. */
void uk__net_memory(void)
{
	uint64_t mem = uk__boot->mem_size;
	uint64_t heap = mem / 4 < (64u << 20) ? mem / 4 : 64u << 20;
	uint32_t buf = mem >= (64u << 20) ? 256u << 10 : 64u << 10;
	uint32_t wnd = (uint32_t)(heap / 160);

	if (rx_bufs)
		return;
	rx_bufs = mem < (1024ull * UK_NIC_BUF * 16) ? (unsigned)(mem / 32 / UK_NIC_BUF) : 512;
	uk__net_mem_init(heap);
	if (buf > heap / 8)
		buf = (uint32_t)(heap / 8);
	/* What is promised to some fifty connections that nobody reads from is, with the overhead
	 * of its blocks, what there is for it (mem.c). */
	if (wnd > 256u << 10)
		wnd = 256u << 10;
	if (wnd < 8u << 10)
		wnd = 8u << 10;
	uk__tcp_wnd = size_setting("rcvbuf", wnd);
	uk__tcp_snd_buf = size_setting("sndbuf", buf);
	/* A packet that the device merged takes 33 buffers: less than that would never keep one. */
	uk__tcp_ooseq_pbufs = rx_bufs / 4 < 48 ? 48 : 128;
}

void uk__net_start(void)
{
	static struct uk_poller poller = {.poll = poll, .deadline = deadline};

	if (started)
		return;
	started = true;
	uk__net_memory();
	lwip_init();
	for (struct netif *n = netif_list; n; n = n->next) /* loopback: memory does not flip bits */
		NETIF_SET_CHECKSUM_CTRL(n, NETIF_CHECKSUM_DISABLE_ALL);
	uk__nif_open_all(rx_bufs);
	uk__poller_add(&poller);
	uk__net_configure();
	uk__net_flush();
}

static bool drained(void)
{
	for (const struct tcp_pcb *p = tcp_active_pcbs; p; p = p->next)
		if ((p->unsent || p->unacked) && p->state != SYN_SENT && p->state != SYN_RCVD)
			return false;
	for (unsigned i = 0; i < UK_MAX_NICS && uk__nifs[i]; i++)
		if (uk__nifs[i]->nic.tx.nfree != uk__nifs[i]->nic.tx.size)
			return false;
	return true;
}

void uk__net_drain(void)
{
	if (!started)
		return;
	for (int fd = 0; fd < UK_MAX_FDS; fd++) {
		const struct uk_file *f = uk__fd_get(fd);

		if (f && f->ops == &uk__sock_fops)
			uk__fd_close(fd);
	}
	uk__net_flush();
	for (unsigned i = 0; i < UK_MAX_NICS && uk__nifs[i]; i++)
		uk__vq_kick(&uk__nifs[i]->nic.tx, true);
	/* A stop request interrupts waits, so idle here directly; sent packets raise no interrupt.
	 */
	for (uint64_t now, end = uk__mono_ns() + DRAIN_NS;
	     !drained() && (now = uk__mono_ns()) < end;) {
		uint64_t at;

		if (poll())
			continue;
		at = deadline();
		uk__idle(at < now + DRAIN_STEP ? at : now + DRAIN_STEP);
	}
}

long uk__net_syscall(long n, const long a[6])
{
	long r;

	if (started)
		uk__net_timers_touch();
	r = uk__sock_syscall(n, a);

	if (r == UK_NOSYS)
		r = uk__msg_syscall(n, a);
	if (started)
		uk__net_flush();
	return r;
}
