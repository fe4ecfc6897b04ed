/* SPDX-License-Identifier: MIT
 *
 * filter_file.h: compiled policies in a file, as `mayfly-seccomp compile` writes them and
 * --seccomp-policy reads them. The file may be anybody's: every count, name, call and comparison is
 * judged; what passes can still be a foolish policy, but no invalid one. Little endian, packed:
 *
 *   filter_file_head; per policy: name[24], uint32 blocks; per block: feature[24], uint16 slots,
 *   rules; slots of name[24]; per rule: uint16 call, number, tests; the tests
 */
#ifndef LIB_FILTER_FILE_H
#define LIB_FILTER_FILE_H

#include "lib/errtext.h"
#include "lib/filter.h"

#define FILTER_FILE_MAGIC    "MAYFSEC4"
#define FILTER_FILE_POLICIES 8
#define FILTER_FILE_RULES    1024
#define FILTER_FILE_TESTS    4096
#define FILTER_FILE_MAX	     (64u << 10)

struct filter_file_head {
	char magic[8];
	uint32_t npolicies;
};

/* Points into itself. */
struct filter_file {
	struct filter_policy policies[FILTER_FILE_POLICIES];
	unsigned npolicies, nnames, nblocks, nslots, nrules, ntests;
	char names[FILTER_FILE_POLICIES + FILTER_BLOCKS + FILTER_BLOCKS * FILTER_SLOTS]
		  [FILTER_NAME];
	uint16_t slots[FILTER_BLOCKS * FILTER_SLOTS];
	struct filter_block blocks[FILTER_BLOCKS];
	struct filter_rule rules[FILTER_FILE_RULES];
	struct filter_test tests[FILTER_FILE_TESTS];
};

/* 0, or -EINVAL with what is wrong in err. */
int filter_file_parse(struct filter_file *ret_f, const void *data, size_t len, struct errtext *err);
/* Read and parse a regular file that only its owner can write. 0 or -errno with a text. */
int filter_file_read(struct filter_file *ret_f, const char *path, struct errtext *err);
/* NULL when the file has no policy of that name. */
const struct filter_policy *filter_file_find(const struct filter_file *f, const char *name);

#endif
