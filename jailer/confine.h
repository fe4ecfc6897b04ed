/* SPDX-License-Identifier: MIT
 *
 * confine.h: the filters that the jailer loads: of the program, whatever it is (program.policy),
 * and its own when it stays as the reaper (jailer.policy).
 */
#ifndef JAILER_CONFINE_H
#define JAILER_CONFINE_H

struct jail;

/* In the jail, without privileges, right before the exec. 0 or -errno. */
int confine_program(struct jail *jail);
/* The reaper; traced by mayfly-seccomp: rules report to it. 0 or -errno. */
int confine_reaper(const struct jail *jail);

#endif
