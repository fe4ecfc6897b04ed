/* SPDX-License-Identifier: MIT
 *
 * test_net.c: the network device, driven as a guest would, on a packet socket (any user), on a real
 * tap in a network namespace of the test's own (root) and on the real user-mode helper.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "monitor/config.h"
#include "monitor/virtio/net.h"
#include "tests/unit/clock.h"
#include "tests/unit/guest.h"

#define N      256u
#define RXBUF  0x100000u
#define TXBUF  0x80000u
#define F_BASE (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX)

#define F_CSUM	     (1u << 0)
#define F_GUEST_CSUM (1u << 1)
#define F_MTU	     (1u << 3)
#define F_MAC	     (1u << 5)
#define F_GUEST_TSO4 (1u << 7)
#define F_GUEST_TSO6 (1u << 8)
#define F_HOST_TSO4  (1u << 11)
#define F_HOST_TSO6  (1u << 12)
#define F_MRG	     (1u << 15)
#define F_STATUS     (1u << 16)
#define F_OFFLOADS   (F_CSUM | F_GUEST_CSUM | F_GUEST_TSO4 | F_GUEST_TSO6 | F_HOST_TSO4 | F_HOST_TSO6)

struct nhdr {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};

static struct net_config cfg;
static struct virtio_dev *dev;
static struct gmem gm;
static struct g_ring rx, tx;
static unsigned irqs;
static int peer; /* the other end of a socket backend, or a packet socket on the tap */
static const uint8_t mac[6] = {2, 0, 0, 1, 2, 3};

static void irq(void *arg)
{
	(void)arg;
	irqs++;
}

static void *mem(gpa_t gpa)
{
	return gm.base + gpa;
}

static void up(uint64_t features)
{
	cr_assert_eq(g_negotiate(dev, features), 11);
	g_ring_init(&rx, &gm, N, 0x1000);
	g_ring_init(&tx, &gm, N, 0x8000);
	g_queue(dev, 0, &rx);
	g_queue(dev, 1, &tx);
	cr_assert_eq(g_driver_ok(dev), 15);
}

static void create(void)
{
	char err[320] = "";

	cfg.id = "eth0";
	cfg.has_mac = true;
	memcpy(cfg.mac, mac, 6);
	gm = g_ram(1u << 22);
	cr_assert_eq(vnet_create(&dev, &cfg, &gm, err, sizeof err), 0, "%s", err);
	dev->irq = irq;
	cr_assert_eq(vnet_wait_ready(dev, err, sizeof err), 0, "%s", err);
}

static void sock_setup(void)
{
	int sv[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	cfg = (struct net_config){.backend = NET_FD, .fd = sv[0]};
	peer = sv[1];
	create();
}

static void destroy(void)
{
	vnet_destroy(dev);
}

TestSuite(net, .init = sock_setup, .fini = destroy, .timeout = 60);
TestSuite(net_tap, .timeout = 60);
TestSuite(net_user, .timeout = 60);

static void rx_offer(gpa_t at, uint32_t len)
{
	struct g_buf b = {at, len, true};

	memset(mem(at), 0xee, len);
	g_chain(&rx, &b, 1);
}

/* Events until none is ready within `ms` of quiet, or n used entries are in the ring. */
static void events(struct g_ring *r, uint16_t n, int ms)
{
	struct pollfd pfd;

	while (g_used_idx(r) != n && dev->ops->pollfds(dev, &pfd, 1) == 1) {
		if (poll(&pfd, 1, ms) <= 0)
			return;
		dev->ops->on_event(dev, &pfd);
	}
}

/* Send one frame: header and payload as two buffers. */
static void tx_frame(const struct nhdr *h, const void *frame, uint32_t len)
{
	struct g_buf b[] = {{TXBUF, 12, false}, {TXBUF + 0x1000, len, false}};

	memcpy(mem(TXBUF), h, 12);
	memcpy(mem(TXBUF + 0x1000), frame, len);
	g_chain(&tx, b, 2);
	g_kick(dev, 1);
}

static const struct nhdr plain;

static size_t make_frame(uint8_t *f, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		f[i] = (uint8_t)(i * 3 + seed);
	memcpy(f, "\xff\xff\xff\xff\xff\xff", 6);
	memcpy(f + 6, mac, 6);
	f[12] = 0x88; /* local experimental */
	f[13] = 0xb5;
	return len;
}

static const struct net_metrics *m(void)
{
	return vnet_metrics(dev);
}

Test(net, config_space)
{
	cr_assert_eq(g_rd(dev, 8), 1);
	/* rule 17: bytes, halves, words */
	for (uint32_t i = 0; i < 6; i++)
		cr_assert_eq(virtio_mmio_read(dev, 0x100 + i, 1), mac[i]);
	cr_assert_eq(virtio_mmio_read(dev, 0x100, 4), 0x01000002);
	cr_assert_eq(virtio_mmio_read(dev, 0x104, 2), 0x0302);
	cr_assert_eq(virtio_mmio_read(dev, 0x106, 2), 1, "link up");
	cr_assert_eq(virtio_mmio_read(dev, 0x10a, 2), 1500);
	cr_assert_eq(virtio_mmio_read(dev, 0x10c, 4), 0);
	cr_assert_eq(memcmp(vnet_mac(dev), mac, 6), 0);
	g_wr(dev, 0x30, 2);
	cr_assert_eq(g_rd(dev, 0x34), 0, "two queues");
}

Test(net, a_socket_offers_no_offloads)
{
	cr_assert_eq(dev->offered & F_OFFLOADS, 0);
	cr_assert_eq(dev->offered & (F_MAC | F_MTU | F_STATUS | F_MRG),
		     F_MAC | F_MTU | F_STATUS | F_MRG);
	/* Unikraft's GUEST_CSUM is dropped, anything else not offered is refused */
	cr_assert_eq(g_negotiate(dev, F_BASE | F_GUEST_CSUM), 11);
	cr_assert_eq(dev->features, F_BASE);
	cr_assert_eq(g_negotiate(dev, F_BASE | F_CSUM), 3);
}

Test(net, transmit)
{
	uint8_t f[1514], got[2000];
	uint32_t id, len;

	up(F_BASE);
	make_frame(f, sizeof f, 1);
	tx_frame(&plain, f, sizeof f);
	cr_assert(g_used(&tx, &id, &len));
	cr_assert_eq(len, 0, "rule 13");
	cr_assert_eq(recv(peer, got, sizeof got, 0), sizeof f);
	cr_assert_eq(memcmp(f, got, sizeof f), 0);
	cr_assert_eq(m()->tx_frames, 1);
	cr_assert_eq(m()->tx_bytes, sizeof f);
	cr_assert_eq(m()->notifications, 1);
}

Test(net, rule14_transmit_framing)
{
	uint8_t f[100], got[200];

	up(F_BASE | VIRTIO_F_INDIRECT_DESC * 0);
	make_frame(f, sizeof f, 2);
	static const uint32_t cuts[][5] = {{112},	 {12, 100},   {5, 107},
					   {10, 2, 100}, {1, 60, 51}, {25, 1, 86}};

	for (unsigned k = 0; k < 6; k++) {
		struct g_buf b[5];
		unsigned n = 0;
		gpa_t at = TXBUF;

		memset(mem(TXBUF), 0, 12);
		memcpy(mem(TXBUF + 12), f, sizeof f);
		for (unsigned i = 0; i < 5 && cuts[k][i]; at += cuts[k][i++])
			b[n++] = (struct g_buf){at, cuts[k][i], false};
		g_chain(&tx, b, n);
		g_kick(dev, 1);
		cr_assert_eq(recv(peer, got, sizeof got, MSG_DONTWAIT), sizeof f, "cut %u", k);
		cr_assert_eq(memcmp(f, got, sizeof f), 0);
	}
}

Test(net, transmit_that_lies)
{
	static uint8_t f[70000], got[70000];
	static const struct nhdr bad[] = {
		{.flags = 1, .csum_start = 34, .csum_offset = 16}, /* CSUM was not negotiated */
		{.gso_type = 1, .gso_size = 1000},
		{.gso_type = 3, .gso_size = 1000},
		{.gso_type = 4, .gso_size = 1000},
		{.gso_type = 0x80},
		{.gso_type = 0xff},
	};
	uint16_t n = 0;

	up(F_BASE);
	make_frame(f, sizeof f, 3);
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++, n++)
		tx_frame(&bad[i], f, 100);
	tx_frame(&plain, f, 1519), n++; /* longer than the MTU */
	tx_frame(&plain, f, 13), n++;
	tx_frame(&plain, f, 66000), n++;
	struct g_buf b = {TXBUF, 11, false};

	g_chain(&tx, &b, 1), n++;
	g_kick(dev, 1);
	cr_assert_eq(g_used_idx(&tx), n, "every buffer comes back");
	cr_assert_eq(m()->tx_errors, n);
	cr_assert_eq(m()->tx_frames, 0);
	cr_assert_eq(recv(peer, got, sizeof got, MSG_DONTWAIT), -1);
	/* unknown flag bits and a num_buffers are ignored */
	tx_frame(&(struct nhdr){.flags = 0xfe, .num_buffers = 9, .csum_start = 99}, f, 100);
	cr_assert_eq(recv(peer, got, sizeof got, MSG_DONTWAIT), 100);
	tx_frame(&plain, f, 1518);
	cr_assert_eq(recv(peer, got, sizeof got, MSG_DONTWAIT), 1518);
	cr_assert_eq(g_rd(dev, 0x70), 15);
}

