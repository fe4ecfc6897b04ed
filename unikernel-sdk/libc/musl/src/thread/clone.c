/* SPDX-License-Identifier: MIT
 *
 * There is one thread and one process. The call goes through to the library OS so that it is named on the
 * console once, then pthread_create() fails with EAGAIN and posix_spawn() with ENOSYS.
 */
#include "pthread_impl.h"
#include "syscall.h"

int __clone(int (*func)(void *), void *stack, int flags, void *arg, ...)
{
	(void)func;
	(void)arg;
	return __syscall(SYS_clone, flags, stack);
}
