/* SPDX-License-Identifier: MIT
 *
 * record.h: BASE/PROGRAM/ID.jail, a file that says what a jail has on the host and so has to be
 * removed. It is locked as long as the jailer lives, and written before the things it names are
 * made: whoever finds it unlocked can clean up, whenever the jailer was killed. Main thread of the
 * jailer.
 */
#ifndef JAILER_RECORD_H
#define JAILER_RECORD_H

#include "jailer/apply.h"

/*
 * The locked record of an id in the directory BASE/PROGRAM, empty: what a dead holder has left is
 * ended and removed. -EBUSY: it is in use. Otherwise -errno with what failed, NULL: the record
 * itself.
 */
int record_open(int dir, const char *id, const char **ret_what);
/* Remove the record's files, while it is locked. */
void record_unlink(int dir, const char *id);
/* Step of apply.c: take the id, cleaning up after a dead holder. -EBUSY: it is in use. */
int record_take(struct jail *jail);
/* The program runs: note its PID. */
void record_running(struct jail *jail);
/* Remove what the record names, and the record. Does nothing without one. */
void record_drop(struct jail *jail);
/*
 * --cleanup: end and remove what the dead jailer of opts->cleanup has left, of one program or of
 * all. 0 also when there is nothing; -EBUSY with a text: it lives.
 */
int record_cleanup(const struct jail_opts *opts, struct errtext *err);

#endif
