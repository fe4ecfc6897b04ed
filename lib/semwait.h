/* SPDX-License-Identifier: MIT
 *
 * semwait.h: one thread waits for another, whatever signals come meanwhile. Any thread.
 */
#ifndef LIB_SEMWAIT_H
#define LIB_SEMWAIT_H

#include <semaphore.h>

static inline void sem_take(sem_t *sem)
{
	while (sem_wait(sem) < 0)
		; /* a signal */
}

#endif
