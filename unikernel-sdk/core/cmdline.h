/* SPDX-License-Identifier: MIT
 *
 * cmdline.h: the command line cut into words. One line carries settings of the library OS,
 * environment and arguments of the program; docs of the rules are at uk__cmdline_parse().
 */
#ifndef UK_CMDLINE_H
#define UK_CMDLINE_H

#include <stdbool.h>

/*
 * Cut line in place. Words are separated by blanks; '...' and "..." quote, a backslash takes the
 * next character as it is (not inside '...'). foreign: the VMM appends words of its own
 * (virtio_mmio.device=...) at the end, which are dropped.
 *
 * With a word "--": what follows are the arguments; before it, "mayfly.NAME=VALUE" is a setting,
 * NAME=VALUE is put into the environment, and anything else is ignored (options for other kernels).
 * Without: settings may stand anywhere, NAME=VALUE words before the first argument are the
 * environment, words such as "a.b=c" are ignored, the rest are arguments.
 */
void uk__cmdline_parse(char *line, bool foreign);

enum uk_word { UK_WORD_ARG, UK_WORD_ENV, UK_WORD_SETTING, UK_WORD_OTHER };

struct uk_word_iter {
	char *next;
	bool seen_arg, seen_dash;
};

/* The next word and its kind, in order; NULL at the end. Start with a zeroed iterator. */
char *uk__cmdline_next(struct uk_word_iter *it, enum uk_word *ret_kind);

#endif
