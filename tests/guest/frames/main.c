/* SPDX-License-Identifier: MIT
 *
 * frames: sends what a disk says as Ethernet frames, byte for byte, past the library OS's network
 * stack. policy.py makes the disk: slots of SLOT bytes, each a struct slot and the frame; a length
 * of 0 ends the list. A guest that lies needs no more than this. Exit status 0: the device took all
 * of them.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../liar/raw.h"
#include "core/platform.h"

#define SLOT	       2048
#define VF_CSUM	       UINT64_C(1)
#define VF_VERSION_1   (UINT64_C(1) << 32)
#define HDR_NEEDS_CSUM 1

struct slot {
	uint16_t len, csum, csum_start, csum_offset;
	uint8_t frame[SLOT - 8];
};

struct tx {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
	uint8_t frame[SLOT - 8];
};

static bool send_frame(const struct slot *s)
{
	static struct tx tx;
	uint16_t old = net.ring[1]->used_idx;

	memset(&tx, 0, sizeof tx);
	tx.flags = s->csum ? HDR_NEEDS_CSUM : 0;
	tx.csum_start = s->csum_start;
	tx.csum_offset = s->csum_offset;
	memcpy(tx.frame, s->frame, s->len);
	raw_desc(&net, 1, 0, &tx, (uint32_t)(sizeof tx - sizeof tx.frame) + s->len, 0, 0);
	raw_post(&net, 1, 0);
	return raw_wait(&net, 1, old);
}

static int find_net(void)
{
	for (unsigned i = 0; i < uk__boot->ndevs; i++) {
		struct raw probe = {.va = uk__boot->dev[i].va};

		if (raw_r32(&probe, 8) == 1) {
			net.va = probe.va;
			net.features = VF_VERSION_1 | VF_CSUM;
			return raw_setup(&net) ? 0 : -1;
		}
	}
	return -1;
}

int main(void)
{
	static struct slot s;
	int fd = open("/dev/vda", O_RDONLY), n = 0;

	if (fd < 0 || find_net()) {
		puts("FAIL: needs a disk and a NIC with checksum offload");
		return 1;
	}
	for (; read(fd, &s, sizeof s) == sizeof s && s.len; n++) {
		if (s.len > sizeof s.frame || !send_frame(&s)) {
			printf("FAIL: frame %d\n", n);
			return 1;
		}
	}
	printf("sent %d\n", n);
	return 0;
}
