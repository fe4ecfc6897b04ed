/* SPDX-License-Identifier: MIT
 *
 * near.h: how far one word is from another, for "did you mean" in error messages. Any thread.
 */
#ifndef LIB_NEAR_H
#define LIB_NEAR_H

#include <stddef.h>

/*
 * Edit distance (insert, delete, replace, swap of neighbours), at most limit + 1. A word of three
 * letters or more with which the other begins is at most 2 away; words above 31 bytes are far from
 * everything.
 */
size_t near_distance(const char *a, const char *b, size_t limit);

#endif