Test(net, rule11_wrong_direction)
{
	struct g_buf w = {TXBUF, 100, true}, r = {RXBUF, 2000, false};
	uint8_t f[100];

	up(F_BASE);
	g_chain(&tx, &w, 1);
	g_kick(dev, 1);
	cr_assert_eq(g_rd(dev, 0x70), 15 | G_S_NEEDS_RESET);
	up(F_BASE);
	g_chain(&rx, &r, 1);
	g_kick(dev, 0);
	make_frame(f, 100, 0);
	cr_assert_eq(send(peer, f, 100, 0), 100);
	events(&rx, 1, 1000);
	cr_assert_eq(g_rd(dev, 0x70), 15 | G_S_NEEDS_RESET);
}

Test(net, receive)
{
	uint8_t f[300];
	uint32_t id, len;
	struct nhdr h;

	up(F_BASE);
	rx_offer(RXBUF, 2048);
	rx_offer(RXBUF + 2048, 2048);
	g_kick(dev, 0);
	make_frame(f, sizeof f, 4);
	cr_assert_eq(send(peer, f, sizeof f, 0), sizeof f);
	events(&rx, 1, -1);
	cr_assert(g_used(&rx, &id, &len));
	cr_assert_eq(id, 0);
	cr_assert_eq(len, 12 + sizeof f, "rule 13");
	memcpy(&h, mem(RXBUF), 12);
	cr_assert_eq(h.num_buffers, 1, "rule 14");
	cr_assert_eq(h.flags, 0);
	cr_assert_eq(h.gso_type, 0);
	cr_assert_eq(memcmp(mem(RXBUF + 12), f, sizeof f), 0);
	cr_assert_eq(*(uint8_t *)mem(RXBUF + 12 + sizeof f), 0xee);
	cr_assert_eq(*(uint8_t *)mem(RXBUF + 2048), 0xee, "the next buffer was given back");
	cr_assert_eq(virtq_pending(&dev->q[0]), 1);
	cr_assert_eq(m()->rx_frames, 1);
	cr_assert_eq(m()->rx_bytes, sizeof f);
}

Test(net, rule14_header_in_a_buffer_of_its_own)
{
	struct g_buf b[] = {
		{RXBUF, 12, true}, {RXBUF + 0x100, 60, true}, {RXBUF + 0x800, 1500, true}};
	uint8_t f[1000];
	uint32_t id, len;

	up(F_BASE);
	g_chain(&rx, b, 3);
	g_kick(dev, 0);
	make_frame(f, sizeof f, 5);
	cr_assert_eq(send(peer, f, sizeof f, 0), sizeof f);
	events(&rx, 1, -1);
	cr_assert(g_used(&rx, &id, &len));
	cr_assert_eq(len, 1012);
	cr_assert_eq(((struct nhdr *)mem(RXBUF))->num_buffers, 1);
	cr_assert_eq(memcmp(mem(RXBUF + 0x100), f, 60), 0);
	cr_assert_eq(memcmp(mem(RXBUF + 0x800), f + 60, 940), 0);
}

Test(net, rule15_too_large_is_dropped_not_cut)
{
	uint8_t f[600], small[80];
	uint32_t id, len;

	up(F_BASE);
	rx_offer(RXBUF, 512);
	g_kick(dev, 0);
	make_frame(f, sizeof f, 6);
	make_frame(small, sizeof small, 7);
	cr_assert_eq(send(peer, f, 501, 0), 501);
	cr_assert_eq(send(peer, small, sizeof small, 0), sizeof small);
	events(&rx, 1, -1);
	cr_assert(g_used(&rx, &id, &len));
	cr_assert_eq(len, 92);
	cr_assert_eq(memcmp(mem(RXBUF + 12), small, sizeof small), 0);
	cr_assert_eq(m()->rx_dropped, 1);
	/* a frame that fits to the byte does fit */
	rx_offer(RXBUF, 512);
	g_kick(dev, 0);
	cr_assert_eq(send(peer, f, 500, 0), 500);
	events(&rx, 2, -1);
	cr_assert(g_used(&rx, &id, &len));
	cr_assert_eq(len, 512);
}

