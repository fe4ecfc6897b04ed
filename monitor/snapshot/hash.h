/* SPDX-License-Identifier: MIT
 *
 * hash.h: the one hash of snapshot files, BLAKE2b-256, by libsodium. Nothing is initialised before
 * the first call. Any thread.
 */
#ifndef MONITOR_SNAPSHOT_HASH_H
#define MONITOR_SNAPSHOT_HASH_H

#include <sodium/crypto_generichash_blake2b.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/snapshot/format.h"

static inline void snap_hash(uint8_t ret_hash[SNAP_HASH], const void *data, size_t len)
{
	crypto_generichash_blake2b(ret_hash, SNAP_HASH, data, len, NULL, 0);
}

#endif
