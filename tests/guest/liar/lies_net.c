/* SPDX-License-Identifier: MIT
 *
 * lies_net.c: lies told to the NIC. Its honest request is an ARP question that the other end must
 * answer.
 */
#include <string.h>

#include "core/platform.h"
#include "raw.h"

#define VF_VERSION_1  (UINT64_C(1) << 32)
#define VF_MAC	      (UINT64_C(1) << 5)
#define VF_HOST_TSO4  (UINT64_C(1) << 11)
#define VF_GUEST_TSO4 (UINT64_C(1) << 7)
#define HDR	      12

unsigned char target_ip[4] = {10, 0, 2, 2};
static const uint8_t my_ip[4] = {10, 0, 2, 15};
static uint8_t tx[2048], rx[8][2048];

static unsigned arp(void)
{
	uint8_t *f = tx + HDR, mac[6];

	memset(tx, 0, sizeof tx);
	for (unsigned i = 0; i < 6; i++)
		mac[i] = *(volatile uint8_t *)(net.va + 0x100 + i);
	memset(f, 0xff, 6);
	memcpy(f + 6, mac, 6);
	memcpy(f + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
	memcpy(f + 22, mac, 6);
	memcpy(f + 28, my_ip, 4);
	memcpy(f + 38, target_ip, 4);
	return HDR + 60;
}

static void fill_rx(uint32_t len)
{
	struct ring *r = net.ring[0];

	for (unsigned i = 0; i < 8; i++) {
		raw_desc(&net, 0, i, rx[i], len, F_WRITE, 0);
		r->avail[i] = (uint16_t)i;
	}
	__atomic_store_n(&r->avail_idx, 8, __ATOMIC_RELEASE);
	raw_notify(&net, 0);
}

static bool send_len(uint32_t len)
{
	uint16_t old = net.ring[1]->used_idx;

	raw_desc(&net, 1, 0, tx, len, 0, 0);
	raw_post(&net, 1, 0);
	return raw_wait(&net, 1, old);
}

/* An ARP reply from the target among what was received, bounded. */
static bool answered(void)
{
	uint16_t seen = 0;

	for (unsigned tries = 0; tries < 8; tries++) {
		if (!raw_wait(&net, 0, seen))
			return false;
		for (; seen != net.ring[0]->used_idx; seen++) {
			const struct used_elem *u = &net.ring[0]->used[seen % RING];
			const uint8_t *f = rx[u->id % 8] + HDR;

			if (u->len >= HDR + 42 && f[12] == 8 && f[13] == 6 && f[21] == 2 &&
			    !memcmp(f + 28, target_ip, 4))
				return true;
		}
	}
	return false;
}

bool net_honest(void)
{
	net.features = VF_VERSION_1 | VF_MAC;
	if (!raw_setup(&net))
		return false;
	fill_rx(sizeof rx[0]);
	return send_len(arp()) && answered();
}

static const char *tso_without_csum(void)
{
	uint32_t low;

	raw_w32(&net, 0x70, 0);
	raw_w32(&net, 0x14, 0);
	low = raw_r32(&net, 0x10);
	if (!(low & VF_HOST_TSO4))
		return raw_negotiate(&net, VF_VERSION_1 | VF_HOST_TSO4)
			       ? "accepted TSO that was not offered"
			       : NULL;
	if (raw_negotiate(&net, VF_VERSION_1 | VF_HOST_TSO4))
		return "accepted HOST_TSO4 without CSUM";
	return raw_negotiate(&net, VF_VERSION_1 | VF_GUEST_TSO4)
		       ? "accepted GUEST_TSO4 without GUEST_CSUM"
		       : NULL;
}

static const char *tx_shorter_than_header(void)
{
	raw_setup(&net);
	arp();
	for (uint32_t len = 1; len <= HDR + 13; len++)
		if (!send_len(len) && !raw_broken(&net))
			return "a short frame was never given back";
	return NULL;
}

static const char *tx_header_alone(void)
{
	uint16_t old;
	uint32_t len;

	raw_setup(&net);
	fill_rx(sizeof rx[0]);
	len = arp();
	old = net.ring[1]->used_idx;
	raw_desc(&net, 1, 0, tx, HDR, F_NEXT, 1);
	raw_desc(&net, 1, 1, tx + HDR, len - HDR, 0, 0);
	raw_post(&net, 1, 0);
	return raw_wait(&net, 1, old) && answered()
		       ? NULL
		       : "a header in its own descriptor was not understood";
}

static const char *tx_lying_header(void)
{
	raw_setup(&net);
	for (unsigned i = 0; i < HDR; i++) {
		uint32_t len = arp();

		memset(tx, 0xff, i + 1);
		if (!send_len(len) && !raw_broken(&net))
			return "a frame with a lying header was never given back";
		if (raw_broken(&net))
			raw_setup(&net);
	}
	return NULL;
}

static const char *rx_too_small(void)
{
	raw_setup(&net);
	memset(rx, 0x5a, sizeof rx);
	fill_rx(20);
	send_len(arp());
	for (unsigned i = 0; i < 20; i++)
		raw_let_host_look();
	for (unsigned i = 0; i < 8; i++)
		for (unsigned k = 20; k < sizeof rx[0]; k++)
			if (rx[i][k] != 0x5a)
				return "written behind the buffer";
	return NULL;
}

static const char *rx_readable(void)
{
	raw_setup(&net);
	fill_rx(sizeof rx[0]);
	for (unsigned i = 0; i < 8; i++)
		net.ring[0]->desc[i].flags = 0;
	raw_notify(&net, 0);
	memset(rx, 0x5a, sizeof rx);
	send_len(arp());
	for (unsigned i = 0; i < 20; i++)
		raw_let_host_look();
	for (unsigned i = 0; i < 8; i++)
		if (rx[i][HDR] != 0x5a)
			return "written into a read-only buffer";
	return NULL;
}

static const char *tx_writable(void)
{
	raw_setup(&net);
	raw_desc(&net, 1, 0, tx, arp(), F_WRITE, 0);
	raw_post(&net, 1, 0);
	raw_let_host_look();
	return NULL;
}

static const char *huge_frame(void)
{
	static uint8_t big[70000];

	raw_setup(&net);
	raw_desc(&net, 1, 0, big, sizeof big, 0, 0);
	uint16_t old = net.ring[1]->used_idx;
	raw_post(&net, 1, 0);
	return raw_wait(&net, 1, old) || raw_broken(&net) ? NULL
							  : "a huge frame was never given back";
}

static const char *rx_loop(void)
{
	raw_setup(&net);
	fill_rx(sizeof rx[0]);
	for (unsigned i = 0; i < 8; i++) {
		net.ring[0]->desc[i].flags = F_WRITE | F_NEXT;
		net.ring[0]->desc[i].next = (uint16_t)i;
	}
	send_len(arp());
	raw_let_host_look();
	return NULL;
}

const struct lie net_lies[] = {
	{"4 TSO without checksums", tso_without_csum},
	{"14 frame shorter than its header", tx_shorter_than_header},
	{"14 header in its own descriptor", tx_header_alone},
	{"15 receive buffers of 20 bytes", rx_too_small},
	{"16 header that claims what was not negotiated", tx_lying_header},
	{"11 receive buffers that are readable", rx_readable},
	{"11 transmit buffer that is writable", tx_writable},
	{"15 frame of 70,000 bytes", huge_frame},
	{"10 receive chain that loops", rx_loop},
	{0},
};
