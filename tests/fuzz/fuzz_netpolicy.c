/* SPDX-License-Identifier: MIT
 *
 * fuzz_netpolicy.c: the policy on frames that are all input, in a buffer of exactly their size.
 */
#include <stdlib.h>
#include <string.h>

#include "monitor/config.h"
#include "monitor/virtio/netpolicy.h"
#include "tests/fuzz/guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t mac[6] = {2, 0, 0, 1, 2, 3};
	struct fuzz_in in = {.p = data, .n = size};
	struct net_policy pol = {.naddrs = 2, .nallow = 2};
	unsigned mode = (unsigned)fuzz_take(&in, 1);
	struct netpolicy_frame f = {.csum = mode & 4,
				    .csum_start = (uint16_t)fuzz_take(&in, 1),
				    .csum_offset = (uint16_t)fuzz_take(&in, 1)};
	uint8_t *copy;

	pol.antispoof = mode & 1;
	pol.restrict_dest = mode & 2;
	memcpy(pol.addrs[0], "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\2", 16);
	memcpy(pol.addrs[1], "\x20\1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\2", 16);
	memcpy(pol.allow[0].addr, pol.addrs[0], 16);
	pol.allow[0].prefix = 120;
	pol.allow[0].port_hi = 65535;
	pol.allow[1].proto = 17;
	pol.allow[1].port_lo = pol.allow[1].port_hi = 53;
	f.have = in.n < NETPOLICY_HEAD ? in.n : NETPOLICY_HEAD;
	copy = malloc(f.have ? f.have : 1);
	if (!copy)
		return 0;
	memcpy(copy, in.p, f.have);
	f.p = copy;
	/* a frame of another's MAC never passes anti-spoofing, whatever else is in it */
	if (netpolicy_check(&pol, mac, &f) == NETPOLICY_PASS && pol.antispoof &&
	    (f.have < 14 || memcmp(copy + 6, mac, 6)))
		abort();
	free(copy);
	return 0;
}