Test(net, rule15_mergeable_buffers)
{
	uint8_t f[1514], got[1600];
	uint32_t id, len;
	size_t at = 0;

	up(F_BASE | F_MRG);
	for (unsigned i = 0; i < 8; i++)
		rx_offer(RXBUF + 512 * i, 300);
	g_kick(dev, 0);
	make_frame(f, sizeof f, 8);
	cr_assert_eq(send(peer, f, 1400, 0), 1400);
	events(&rx, 5, -1);
	cr_assert_eq(g_used_idx(&rx), 5);
	for (unsigned i = 0; i < 5; i++) {
		cr_assert(g_used(&rx, &id, &len));
		cr_assert_eq(id, i);
		cr_assert_eq(len, i < 4 ? 300 : 212);
		memcpy(got + at, mem(RXBUF + 512 * i), len);
		at += len;
	}
	cr_assert_eq(at, 1412);
	cr_assert_eq(((struct nhdr *)(void *)got)->num_buffers, 5);
	cr_assert_eq(memcmp(got + 12, f, 1400), 0);
	/* three buffers are left: too few, the frame is dropped and they stay */
	cr_assert_eq(send(peer, f, 1400, 0), 1400);
	cr_assert_eq(send(peer, f, 100, 0), 100);
	events(&rx, 6, -1);
	cr_assert_eq(m()->rx_dropped, 1);
	cr_assert(g_used(&rx, &id, &len));
	cr_assert_eq(id, 5);
	cr_assert_eq(len, 112);
}

Test(net, rule15_empty_ring_keeps_frames_and_a_kick_resumes)
{
	uint8_t f[100];
	struct pollfd pfd;
	uint32_t id, len;

	up(F_BASE);
	make_frame(f, sizeof f, 9);
	for (unsigned i = 0; i < 5; i++)
		cr_assert_eq(send(peer, f, sizeof f, 0), sizeof f);
	cr_assert_eq(dev->ops->pollfds(dev, &pfd, 1), 1);
	cr_assert_eq(pfd.events & POLLIN, 0, "not polled while there is nowhere to put frames");
	cr_assert_eq(g_avail_event(&rx), 0, "the first buffer is announced");
	for (unsigned i = 0; i < 3; i++)
		rx_offer(RXBUF + 2048 * i, 2048);
	g_kick(dev, 0);
	cr_assert_eq(g_used_idx(&rx), 3);
	cr_assert_eq(g_avail_event(&rx), 3, "and the next one again");
	for (unsigned i = 3; i < 6; i++)
		rx_offer(RXBUF + 2048 * i, 2048);
	g_kick(dev, 0);
	cr_assert_eq(g_used_idx(&rx), 5);
	cr_assert_eq(m()->rx_dropped, 0);
	cr_assert_eq(dev->ops->pollfds(dev, &pfd, 1), 1);
	cr_assert_eq(pfd.events & POLLIN, POLLIN);
	for (unsigned i = 0; i < 5; i++)
		cr_assert(g_used(&rx, &id, &len));
}

#define SEC UINT64_C(1000000000)

/* The clock jumps to the device's next wake-up, which nothing brings forward. */
static void next_wake(void)
{
	struct pollfd pfd;

	cr_assert_gt(dev->wake_at, fake_now);
	cr_assert_lt(dev->wake_at, fake_now + 10 * SEC);
	if (dev->ops->pollfds(dev, &pfd, 1) == 1)
		cr_assert_eq(poll(&pfd, 1, 0), 0, "that would spin");
	virtio_dev_wake(dev, dev->wake_at - 1);
	virtio_dev_serve_all(dev);
	fake_now = dev->wake_at;
	virtio_dev_wake(dev, fake_now);
}

/* Frames of len bytes sent as fast as the limit lets them, for secs. */
static uint64_t tx_flood(uint32_t len, uint64_t secs)
{
	static uint8_t f[1514], got[1600];
	uint64_t end = fake_now + secs * SEC, n = 0;
	uint32_t id, used;

	make_frame(f, len, 1);
	while (fake_now < end) {
		while ((uint16_t)(tx.avail_idx - g_used_idx(&tx)) < 8)
			tx_frame(&plain, f, len);
		while (g_used(&tx, &id, &used))
			;
		while (recv(peer, got, sizeof got, MSG_DONTWAIT) == (ssize_t)len)
			n++;
		if (dev->wake_at != UINT64_MAX)
			next_wake();
	}
	return n;
}

static uint64_t rx_flood(uint32_t len, uint64_t secs)
{
	static uint8_t f[1514];
	uint64_t end = fake_now + secs * SEC, n = 0;
	struct pollfd pfd;
	uint32_t id, used;

	make_frame(f, len, 1);
	while (fake_now < end) {
		while ((uint16_t)(rx.avail_idx - g_used_idx(&rx)) < 32)
			rx_offer(RXBUF, 1600);
		g_kick(dev, 0);
		while (send(peer, f, len, MSG_DONTWAIT) == (ssize_t)len)
			;
		if (dev->ops->pollfds(dev, &pfd, 1) == 1 && poll(&pfd, 1, 0) == 1)
			dev->ops->on_event(dev, &pfd);
		while (g_used(&rx, &id, &used))
			n++;
		if (dev->wake_at != UINT64_MAX)
			next_wake();
	}
	return n;
}

Test(net, rate_of_bytes)
{
	static const uint32_t len[] = {60, 590, 1514};

	fake_now = SEC;
	up(F_BASE);
	vnet_set_limits(dev, &(struct token_bucket){20000, 0, 100}, NULL,
			&(struct token_bucket){10000, 0, 100}, NULL);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t t = tx_flood(len[i], 20) * len[i], r = rx_flood(len[i], 20) * len[i];

		cr_assert(t >= 20 * 95000 && t <= 20 * 105000, "tx of %u: %lu", len[i], t);
		cr_assert(r >= 20 * 190000 && r <= 20 * 210000, "rx of %u: %lu", len[i], r);
	}
	cr_assert_gt(m()->tx_throttled, 0);
	cr_assert_gt(m()->rx_throttled, 0);
	cr_assert_eq(m()->rx_dropped, 0);
}

Test(net, rate_of_frames)
{
	fake_now = SEC;
	up(F_BASE);
	vnet_set_limits(dev, NULL, &(struct token_bucket){50, 0, 1000}, NULL,
			&(struct token_bucket){20, 0, 100});
	uint64_t t = tx_flood(100, 30), r = rx_flood(100, 30);

	cr_assert(t >= 30 * 190 && t <= 30 * 210, "%lu", t);
	cr_assert(r >= 30 * 47 && r <= 30 * 53, "%lu", r);
}

Test(net, limits_change_while_frames_wait)
{
	uint8_t f[1000];
	struct pollfd pfd;

	fake_now = SEC;
	up(F_BASE);
	make_frame(f, sizeof f, 1);
	vnet_set_limits(dev, NULL, &(struct token_bucket){1, 0, 1000}, NULL,
			&(struct token_bucket){1, 0, 500});
	for (unsigned i = 0; i < 4; i++) {
		tx_frame(&plain, f, sizeof f);
		rx_offer(RXBUF + 2048 * i, 2048);
		cr_assert_eq(send(peer, f, sizeof f, 0), sizeof f);
	}
	g_kick(dev, 0);
	events(&rx, 1, 0);
	cr_assert_eq(g_used_idx(&rx), 1);
	cr_assert_eq(g_used_idx(&tx), 1);
	cr_assert_eq(dev->wake_at, fake_now + SEC / 2, "the earlier of both");
	fake_now += SEC / 2;
	virtio_dev_wake(dev, fake_now);
	cr_assert_eq(g_used_idx(&tx), 2);
	cr_assert_eq(g_used_idx(&rx), 1);
	cr_assert_eq(dev->ops->pollfds(dev, &pfd, 1), 1, "the socket's end is still noticed");
	cr_assert_eq(pfd.events, 0);
	vnet_set_limits(dev, NULL, &(struct token_bucket){0}, NULL, &(struct token_bucket){0});
	cr_assert_eq(g_used_idx(&tx), 4);
	cr_assert_eq(g_used_idx(&rx), 4);
	cr_assert_eq(dev->wake_at, UINT64_MAX);
}

