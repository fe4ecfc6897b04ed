/* SPDX-License-Identifier: MIT
 *
 * fuzz_net.c: the network device on a packet socket; the program's host events send frames to it.
 * One device has a policy, one has none.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "monitor/config.h"
#include "monitor/virtio/net.h"
#include "tests/fuzz/guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gmem gm;
static struct virtio_dev *dev[2];
static int peers[2], peer;

static void irq(void *arg)
{
	(void)arg;
}

static void setup(void)
{
	static struct net_config cfg[2];
	char err[320];

	gm = fuzz_ram();
	for (unsigned i = 0; i < 2; i++) {
		int sv[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
			abort();
		peers[i] = sv[1];
		cfg[i] = (struct net_config){
			.id = "eth0", .backend = NET_FD, .fd = sv[0], .has_mac = true};
		if (i) {
			/* MAC and addresses of zeroes: what fresh RAM is full of */
			cfg[i].policy.antispoof = cfg[i].policy.restrict_dest = true;
			cfg[i].policy.naddrs = 2;
			cfg[i].policy.addrs[0][10] = cfg[i].policy.addrs[0][11] = 0xff;
			cfg[i].policy.nallow = 1;
			cfg[i].policy.allow[0].port_hi = 65535;
		}
		if (vnet_create(&dev[i], &cfg[i], &gm, err, sizeof err))
			abort();
		dev[i]->irq = irq;
	}
}

static void host(struct fuzz_in *in)
{
	static uint8_t frame[2048];
	size_t len = 1 + fuzz_take(in, 2) % (sizeof frame - 1);

	send(peer, frame, len, MSG_DONTWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {.p = data, .n = size};
	unsigned policy = fuzz_take(&in, 1) & 1;
	static uint8_t frame[1 << 17];
	ssize_t n;

	if (!dev[0])
		setup();
	peer = peers[policy];
	fuzz_run(dev[policy], &gm, &in, host);
	while ((n = recv(peer, frame, sizeof frame, MSG_DONTWAIT)) > 0) {
		if (n < 14 || n > 1518)
			abort();
	}
	return 0;
}
