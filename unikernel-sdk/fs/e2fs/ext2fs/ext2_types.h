/* SPDX-License-Identifier: MIT
 *
 * ext2_types.h: libext2fs' integer types are the kernel's.
 */
#ifndef _EXT2_TYPES_H
#define _EXT2_TYPES_H
#include <linux/types.h>
#ifndef __force
#define __force
#endif
#endif