Test(net, what_the_backend_refused_is_not_paid_for)
{
	static uint8_t f[1000];
	uint16_t sent;
	uint32_t id, used;

	fake_now = SEC;
	up(F_BASE);
	make_frame(f, sizeof f, 1);
	vnet_set_limits(dev, NULL, NULL, NULL, &(struct token_bucket){100000, 0, 1000});
	do {
		sent = g_used_idx(&tx);
		tx_frame(&plain, f, sizeof f);
		while (g_used(&tx, &id, &used))
			;
	} while (g_used_idx(&tx) != sent);
	uint64_t before = m()->tx_frames;

	for (unsigned i = 0; i < 200000; i++) /* the socket is full: more tries than tokens */
		g_kick(dev, 1);
	while (recv(peer, f, sizeof f, MSG_DONTWAIT) > 0)
		;
	g_kick(dev, 1);
	cr_assert_eq(m()->tx_frames, before + 1);
	cr_assert_eq(m()->tx_throttled, 0);
}

Test(net, a_burst_is_one_interrupt)
{
	uint8_t f[100];

	up(VIRTIO_F_VERSION_1);
	for (unsigned i = 0; i < 40; i++)
		rx_offer(RXBUF + 2048 * i, 2048);
	g_kick(dev, 0);
	make_frame(f, sizeof f, 9);
	for (unsigned i = 0; i < 40; i++)
		cr_assert_eq(send(peer, f, sizeof f, 0), sizeof f);
	irqs = 0;
	events(&rx, 40, -1);
	cr_assert_eq(g_used_idx(&rx), 40);
	cr_assert_eq(irqs, 1);
	for (unsigned i = 0; i < 40; i++) {
		struct g_buf b[] = {{TXBUF, 12, false}, {TXBUF + 0x1000, 100, false}};

		memcpy(mem(TXBUF + 0x1000), f, 100);
		g_chain(&tx, b, 2);
	}
	g_kick(dev, 1);
	cr_assert_eq(irqs, 2);
	cr_assert_eq(m()->tx_frames, 40);
}

Test(net, full_backend_keeps_frames_in_the_ring)
{
	uint8_t f[1514], got[1600];
	unsigned sent = 0, received = 0;
	struct pollfd pfd;

	up(VIRTIO_F_VERSION_1);
	make_frame(f, sizeof f, 10);
	while (!m()->tx_full && sent < 2000) {
		struct g_buf b[] = {{TXBUF, 12, false}, {TXBUF + 0x1000, sizeof f, false}};

		memcpy(mem(TXBUF + 0x1000), f, sizeof f);
		for (unsigned i = 0; i < 100; i++, sent++)
			g_chain(&tx, b, 2);
		g_kick(dev, 1);
	}
	cr_assert_gt(m()->tx_full, 0);
	cr_assert_lt(g_used_idx(&tx), sent);
	uint64_t stuck = m()->tx_full;

	cr_assert_eq(dev->ops->pollfds(dev, &pfd, 1), 1);
	cr_assert_eq(pfd.events & POLLOUT, POLLOUT);
	cr_assert_eq(poll(&pfd, 1, 0), 0, "no spinning while it is full");
	while (received < sent) {
		cr_assert_eq(recv(peer, got, sizeof got, 0), sizeof f);
		received++;
		if (dev->ops->pollfds(dev, &pfd, 1) == 1 && poll(&pfd, 1, 0) == 1)
			dev->ops->on_event(dev, &pfd);
	}
	cr_assert_eq(m()->tx_frames, sent);
	cr_assert_eq(m()->tx_errors, 0);
	cr_assert_geq(m()->tx_full, stuck);
}

Test(net, backend_that_goes_away)
{
	struct pollfd pfd;
	uint8_t f[100];
	uint32_t id, len;

	up(F_BASE | F_STATUS);
	rx_offer(RXBUF, 2048);
	g_kick(dev, 0);
	close(peer);
	cr_assert_eq(dev->ops->pollfds(dev, &pfd, 1), 1);
	cr_assert_eq(poll(&pfd, 1, -1), 1);
	dev->ops->on_event(dev, &pfd);
	cr_assert_eq(virtio_mmio_read(dev, 0x106, 2), 0, "link down");
	cr_assert_eq(g_rd(dev, 0x60) & 2, 2);
	cr_assert_eq(dev->ops->pollfds(dev, &pfd, 1), 0, "and no spinning on it");
	make_frame(f, sizeof f, 0);
	tx_frame(&plain, f, sizeof f);
	cr_assert_eq(g_used(&tx, &id, &len), false);
	cr_assert_eq(g_rd(dev, 0x70), 15);
}

Test(net, backend_that_goes_away_while_sending)
{
	uint8_t f[100];

	up(F_BASE);
	close(peer);
	make_frame(f, sizeof f, 0);
	tx_frame(&plain, f, sizeof f); /* no SIGPIPE */
	cr_assert_eq(virtio_mmio_read(dev, 0x106, 2), 0);
}

Test(net, rule3_reset)
{
	uint8_t f[100];
	struct pollfd pfd;

	up(F_BASE);
	rx_offer(RXBUF, 2048);
	g_kick(dev, 0);
	g_wr(dev, 0x70, 0);
	make_frame(f, sizeof f, 0);
	cr_assert_eq(send(peer, f, sizeof f, 0), sizeof f);
	cr_assert_eq(dev->ops->pollfds(dev, &pfd, 1), 0);
	virtio_dev_serve_all(dev);
	cr_assert_eq(g_used_idx(&rx), 0);
	cr_assert_eq(*(uint8_t *)mem(RXBUF), 0xee);
	/* what waited is received by the next driver */
	up(F_BASE);
	rx_offer(RXBUF, 2048);
	g_kick(dev, 0);
	cr_assert_eq(g_used_idx(&rx), 1);
}

Test(net, rule10_broken_rings)
{
	up(F_BASE);
	*g_avail_idx(&tx) = N + 1;
	g_kick(dev, 1);
	cr_assert_eq(g_rd(dev, 0x70), 15 | G_S_NEEDS_RESET);
	up(F_BASE);
	*g_avail_idx(&rx) = N + 1;
	g_kick(dev, 0);
	cr_assert_eq(g_rd(dev, 0x70), 15 | G_S_NEEDS_RESET);
}

