/* SPDX-License-Identifier: MIT
 *
 * sys.h: system calls as plain function calls. musl's syscall_arch.h calls uk_syscall(); the core
 * serves what every program needs, and two optional modules hang on weak symbols so that hello
 * stays small: a musl call site whose number belongs to a module references uk__need_net or
 * uk__need_fs, which pulls the module's archive members in.
 */
#ifndef UK_SYS_H
#define UK_SYS_H

#define UK_NOSYS (-1000000L) /* "not mine": never reaches the application */

/* number and arguments as in Linux x86-64; returns a result or -errno. */
long uk_syscall(long n, long a, long b, long c, long d, long e, long f);
/* The same for calls of at most five arguments: all of them travel in registers. */
long uk_syscall5(long n, long a, long b, long c, long d, long e);

/* Modules. Each returns UK_NOSYS for a number that it does not serve. NULL when not linked in. */
extern long uk__net_syscall(long n, const long a[6]) __attribute__((weak));
extern long uk__fs_syscall(long n, const long a[6]) __attribute__((weak));
/* Write everything back before exit or on a stop request; NULL when not linked in. */
extern int uk__fs_sync_all(void) __attribute__((weak));
/* Close every socket at exit and wait, bounded, until the peers have what was written. */
extern void uk__net_drain(void) __attribute__((weak));

/* Sync file systems, drain the console, end the VM. */
_Noreturn void uk__exit(int status);
/* How many calls the library OS is in. The C library under its own code makes some too (malloc in
 * the file system): above 0 no handler runs, and no signal ends the program, for that would be in
 * the middle of the work around them. Raised too around such work outside of a call. */
extern unsigned uk__depth;

/* File mode bits that new files do not get (umask). */
unsigned uk__umask(void);

/* The value of a "mayfly.NAME=" word of the command line before "--", NULL when absent. Used for
 * settings such as mayfly.ip=, mayfly.root=, mayfly.cache=. The string lives as long as the VM. */
const char *uk__setting(const char *name);

/* len random bytes from the seeded generator (ChaCha20), never blocks. */
void uk__random(void *buf, unsigned long len);

/* Whole pages, zeroed; NULL when out of memory. pages_free takes the same count. */
void *uk__pages_alloc(unsigned long npages);
void uk__pages_free(void *p, unsigned long npages);

#endif
