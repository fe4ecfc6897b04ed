/* SPDX-License-Identifier: MIT
 *
 * kv.h: cursor over "key=value,flag,key=value" option arguments. Any thread; the text is hostile
 * and is not changed: each item is decoded into the caller's buffer.
 */
#ifndef LIB_KV_H
#define LIB_KV_H

#include <stddef.h>

/*
 * Decode the item at *cursor into buf and advance. Two commas in a row stand for one comma inside
 * an item. Returns 1 with *ret_key and *ret_val pointing into buf (*ret_val NULL when the item has
 * no '='), 0 at the end, -EINVAL for an item without a key, -ENAMETOOLONG when it does not fit in
 * buf.
 */
int kv_next(const char **cursor, char *buf, size_t len, const char **ret_key, const char **ret_val);

#endif
