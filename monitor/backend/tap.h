/* SPDX-License-Identifier: MIT
 *
 * tap.h: an existing tap interface, opened by name or handed over as a descriptor. Never creates
 * one: that is the operator's business. Host side only, nothing here comes from the guest. The
 * device's thread.
 */
#ifndef MONITOR_BACKEND_TAP_H
#define MONITOR_BACKEND_TAP_H

#include <stdbool.h>
#include <stddef.h>

/* Open descriptor, non-blocking, with 12-byte vnet headers; or -errno and a message that names the
 * fix. */
int tap_open(const char *id, const char *name, char *err, size_t errlen);
/* Is fd a tap? 1 yes, 0 no. Makes it non-blocking and close-on-exec, and sets the header size when
 * it has vnet headers (ret_vnet_hdr). -errno and a message when it is a tun or adds packet
 * information. */
int tap_adopt(const char *id, int fd, bool *ret_vnet_hdr, char *err, size_t errlen);
/* What the reader of the tap accepts: partial checksums, TSO over IPv4, over IPv6. 0 or -errno. */
int tap_offload(int fd, bool csum, bool tso4, bool tso6);

#endif
