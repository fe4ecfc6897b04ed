/* SPDX-License-Identifier: MIT
 *
 * filter_file.h: compiled policies in a file, as `mayfly-seccomp compile` writes them and
 * --seccomp-policy reads them. The file may be anybody's: every count, name, jump and return value
 * is judged; what passes can still be a foolish policy, but no invalid one. Little endian, packed:
 *
 *   filter_file_head; per policy: name[24], uint32 blocks; per block: feature[24], uint16
 *   insns, fixups, slots, calls, frees; slots of name[24]; uint16 calls; frees; fixups;
 *   instructions
 */
#ifndef LIB_FILTER_FILE_H
#define LIB_FILTER_FILE_H

#include "lib/errtext.h"
#include "lib/filter.h"

#define FILTER_FILE_MAGIC    "MAYFSEC3"
#define FILTER_FILE_POLICIES 8
#define FILTER_FILE_MAX	     (64u << 10)

struct filter_file_head {
	char magic[8];
	uint32_t npolicies;
};

/* Points into itself. */
struct filter_file {
	struct filter_policy policies[FILTER_FILE_POLICIES];
	unsigned npolicies, nblocks, nslots, nfixups, ninsns, ncalls, nfrees;
	char names[FILTER_FILE_POLICIES + 2 * FILTER_BLOCKS + FILTER_BLOCKS * FILTER_SLOTS]
		  [FILTER_NAME];
	unsigned nnames;
	struct filter_block blocks[FILTER_BLOCKS];
	const char *slots[FILTER_BLOCKS * FILTER_SLOTS];
	struct filter_fixup fixups[1024];
	uint16_t calls[1024];
	struct filter_free frees[1024];
	struct sock_filter insns[FILTER_FILE_MAX / sizeof(struct sock_filter)];
};

/* 0, or -EINVAL with what is wrong in err. */
int filter_file_parse(struct filter_file *ret_f, const void *data, size_t len, struct errtext *err);
/* Read and parse a regular file that only its owner can write. 0 or -errno with a text. */
int filter_file_read(struct filter_file *ret_f, const char *path, struct errtext *err);
/* NULL when the file has no policy of that name. */
const struct filter_policy *filter_file_find(const struct filter_file *f, const char *name);

#endif
