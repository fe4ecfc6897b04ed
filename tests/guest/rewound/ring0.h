/* SPDX-License-Identifier: MIT
 *
 * ring0.h: a program that gets into ring 0, as one may that has a disk: it lets the disk write to
 * the page with the interrupt table. There it leaves marks in every register that lets it, and
 * reads them all.
 */
#ifndef REWOUND_RING0_H
#define REWOUND_RING0_H

#include <stdbool.h>
#include <stddef.h>

/* False when there is no disk, or it does not work. */
bool ring0_enter(void);
/* Write to every register that takes another value; how many did. */
unsigned ring0_mark(void);
/* "NAME VALUE" lines of all that can be read. Bytes. */
size_t ring0_print(char *text, size_t cap);

#endif