Test(net, policy_is_applied_to_what_is_sent)
{
	uint8_t f[1200], got[1600];

	vnet_destroy(dev);
	int sv[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	cfg.fd = sv[0];
	peer = sv[1];
	cfg.policy.antispoof = true;
	memcpy(cfg.policy.addrs[0], "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\2", 16);
	cfg.policy.naddrs = 1;
	cfg.policy.restrict_dest = true;
	memcpy(cfg.policy.allow[0].addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16);
	cfg.policy.allow[0].prefix = 128;
	cfg.policy.allow[0].port_hi = 65535;
	cfg.policy.nallow = 1;
	create();
	up(F_BASE);
	make_frame(f, sizeof f, 0);
	memcpy(f + 12, "\x08\0\x45\0\0\x1c\0\0\0\0\x40\x11\0\0\x0a\0\0\2\x0a\0\0\1", 22);
	tx_frame(&plain, f, sizeof f);
	cr_assert_eq(recv(peer, got, sizeof got, MSG_DONTWAIT), sizeof f);
	cr_assert_eq(memcmp(f, got, sizeof f), 0);
	f[29] = 3;
	tx_frame(&plain, f, sizeof f);
	f[29] = 2, f[33] = 9;
	tx_frame(&plain, f, sizeof f);
	f[33] = 1, f[6] ^= 4;
	tx_frame(&plain, f, sizeof f);
	cr_assert_eq(recv(peer, got, sizeof got, MSG_DONTWAIT), -1);
	cr_assert_eq(m()->tx_denied_spoof, 2);
	cr_assert_eq(m()->tx_denied_dest, 1);
	cr_assert_eq(m()->tx_errors, 0);
	cr_assert_eq(g_used_idx(&tx), 4);
}

Test(net, what_cannot_be_a_backend)
{
	char err[320] = "";
	struct virtio_dev *d;
	struct net_config bad = {.id = "eth1", .backend = NET_FD, .fd = open("/dev/null", O_RDWR)};

	cr_assert_eq(vnet_create(&d, &bad, &gm, err, sizeof err), -EINVAL);
	cr_assert_not_null(strstr(err, "--net id=eth1"), "%s", err);
	bad = (struct net_config){
		.id = "eth1", .backend = NET_TAP, .tap = "a-name-that-is-too-long"};
	cr_assert_eq(vnet_create(&d, &bad, &gm, err, sizeof err), -EINVAL);
	cr_assert_not_null(strstr(err, "longer than 15"), "%s", err);
}

/* --- tap --- */

static void tap_config(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd;

	if (geteuid() || unshare(CLONE_NEWNET))
		cr_skip_test("needs root for a network namespace");
	/* the host's own multicast reports would take receive buffers */
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);
	if (fd >= 0 && write(fd, "1", 1) == 1)
		close(fd);
	fd = open("/dev/net/tun", O_RDWR);
	if (fd < 0)
		cr_skip_test("no /dev/net/tun");
	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", name);
	cr_assert_eq(ioctl(fd, TUNSETIFF, &ifr), 0);
	cr_assert_eq(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
	cfg = (struct net_config){.backend = NET_TAP, .tap = name};
}

/* To be called with the tap open: a link that gets its carrier later drops frames until the kernel
 * has noticed. */
static void tap_up(bool on)
{
	struct ifreq ifr = {.ifr_flags = on ? IFF_UP | IFF_RUNNING : 0};
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "mftest0");
	cr_assert_eq(ioctl(s, SIOCSIFFLAGS, &ifr), 0);
	close(s);
}

/* A raw socket on the tap that gives and takes frames with vnet headers, as a local stack with
 * offloads does. */
static void tap_peer(const char *name)
{
	struct sockaddr_ll sll = {.sll_family = AF_PACKET,
				  .sll_protocol = htons(0x88b5),
				  .sll_ifindex = (int)if_nametoindex(name)};
	int one = 1;

	peer = socket(AF_PACKET, SOCK_RAW, htons(0x88b5));
	cr_assert_geq(peer, 0);
	cr_assert_eq(setsockopt(peer, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one), 0);
	cr_assert_eq(bind(peer, (struct sockaddr *)&sll, sizeof sll), 0);
}

static void tap_setup(void)
{
	tap_config("mftest0");
	create();
	tap_up(true);
	tap_peer("mftest0");
}

/* A frame from the host side; h without num_buffers (10 bytes). */
static void host_send(const struct nhdr *h, const uint8_t *f, size_t len)
{
	/* segmentation goes by the address's protocol, not by the frame's */
	struct sockaddr_ll sll = {.sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex("mftest0")};
	struct iovec iov[2] = {{.iov_base = (void *)(uintptr_t)h, .iov_len = 10},
			       {.iov_base = (void *)(uintptr_t)f, .iov_len = len}};
	struct msghdr msg = {
		.msg_name = &sll, .msg_namelen = sizeof sll, .msg_iov = iov, .msg_iovlen = 2};

	memcpy(&sll.sll_protocol, f + 12, 2);
	cr_assert_eq(sendmsg(peer, &msg, 0), (ssize_t)(10 + len), "%s", strerror(errno));
}

Test(net_tap, offers_what_the_kernel_does)
{
	tap_setup();
	cr_assert_eq(dev->offered & F_OFFLOADS, F_OFFLOADS);
	/* rule 4 */
	cr_assert_eq(g_negotiate(dev, F_BASE | F_HOST_TSO4), 3);
	cr_assert_eq(g_negotiate(dev, F_BASE | F_HOST_TSO6), 3);
	cr_assert_eq(g_negotiate(dev, F_BASE | F_GUEST_TSO4 | F_CSUM), 3);
	cr_assert_eq(g_negotiate(dev, F_BASE | F_GUEST_TSO6 | F_CSUM), 3);
	cr_assert_eq(g_negotiate(dev, F_BASE | F_OFFLOADS), 11);
	destroy();
}

Test(net_tap, frames_both_ways)
{
	uint8_t f[1514], got[1600];
	uint32_t id, len;
	struct nhdr h = {0};

	tap_setup();
	up(F_BASE);
	rx_offer(RXBUF, 2048);
	g_kick(dev, 0);
	make_frame(f, sizeof f, 1);
	host_send(&h, f, sizeof f);
	events(&rx, 1, -1);
	cr_assert(g_used(&rx, &id, &len));
	cr_assert_eq(len, 12 + 1514);
	memcpy(&h, mem(RXBUF), 12);
	cr_assert_eq(h.num_buffers, 1);
	cr_assert_eq(h.flags, 0, "without GUEST_CSUM the header says nothing");
	cr_assert_eq(memcmp(mem(RXBUF + 12), f, sizeof f), 0);
	tx_frame(&plain, f, sizeof f);
	/* the packet socket sees its own frame go out first, or the guest's come in: wait for the
	 * latter */
	cr_assert_eq(recv(peer, got, sizeof got, 0), 10 + 1514);
	cr_assert_eq(memcmp(got + 10, f, sizeof f), 0);
	cr_assert_eq(m()->tx_frames, 1);
	destroy();
}

