/* SPDX-License-Identifier: MIT
 *
 * printable.h: what users, files and guests wrote, made fit for one line of a terminal or a log.
 * Every error's text goes through here where it is made (errtext.h, errbuf.h, config_fail,
 * fault_set). Any thread.
 */
#ifndef LIB_PRINTABLE_H
#define LIB_PRINTABLE_H

#include <stdbool.h>

/* ' ' to '~': no control characters, and nothing that depends on an encoding. */
static inline bool printable_byte(char c)
{
	return c >= ' ' && c <= '~';
}

/* Every other byte becomes '?'. */
static inline void printable(char *s)
{
	for (; *s; s++)
		if (!printable_byte(*s))
			*s = '?';
}

#endif
