/* SPDX-License-Identifier: MIT
 *
 * net.h: the network as a whole: started by the first socket, polled from wait.h.
 */
#ifndef UK_NET_NET_H
#define UK_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lwip/ip_addr.h"

/* Bring the stack, the devices and their addresses up. Cheap after the first time. */
void uk__net_start(void);
/* The part of it that needs no device: the heap. */
void uk__net_memory(void);
/* Send what the stack has put together. Every entry into the stack ends with it. */
void uk__net_flush(void);

/* config.c: apply the settings mayfly.ip=, gw=, dns=, ip6=, gw6= (or mayfly.ethN.ip= ...) or start
 * DHCP. */
void uk__net_configure(void);
/* Wait, a few seconds at most and once in the life of the VM, until DHCP has answered. */
void uk__net_wait_addr(void);
/* The nth name server; false when there are fewer. */
bool uk__net_dns(unsigned n, ip_addr_t *ret_addr);
/* Content for /etc/resolv.conf: its length, cut to len. Starts the network and waits for DHCP. */
int uk__net_resolv_conf(char *buf, size_t len);

#endif
