/* SPDX-License-Identifier: MIT
 *
 * config_value.h: the values of a configuration that have a grammar of their own, text to struct
 * and back. One judge for the command line and for JSON. Main thread; the text is hostile. Each
 * parser returns 0, or -EINVAL with err filled in, and writes its result only on success.
 */
#ifndef MONITOR_CONFIG_VALUE_H
#define MONITOR_CONFIG_VALUE_H

#include "monitor/config.h"

#define VALUE_STR_MAX 80 /* room for any formatted value */

/* aa:bb:cc:dd:ee:ff, unicast and not zero. */
int value_mac(const char *s, uint8_t ret_mac[6], struct errtext *err);
/* IPv4 (stored v4-mapped) or IPv6. */
int value_ip(const char *s, uint8_t ret_addr[16], struct errtext *err);
/* ADDR[/PREFIX][:PORT[-PORT]][/PROTO]; an IPv6 ADDR that has a port but no prefix stands in
 * brackets. */
int value_allow(const char *s, struct net_allow *ret_allow, struct errtext *err);
/* [tcp:|udp:][ADDR:]HOSTPORT:GUESTPORT */
int value_fwd(const char *s, struct net_fwd *ret_fwd, struct errtext *err);

/* SIZE[+BURST]/TIME or "off": a token bucket. TIME is a number with ms or s; of bytes, SIZE and
 * BURST have their units as well. */
int value_bucket(const char *s, bool bytes, struct token_bucket *ret_bucket, struct errtext *err);

void value_mac_str(const uint8_t mac[6], char buf[VALUE_STR_MAX]);
void value_ip_str(const uint8_t addr[16], char buf[VALUE_STR_MAX]);
void value_allow_str(const struct net_allow *a, char buf[VALUE_STR_MAX]);
void value_fwd_str(const struct net_fwd *f, char buf[VALUE_STR_MAX]);
void value_bucket_str(const struct token_bucket *b, bool bytes, char buf[VALUE_STR_MAX]);
/* In the largest unit that divides it: "16M". */
void value_size_str(uint64_t bytes, char buf[VALUE_STR_MAX]);

#endif
