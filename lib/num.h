/* SPDX-License-Identifier: MIT
 *
 * num.h: text to numbers for options and configuration files. Strict: decimal digits only, no sign,
 * no space, no locale, and overflow is an error, never a wrapped value. Any thread; the text is
 * hostile.
 */
#ifndef LIB_NUM_H
#define LIB_NUM_H

#include <stddef.h>
#include <stdint.h>

/* The n bytes at s as a decimal number. -EINVAL: not a number; -ERANGE: outside min..max or above
 * 2^64-1. */
int num_u64(const char *s, size_t n, uint64_t min, uint64_t max, uint64_t *ret_val);

/*
 * A size with its unit: digits, then B, K, M or G (any case; K, M and G may be followed by "iB"),
 * powers of 1024. -EINVAL: malformed; -ENOMSG: a bare number, whose unit one could only guess;
 * -ERANGE: above 2^64-1.
 */
int num_size(const char *s, uint64_t *ret_bytes);

#endif
