/* SPDX-License-Identifier: MIT
 *
 * snap.h: a snapshot without a VM: a state that passes, memory with a pattern, files in a folder of
 * the test's own.
 */
#ifndef TESTS_UNIT_SNAP_H
#define TESTS_UNIT_SNAP_H

#include <stdbool.h>
#include <stddef.h>

#include "monitor/snapshot/files.h"

#define SNAP_MEM (UINT64_C(2) << 20)

/* Paths in a fresh folder below build/, which is on a real disk. */
struct snap_dir {
	char dir[64], state[96], mem[96], sig[96], packed[96];
};

void snap_dir_make(struct snap_dir *d);
void snap_dir_remove(struct snap_dir *d); /* and what is in it */
bool snap_exists(const char *path);

/* A state that vm_state_check passes. */
void snap_state(struct vm_state *st);
/* SNAP_MEM bytes of zeroes, private. */
uint8_t *snap_memory(void);
/* Some pages here and there that only seed makes so. */
void snap_pattern(uint8_t *mem, unsigned seed);
/* Write mem as a snapshot (a diff of only, on top of base_id, when only is set). 0 or -errno. */
int snap_save(const struct snap_dir *d, const uint8_t *mem, const uint64_t *only,
	      const uint8_t *base_id, struct snap_written *ret, char *err, size_t errlen);
/* The same with another state and configuration (JSON), all of mem. */
int snap_save_as(const struct snap_dir *d, const uint8_t *mem, const struct vm_state *st,
		 const char *config, char *err, size_t errlen);

/* An Ed25519 key pair; the public half is in the file key. */
struct snap_signer {
	uint8_t sk[64];
	char key[96];
};

void snap_signer_make(struct snap_signer *s, const struct snap_dir *d);
/* The signature of the state file, beside it. */
void snap_sign(const struct snap_signer *s, const struct snap_dir *d);

/* Open and read it back into mem. 0 or -errno. */
int snap_restore(const struct restore_config *rc, uint8_t *mem, char *err, size_t errlen);

#endif
