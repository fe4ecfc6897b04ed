/* SPDX-License-Identifier: MIT
 *
 * compat.h: what liburing's configure writes on Debian 12; its public header includes it.
 */
#ifndef LIBURING_COMPAT_H
#define LIBURING_COMPAT_H

#include <linux/openat2.h>
#include <linux/time_types.h>

#endif
