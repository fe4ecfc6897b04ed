/* SPDX-License-Identifier: MIT
 *
 * arch/cc.h: what lwIP asks of its compiler and platform. Included by lwIP only, from every one of
 * its files; everything runs on the one vCPU, so there is nothing to protect.
 */
#ifndef UK_LWIP_CC_H
#define UK_LWIP_CC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LWIP_NO_CTYPE_H		 1
#define LWIP_NO_UNISTD_H	 1
#define LWIP_NO_INTTYPES_H	 1
#define LWIP_ERRNO_STDINCLUDE	 1
#define LWIP_CONST_CAST(type, v) ((type)(uintptr_t)(v))
#define X8_F			 "x"
#define U16_F			 "u"
#define S16_F			 "d"
#define X16_F			 "x"
#define U32_F			 "u"
#define S32_F			 "d"
#define X32_F			 "x"
#define SZT_F			 "lu"

#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS 1
#define lwip_htons(x)			      ((uint16_t)__builtin_bswap16(x))
#define lwip_ntohs(x)			      ((uint16_t)__builtin_bswap16(x))
#define lwip_htonl(x)			      ((uint32_t)__builtin_bswap32(x))
#define lwip_ntohl(x)			      ((uint32_t)__builtin_bswap32(x))

_Noreturn void uk__panic(const char *msg);
#define LWIP_PLATFORM_DIAG(x) \
	do {                  \
	} while (0)
#define LWIP_PLATFORM_ASSERT(msg) uk__panic("lwIP: " msg)

uint32_t uk__net_rand(void);
#define LWIP_RAND() uk__net_rand()

/* From net/mem.c: lwIP's heap, bounded by a share of the guest's memory. */
void *uk__net_alloc(size_t len);
void *uk__net_calloc(size_t n, size_t len);
void uk__net_free(void *p);
#define mem_clib_malloc uk__net_alloc
#define mem_clib_calloc uk__net_calloc
#define mem_clib_free	uk__net_free

/* Sized once, at start, by the guest's memory: net/net.c. */
extern uint32_t uk__tcp_wnd, uk__tcp_snd_buf;
extern uint16_t uk__tcp_ooseq_pbufs;

#endif
