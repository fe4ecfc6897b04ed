/* SPDX-License-Identifier: MIT
 *
 * lwipopts.h: how lwIP is built for the library OS: no threads, memory from our bounded heap, IPv4
 * and IPv6, and only those protocols that sockets can reach. Names resolve through musl, not
 * through lwIP.
 */
#ifndef UK_LWIPOPTS_H
#define UK_LWIPOPTS_H

#define NO_SYS				   1
#define SYS_LIGHTWEIGHT_PROT		   0
#define LWIP_SOCKET			   0
#define LWIP_NETCONN			   0
#define LWIP_TIMERS			   1
#define LWIP_TIMERS_CUSTOM		   1 /* net/timers.c: nothing ticks while nothing needs it */
#define LWIP_STATS			   0
#define LWIP_HOOK_FILENAME		   "uk_hooks.h"
/* Here and not with the other hooks: lwip/ip4.h must see it. */
#define LWIP_HOOK_IP4_ROUTE_SRC(src, dest) uk__net_route4(src, dest)

/* Memory: one heap, no pools. */
#define MEM_LIBC_MALLOC		      1
#define MEMP_MEM_MALLOC		      1
#define MEM_ALIGNMENT		      8
#define PBUF_POOL_FREE_OOSEQ	      0
#define LWIP_SUPPORT_CUSTOM_PBUF      1
#define LWIP_PBUF_REF_T		      u16_t
/* A packet that the device cuts up into TCP segments of so many bytes; 0: it goes as it is
 * (long-segments.patch). */
#define LWIP_PBUF_CUSTOM_DATA	      u16_t gso_size;
#define LWIP_PBUF_CUSTOM_DATA_INIT(p) ((p)->gso_size = 0)
#define LWIP_PBUF_IS_LONG(p)	      ((p)->gso_size != 0)
#define LWIP_PBUF_SET_LONG(p, size)   ((p)->gso_size = (size))

/* Link */
#define LWIP_ARP		     1
#define ARP_QUEUEING		     1
#define ARP_TABLE_SIZE		     32
#define ETH_PAD_SIZE		     0
#define LWIP_NETIF_STATUS_CALLBACK   1
#define LWIP_NETIF_LOOPBACK	     1
#define LWIP_HAVE_LOOPIF	     1
#define LWIP_LOOPIF_MULTICAST	     0
#define LWIP_LOOPBACK_MAX_PBUFS	     0 /* bounded by the heap and by the TCP windows */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1

/* Internet */
#define LWIP_IPV4		       1
#define LWIP_IPV6		       1
#define IP_FORWARD		       0
#define IP_DEFAULT_TTL		       64
#define IP_REASSEMBLY		       1
#define IP_FRAG			       1
#define IP_REASS_MAX_PBUFS	       64
#define LWIP_IPV6_REASS		       1
#define IPV6_FRAG_COPYHEADER	       1 /* pointers of 8 bytes do not fit where lwIP would keep them */
#define LWIP_IPV6_FRAG		       1
#define IP_SOF_BROADCAST	       1
#define IP_SOF_BROADCAST_RECV	       0
#define LWIP_ICMP		       1
#define LWIP_ICMP6		       1
#define LWIP_RAW		       0
#define LWIP_IGMP		       1
#define LWIP_IPV6_MLD		       1
#define LWIP_MULTICAST_TX_OPTIONS      1
#define LWIP_IPV6_AUTOCONFIG	       1
#define LWIP_IPV6_SEND_ROUTER_SOLICIT  1
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS  1
#define LWIP_ND6_QUEUEING	       1
#define LWIP_ND6_NUM_NEIGHBORS	       32
#define LWIP_ND6_NUM_DESTINATIONS      32
#define LWIP_ND6_RDNSS_MAX_DNS_SERVERS 2
#define LWIP_DHCP		       1
#define DHCP_DOES_ARP_CHECK	       0 /* costs seconds of boot; a VM's address is its host's business */
#define LWIP_DHCP_PROVIDE_DNS_SERVERS  2
#define LWIP_DHCP_MAX_DNS_SERVERS      2
#define LWIP_DNS		       0

/* Transport */
#define LWIP_UDP			   1
#define LWIP_TCP			   1
#define SO_REUSE			   1
#define SO_REUSE_RXTOALL		   1
#define LWIP_TCP_KEEPALIVE		   1
#define TCP_LISTEN_BACKLOG		   1
#define TCP_MSS				   1460
#define TCP_OVERSIZE			   TCP_MSS
#define TCP_MIN_MSS			   48 /* peers.patch; as Linux */
#define TCP_MSL				   30000UL
#define TCP_TMR_INTERVAL		   50 /* delayed ACKs; retransmission counts in twice that */
#define TCP_QUEUE_OOSEQ			   1
#define TCP_OOSEQ_PBUFS_LIMIT(pcb)	   uk__tcp_ooseq_pbufs
#define LWIP_TCP_SACK_OUT		   1
#define LWIP_TCP_MAX_SACK_NUM		   3
#define LWIP_WND_SCALE			   1
#define TCP_RCV_SCALE			   4
#define LWIP_RANDOMIZE_INITIAL_LOCAL_PORTS 1
/* Variables; init.c's preprocessor checks want numbers and get the smallest that we use. */
#define LWIP_DISABLE_TCP_SANITY_CHECKS	   1
#ifdef UK_LWIP_INIT
#define TCP_WND	    32768
#define TCP_SND_BUF 32768
#else
#define TCP_WND	    uk__tcp_wnd
#define TCP_SND_BUF uk__tcp_snd_buf
#endif
/* The lengths of a queue are u16 in lwIP. Small writes cost a pbuf each. */
#define TCP_SND_QUEUELEN 4096
#define TCP_SNDLOWAT	 2048

/* Checksums: TCP may be left to the device, see net/netif.c; the rest is always ours. */
#define CHECKSUM_GEN_IP	      1
#define CHECKSUM_GEN_UDP      1
#define CHECKSUM_GEN_TCP      1
#define CHECKSUM_CHECK_IP     1
#define CHECKSUM_CHECK_UDP    1
#define CHECKSUM_CHECK_TCP    1
#define LWIP_CHKSUM_ALGORITHM 3

#endif
