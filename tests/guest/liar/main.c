/* SPDX-License-Identifier: MIT
 *
 * liar: a guest that breaks the rules of virtio.md one by one, on a block device and on a NIC, and
 * checks after each lie that the lie was answered as the specification says, that the device works
 * again after a reset, and that the other device never noticed. The monitor must survive all of it.
 * Needs a disk whose sector 0 starts with "MAYFLYBLK" and a network that answers ARP for the
 * address in argv[1] (default 10.0.2.2). Exit status: the number of failures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/platform.h"
#include "raw.h"

static unsigned failures;

static void check(const char *dev, const struct lie *lie)
{
	const char *why = lie->tell();

	if (!why && !blk_honest())
		why = "the block device no longer works";
	if (!why && !net_honest())
		why = "the network device no longer works";
	printf("%s %s: %s%s%s\n", why ? "FAIL" : "ok", dev, lie->name, why ? ": " : "",
	       why ? why : "");
	failures += !!why;
}

extern unsigned char target_ip[4];

int main(int argc, char *argv[])
{
	unsigned a, b, c, d;

	if (argc > 1 && sscanf(argv[1], "%u.%u.%u.%u", &a, &b, &c, &d) == 4) {
		target_ip[0] = (unsigned char)a;
		target_ip[1] = (unsigned char)b;
		target_ip[2] = (unsigned char)c;
		target_ip[3] = (unsigned char)d;
	}
	for (unsigned i = 0; i < uk__boot->ndevs; i++) {
		struct raw probe = {.va = uk__boot->dev[i].va};
		uint32_t id = raw_r32(&probe, 8);

		if (id == 2 && !blk.va)
			blk.va = probe.va;
		if (id == 1 && !net.va)
			net.va = probe.va;
	}
	if (!blk.va || !net.va) {
		puts("FAIL: needs a block device and a NIC");
		return 100;
	}
	if (!blk_honest()) {
		puts("FAIL: the block device does not work before any lie");
		return 101;
	}
	if (!net_honest()) {
		puts("FAIL: the NIC does not work before any lie");
		return 102;
	}
	for (const struct lie *l = blk_lies; l->name; l++)
		check("blk", l);
	for (const struct lie *l = net_lies; l->name; l++)
		check("net", l);
	puts(failures ? "FAIL" : "PASS");
	return (int)failures;
}
