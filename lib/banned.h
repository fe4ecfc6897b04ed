/* SPDX-License-Identifier: MIT
 *
 * banned.h: forced into every host source. Calls that cannot say how much room there is, or whose
 * error cannot be told from a result, are compile errors here (the idea is git's banned.h).
 */
#ifndef LIB_BANNED_H
#define LIB_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAYFLY_BANNED(f) use_of_banned_##f
#undef strcpy
#define strcpy(d, s) MAYFLY_BANNED(strcpy)
#undef strcat
#define strcat(d, s) MAYFLY_BANNED(strcat)
#undef strncpy
#define strncpy(d, s, n) MAYFLY_BANNED(strncpy)
#undef strncat
#define strncat(d, s, n) MAYFLY_BANNED(strncat)
#undef sprintf
#define sprintf(...) MAYFLY_BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) MAYFLY_BANNED(vsprintf)
#undef gets
#define gets(s) MAYFLY_BANNED(gets)
#undef atoi
#define atoi(s) MAYFLY_BANNED(atoi)
#undef alloca
#define alloca(n) MAYFLY_BANNED(alloca)

#endif
