/* SPDX-License-Identifier: MIT
 *
 * relro.h: what a dynamic loader would do after relocation, for programs that have none.
 */
#ifndef LIB_RELRO_H
#define LIB_RELRO_H

/*
 * Make the relocated constants (tables of functions among them) read-only for good. A static-PIE of
 * musl does not do that by itself. First thing in main(); fails only where mprotect(2) does, which
 * leaves the program as it was.
 */
void relro_protect(void);

#endif
