/* SPDX-License-Identifier: MIT
 *
 * netns.h: the jail's network namespace, the dearest thing in it (a third of the whole cost), made
 * by a thread of its own from the moment the options are known, while the main thread finds out the
 * rest.
 */
#ifndef JAILER_NETNS_H
#define JAILER_NETNS_H

#include "jailer/apply.h"

/* Start making one. Best effort: where no thread can be had, or there is but one processor, clone()
 * will make it. */
void netns_begin(void);
/* Step of apply.c: the namespace that was begun, if one was, as jail->netns_fd. */
int netns_await(struct jail *jail);
/* Step: open the one to join by its path. */
int netns_open(struct jail *jail);
/* Step, in the jail: enter jail->netns_fd. */
int netns_join(struct jail *jail);

#endif
