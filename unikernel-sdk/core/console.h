/* SPDX-License-Identifier: MIT
 *
 * console.h: the terminal-like file behind descriptors 0, 1 and 2, and /dev/console, /dev/tty,
 * /dev/stdout. Reading gives end of file; writing never blocks; the window size query succeeds, so
 * that stdio buffers by line.
 */
#ifndef UK_CONSOLE_H
#define UK_CONSOLE_H

struct uk_file;

/* One more reference to the console for the caller; never fails. */
struct uk_file *uk__console_file(void);

#endif
