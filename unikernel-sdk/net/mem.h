/* SPDX-License-Identifier: MIT
 *
 * mem.h: the network stack's bounded heap (see mem.c).
 */
#ifndef UK_NET_MEM_H
#define UK_NET_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest allocation that does not take whole pages. */
#define UK_NET_MEM_CHUNK 2024u

/* Before the first allocation: how many bytes the stack may take from the page allocator. */
void uk__net_mem_init(size_t bytes);
/* NULL when the bound is reached. Aligned to 8. */
void *uk__net_alloc(size_t len);
void *uk__net_calloc(size_t n, size_t len); /* zeroed */
void uk__net_free(void *p);		    /* NULL is fine */
/* Bytes left for packet data; 0 asks senders to wait that have something under way already. */
size_t uk__net_mem_room(void);
/* The same heap for copies of received packets, which have a share of their own; fair: beyond that
 * share. */
void *uk__net_rx_alloc(size_t len, bool fair);
void uk__net_rx_free(void *p);
/* How many times memory was freed: who found none may look again when this changed. */
uint64_t uk__net_mem_frees(void);

#endif