/* IPv4 TCP without options; the checksum field holds the pseudo-header sum when `partial`. */
static void make_tcp(uint8_t *f, size_t len)
{
	uint32_t sum = 0;

	make_frame(f, len, 11);
	f[12] = 8, f[13] = 0;
	memset(f + 14, 0, 40);
	f[14] = 0x45;
	f[16] = (uint8_t)((len - 14) >> 8), f[17] = (uint8_t)(len - 14);
	f[22] = 64, f[23] = 6;
	memcpy(f + 26, "\x0a\0\0\1\x0a\0\0\2", 8);
	for (unsigned i = 14; i < 34; i += 2)
		sum += (uint32_t)(f[i] << 8 | f[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~(sum + (sum >> 16)) & 0xffff;
	f[24] = (uint8_t)(sum >> 8), f[25] = (uint8_t)sum;
	f[35] = 1, f[37] = 2; /* ports */
	f[46] = 0x50, f[47] = 0x10;
	sum = 6 + (uint32_t)(len - 34);
	for (unsigned i = 26; i < 34; i += 2)
		sum += (uint32_t)(f[i] << 8 | f[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	f[50] = (uint8_t)(sum >> 8), f[51] = (uint8_t)sum;
}

static bool tcp_sum_ok(const uint8_t *f, size_t len)
{
	uint32_t sum = 6 + (uint32_t)(len - 34);

	for (size_t i = 26; i < len; i += 2)
		sum += (uint32_t)(f[i] << 8 | (i + 1 < len ? f[i + 1] : 0));
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static const struct nhdr tcp_csum = {.flags = 1, .csum_start = 34, .csum_offset = 16};
static const struct nhdr tcp_tso = {.flags = 1,
				    .gso_type = 1,
				    .hdr_len = 54,
				    .gso_size = 1460,
				    .csum_start = 34,
				    .csum_offset = 16};

Test(net_tap, checksums_are_left_to_a_driver_that_takes_them)
{
	uint8_t f[1000];
	uint32_t id, len;

	tap_setup();
	make_tcp(f, sizeof f);
	for (unsigned k = 0; k < 2; k++) {
		up(F_BASE | (k ? F_GUEST_CSUM : 0));
		rx_offer(RXBUF, 2048);
		g_kick(dev, 0);
		host_send(&tcp_csum, f, sizeof f);
		events(&rx, 1, -1);
		cr_assert(g_used(&rx, &id, &len));
		cr_assert_eq(len, 1012);
		struct nhdr h;

		memcpy(&h, mem(RXBUF), 12);
		cr_assert_eq(h.flags & 1, k, "NEEDS_CSUM only when GUEST_CSUM was negotiated");
		cr_assert_eq(tcp_sum_ok(mem(RXBUF + 12), 1000), !k,
			     "else the kernel has filled it in");
	}
	destroy();
}

Test(net_tap, segments_only_for_a_driver_that_takes_them)
{
	static uint8_t f[40000], got[41000];
	uint32_t id, len;

	tap_setup();
	make_tcp(f, sizeof f);
	/* without GUEST_TSO4 the kernel cuts */
	up(F_BASE | F_MRG | F_GUEST_CSUM);
	for (unsigned i = 0; i < 60; i++)
		rx_offer(RXBUF + 2048 * i, 2048);
	g_kick(dev, 0);
	host_send(&tcp_tso, f, sizeof f);
	events(&rx, 28, -1);
	cr_assert_eq(g_used_idx(&rx), 28);
	while (g_used(&rx, &id, &len))
		cr_assert_leq(len, 12 + 1514);
	/* with it, one frame over many buffers: first by way of the spill area, then in place */
	up(F_BASE | F_MRG | F_GUEST_CSUM | F_GUEST_TSO4);
	for (unsigned round = 0; round < 3; round++) {
		size_t at = 0;
		uint16_t before = g_used_idx(&rx);

		for (unsigned i = 0; i < 21; i++)
			rx_offer(RXBUF + 2048 * i, 2048);
		g_kick(dev, 0);
		host_send(&tcp_tso, f, sizeof f);
		events(&rx, (uint16_t)(before + 20), -1);
		cr_assert_eq(g_used_idx(&rx), before + 20, "round %u", round);
		while (g_used(&rx, &id, &len)) {
			memcpy(got + at, mem(g_desc(&rx, id)->addr), len);
			at += len;
		}
		struct nhdr *h = (struct nhdr *)(void *)got;

		cr_assert_eq(at, 12 + sizeof f);
		cr_assert_eq(h->num_buffers, 20);
		cr_assert_eq(h->gso_type, 1);
		cr_assert_eq(h->gso_size, 1460);
		cr_assert_eq(memcmp(got + 12, f, sizeof f), 0, "round %u", round);
	}
	destroy();
}

static int tap_fd(void)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR);

	snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "mftest0");
	cr_assert_eq(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

Test(net_tap, reset_takes_the_offloads_back)
{
	uint8_t f[1000], got[1100];

	tap_config("mftest0");
	cfg = (struct net_config){.backend = NET_FD, .fd = tap_fd()};
	create();
	tap_up(true);
	tap_peer("mftest0");
	make_tcp(f, sizeof f);
	up(F_BASE | F_GUEST_CSUM);
	/* what does a reader of the tap get? with the driver, and after it */
	for (unsigned k = 0; k < 2; k++) {
		host_send(&tcp_csum, f, sizeof f);
		cr_assert_eq(read(cfg.fd, got, sizeof got), 1012);
		cr_assert_eq(got[0] & 1, !k);
		cr_assert_eq(tcp_sum_ok(got + 12, 1000), k);
		g_wr(dev, 0x70, 0);
	}
	destroy();
}

Test(net_tap, transmit_offloads)
{
	static uint8_t f[30000], got[40000];

	tap_config("mftest0");
	create();
	tap_up(true);
	/* what leaves the tap towards the host's stack, whole */
	struct sockaddr_ll sll = {.sll_family = AF_PACKET,
				  .sll_protocol = htons(0x800),
				  .sll_ifindex = (int)if_nametoindex("mftest0")};
	int one = 1;

	peer = socket(AF_PACKET, SOCK_RAW, htons(0x800));
	cr_assert_eq(setsockopt(peer, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one), 0);
	cr_assert_eq(bind(peer, (struct sockaddr *)&sll, sizeof sll), 0);
	up(F_BASE | F_OFFLOADS | F_MRG);
	make_tcp(f, sizeof f);
	tx_frame(&tcp_tso, f, sizeof f);
	cr_assert_eq(recv(peer, got, sizeof got, 0), 10 + sizeof f);
	cr_assert_eq(got[1], 1, "the kernel saw a TSO frame");
	tx_frame(&tcp_csum, f, 1000);
	cr_assert_eq(recv(peer, got, sizeof got, 0), 1010);
	cr_assert_eq(got[0] & 1, 1);
	cr_assert_eq(m()->tx_frames, 2);
	/* headers that lie about the frame */
	static const struct nhdr bad[] = {
		{.flags = 1, .csum_start = 999, .csum_offset = 0},
		{.flags = 1, .csum_start = 34, .csum_offset = 965},
		{.flags = 1, .csum_start = 65535, .csum_offset = 65535},
		{.flags = 0, .gso_type = 1, .gso_size = 500},
		{.flags = 1, .gso_type = 1, .gso_size = 0, .csum_start = 34, .csum_offset = 16},
		{.flags = 1,
		 .gso_type = 1,
		 .gso_size = 500,
		 .hdr_len = 1001,
		 .csum_start = 34,
		 .csum_offset = 16},
		{.flags = 1,
		 .gso_type = 0x81,
		 .gso_size = 500,
		 .csum_start = 34,
		 .csum_offset = 16},
		{.flags = 1, .gso_type = 3, .gso_size = 500, .csum_start = 34, .csum_offset = 16},
		{.flags = 1, .gso_type = 5, .gso_size = 500, .csum_start = 34, .csum_offset = 16},
	};

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		tx_frame(&bad[i], f, 1000);
		cr_assert_eq(m()->tx_errors, i + 1, "case %u", i);
	}
	/* TSO that was not negotiated */
	up(F_BASE | F_CSUM);
	tx_frame(&tcp_tso, f, 1000);
	cr_assert_eq(m()->tx_frames, 2);
	cr_assert_eq(recv(peer, got, sizeof got, MSG_DONTWAIT), -1);
	destroy();
}

Test(net_tap, interface_that_is_down)
{
	uint8_t f[100];

	tap_setup();
	tap_up(false);
	up(F_BASE);
	make_frame(f, sizeof f, 0);
	tx_frame(&plain, f, sizeof f);
	tx_frame(&plain, f, sizeof f);
	cr_assert_eq(g_used_idx(&tx), 2, "dropped, counted");
	cr_assert_eq(m()->tx_errors, 2);
	cr_assert_eq(g_rd(dev, 0x70), 15);
	destroy();
}

Test(net_tap, errors_say_what_to_do)
{
	char err[320] = "";
	struct virtio_dev *d;

	tap_config("mftest0");
	struct net_config none = {.id = "eth0", .backend = NET_TAP, .tap = "mfnone"};

	cr_assert_eq(vnet_create(&d, &none, &gm, err, sizeof err), -ENODEV);
	cr_assert_not_null(strstr(err, "ip tuntap add mfnone mode tap"), "%s", err);
	cr_assert_eq(if_nametoindex("mfnone"), 0, "and it was not created by asking");
	create();
	cr_assert_eq(vnet_create(&d, &cfg, &gm, err, sizeof err), -EBUSY);
	cr_assert_not_null(strstr(err, "in use"), "%s", err);
	destroy();
}

Test(net_tap, handed_over_descriptor)
{
	uint8_t f[200], got[400];
	int fd;

	tap_config("mftest0");
	fd = tap_fd();
	cfg = (struct net_config){.backend = NET_FD, .fd = fd};
	create();
	cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	tap_up(true);
	tap_peer("mftest0");
	cr_assert_eq(dev->offered & F_OFFLOADS, F_OFFLOADS);
	up(F_BASE);
	make_frame(f, sizeof f, 1);
	tx_frame(&plain, f, sizeof f);
	cr_assert_eq(recv(peer, got, sizeof got, 0), 10 + sizeof f);
	destroy();
}

/* --- user mode --- */

/* The helper is searched for beside this program, then in PATH: put the build's bin folder there.
 */
static void user_config(void)
{
	char exe[512], path[1200];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

	cr_assert_gt(n, 0);
	exe[n] = 0;
	*strrchr(exe, '/') = 0;
	snprintf(path, sizeof path, "%s/../bin:%s", exe, getenv("PATH"));
	setenv("PATH", path, 1);
	cfg = (struct net_config){.backend = NET_USER};
}

static uint16_t rx_at;

/* Next frame for the guest for which want() is true; where it lies. Others are dropped. */
static uint8_t *user_recv(bool (*want)(const uint8_t *f, uint32_t len), uint32_t *ret_len)
{
	for (;;) {
		uint32_t id, len;

		while (!g_used(&rx, &id, &len)) {
			struct pollfd pfd;

			cr_assert_eq(dev->ops->pollfds(dev, &pfd, 1), 1);
			cr_assert_eq(poll(&pfd, 1, -1), 1);
			dev->ops->on_event(dev, &pfd);
		}
		uint8_t *f = (uint8_t *)mem(g_desc(&rx, id)->addr) + 12;

		rx_offer(RXBUF + 0x80000 + 2048u * (rx_at++ % 64), 2048);
		g_kick(dev, 0);
		if (want(f, len - 12)) {
			*ret_len = len - 12;
			return f;
		}
	}
}

static bool is_arp(const uint8_t *f, uint32_t len)
{
	return len >= 42 && f[12] == 8 && f[13] == 6;
}

static bool is_dhcp(const uint8_t *f, uint32_t len)
{
	return len > 282 && f[12] == 8 && f[13] == 0 && f[23] == 17 && f[37] == 68;
}

static bool is_tcp(const uint8_t *f, uint32_t len)
{
	return len >= 54 && f[12] == 8 && f[13] == 0 && f[23] == 6;
}

static bool is_arp_or_tcp(const uint8_t *f, uint32_t len)
{
	return is_arp(f, len) || is_tcp(f, len);
}

static bool is_tcp_data(const uint8_t *f, uint32_t len)
{
	return is_tcp(f, len) && (f[16] << 8 | f[17]) > 20 + (f[46] >> 4) * 4;
}

static void ip_sum(uint8_t *ip)
{
	uint32_t sum = 0;

	ip[10] = ip[11] = 0;
	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~(sum + (sum >> 16)) & 0xffff;
	ip[10] = (uint8_t)(sum >> 8), ip[11] = (uint8_t)sum;
}

static void user_up(void)
{
	create();
	up(F_BASE);
	for (unsigned i = 0; i < 64; i++)
		rx_offer(RXBUF + 2048 * i, 2048);
	g_kick(dev, 0);
}

static void arp_reply(const uint8_t *req)
{
	uint8_t f[60] = {0};

	memcpy(f, req + 6, 6);
	memcpy(f + 6, mac, 6);
	memcpy(f + 12, req + 12, 8);
	f[21] = 2;
	memcpy(f + 22, mac, 6);
	memcpy(f + 28, req + 38, 4);
	memcpy(f + 32, req + 22, 10);
	tx_frame(&plain, f, sizeof f);
}

static void dhcp_discover(void)
{
	uint8_t f[342] = {0};

	memset(f, 0xff, 6);
	memcpy(f + 6, mac, 6);
	f[12] = 8;
	f[14] = 0x45;
	f[16] = 328 >> 8, f[17] = 328 & 255;
	f[22] = 64, f[23] = 17;
	memset(f + 30, 0xff, 4);
	ip_sum(f + 14);
	f[35] = 68, f[37] = 67;
	f[38] = 308 >> 8, f[39] = 308 & 255;
	f[42] = 1, f[43] = 1, f[44] = 6;
	memcpy(f + 46, "\x12\x34\x56\x78", 4);
	memcpy(f + 70, mac, 6);
	memcpy(f + 278, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
	tx_frame(&plain, f, sizeof f);
}

Test(net_user, dhcp_and_arp)
{
	uint8_t arp[60] = {0};
	uint32_t len;

	user_config();
	user_up();
	cr_assert_eq(dev->offered & F_OFFLOADS, 0);
	dhcp_discover();
	uint8_t *f = user_recv(is_dhcp, &len);

	cr_assert_eq(memcmp(f + 46, "\x12\x34\x56\x78", 4), 0);
	cr_assert_eq(memcmp(f + 58, "\x0a\x00\x02\x0f", 4), 0, "10.0.2.15 is offered");
	memset(arp, 0xff, 6);
	memcpy(arp + 6, mac, 6);
	memcpy(arp + 12, "\x08\x06\0\1\x08\0\6\4\0\1", 10);
	memcpy(arp + 22, mac, 6);
	memcpy(arp + 28, "\x0a\0\2\x0f", 4);
	memcpy(arp + 38, "\x0a\0\2\2", 4);
	tx_frame(&plain, arp, sizeof arp);
	f = user_recv(is_arp, &len);
	cr_assert_eq(f[21], 2);
	cr_assert_eq(memcmp(f + 28, "\x0a\0\2\2", 4), 0, "the gateway answers");
	destroy();
}

static void tcp_reply(const uint8_t *in, uint8_t flags, uint32_t ack_add)
{
	uint8_t f[60] = {0};
	uint32_t seq = (uint32_t)in[38] << 24 | (uint32_t)in[39] << 16 | (uint32_t)in[40] << 8 |
		       in[41],
		 sum = 6 + 20;

	memcpy(f, in + 6, 6);
	memcpy(f + 6, mac, 6);
	f[12] = 8, f[14] = 0x45, f[17] = 40, f[22] = 64, f[23] = 6;
	memcpy(f + 26, in + 30, 4);
	memcpy(f + 30, in + 26, 4);
	ip_sum(f + 14);
	memcpy(f + 34, in + 36, 2);
	memcpy(f + 36, in + 34, 2);
	if (!(flags & 2))
		memcpy(f + 38, in + 42, 4);
	seq += ack_add;
	f[42] = (uint8_t)(seq >> 24), f[43] = (uint8_t)(seq >> 16), f[44] = (uint8_t)(seq >> 8),
	f[45] = (uint8_t)seq;
	f[46] = 0x50, f[47] = flags, f[48] = 0x40;
	for (unsigned i = 26; i < 54; i += 2)
		sum += (uint32_t)(f[i] << 8 | f[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	f[50] = (uint8_t)(sum >> 8), f[51] = (uint8_t)sum;
	tx_frame(&plain, f, sizeof f);
}

static uint16_t free_port(int *ret_fd, int type)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof sin;
	int s = socket(AF_INET, type, 0);

	cr_assert_eq(bind(s, (struct sockaddr *)&sin, sizeof sin), 0);
	cr_assert_eq(getsockname(s, (struct sockaddr *)&sin, &len), 0);
	if (ret_fd)
		*ret_fd = s;
	else
		close(s);
	return ntohs(sin.sin_port);
}

Test(net_user, forwarded_tcp_connection)
{
	uint16_t port = free_port(NULL, SOCK_STREAM);
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	uint32_t len;
	int s;

	user_config();
	cfg.fwd[0] =
		(struct net_fwd){.host_addr = INADDR_LOOPBACK, .host_port = port, .guest_port = 80};
	cfg.nfwd = 1;
	user_up();
	/* the helper learns our address from the first frame it sees, as it does from a guest's
	 * DHCP */
	dhcp_discover();
	user_recv(is_dhcp, &len);
	s = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(connect(s, (struct sockaddr *)&sin, sizeof sin), 0, "%s", strerror(errno));
	cr_assert_eq(write(s, "hello", 5), 5);
	uint8_t *f = user_recv(is_arp_or_tcp, &len);

	if (is_arp(f, len)) {
		cr_assert_eq(memcmp(f + 38, "\x0a\0\2\x0f", 4), 0, "who has 10.0.2.15?");
		arp_reply(f);
		f = user_recv(is_tcp, &len);
	}
	cr_assert_eq(f[47] & 0x3f, 2, "SYN");
	cr_assert_eq(f[37], 80);
	tcp_reply(f, 0x12, 1);
	f = user_recv(is_tcp_data, &len);
	cr_assert_eq(memcmp(f + 34 + (f[46] >> 4) * 4, "hello", 5), 0);
	close(s);
	destroy();
}

Test(net_user, port_in_use)
{
	char err[320] = "", want[64];
	int s;
	uint16_t port = free_port(&s, SOCK_STREAM);

	cr_assert_eq(listen(s, 1), 0);
	user_config();
	cfg.id = "eth0";
	cfg.fwd[0] =
		(struct net_fwd){.host_addr = INADDR_LOOPBACK, .host_port = port, .guest_port = 80};
	cfg.nfwd = 1;
	gm = g_ram(1u << 22);
	cr_assert_eq(vnet_create(&dev, &cfg, &gm, err, sizeof err), 0, "%s", err);
	cr_assert_eq(vnet_wait_ready(dev, err, sizeof err), -EADDRINUSE);
	snprintf(want, sizeof want, "port %u on 127.0.0.1 is in use", port);
	cr_assert_not_null(strstr(err, want), "%s", err);
	cr_assert_not_null(strstr(err, "fwd=PORT:80"), "%s", err);
	destroy();
	cr_assert_eq(waitpid(-1, NULL, 0), -1, "no helper is left behind");
}

Test(net_user, helper_that_is_missing)
{
	char err[320] = "";

	setenv("PATH", "/nonexistent", 1);
	cfg = (struct net_config){.backend = NET_USER, .id = "eth0"};
	cr_assert_eq(vnet_create(&dev, &cfg, &gm, err, sizeof err), -ENOENT);
	cr_assert_not_null(strstr(err, "mayfly-usernet"), "%s", err);
}

Test(net_user, helper_that_is_killed)
{
	char path[64];
	int pid = 0;

	user_config();
	user_up();
	snprintf(path, sizeof path, "/proc/self/task/%d/children", gettid());
	FILE *p = fopen(path, "r");

	if (!p || fscanf(p, "%d", &pid) != 1)
		cr_skip_test("/proc does not list children here");
	fclose(p);
	cr_assert_eq(kill(pid, SIGKILL), 0);
	while (virtio_mmio_read(dev, 0x106, 2)) {
		struct pollfd pfd;

		cr_assert_eq(dev->ops->pollfds(dev, &pfd, 1), 1);
		cr_assert_eq(poll(&pfd, 1, -1), 1);
		dev->ops->on_event(dev, &pfd);
	}
	destroy();
	cr_assert_eq(waitpid(-1, NULL, 0), -1, "it was collected");
}

Test(net_user, helper_ends_with_its_monitor)
{
	char path[64];
	int pid = 0, status, pidfd[2];
	pid_t child;

	user_config();
	cr_assert_eq(pipe(pidfd), 0);
	child = fork();
	if (!child) {
		user_up();
		snprintf(path, sizeof path, "/proc/self/task/%d/children", gettid());
		FILE *p = fopen(path, "r");

		if (p && fscanf(p, "%d", &pid) != 1)
			pid = 0;
		_exit(write(pidfd[1], &pid, sizeof pid) != sizeof pid);
	}
	close(pidfd[1]);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(read(pidfd[0], &pid, sizeof pid), (ssize_t)sizeof pid);
	if (!pid)
		cr_skip_test("/proc does not list children here");
	/* gone, or about to be: the suite's deadline is the bound */
	while (kill(pid, 0) == 0 || errno != ESRCH) {
		snprintf(path, sizeof path, "/proc/%d/stat", pid);
		FILE *p = fopen(path, "r");
		char state = 'X';

		if (p && fscanf(p, "%*d %*s %c", &state) != 1)
			state = 'X';
		if (p)
			fclose(p);
		if (state == 'Z' || state == 'X')
			break;
		sched_yield();
	}
}
