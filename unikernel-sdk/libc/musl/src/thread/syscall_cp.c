/* SPDX-License-Identifier: MIT
 *
 * Cancellation points. With one thread, only pthread_cancel(pthread_self()) can ask for cancellation, and
 * musl serves that at pthread_testcancel(); system calls are plain calls (see musl.sed).
 */
#include "pthread_impl.h"
#include "syscall.h"

hidden const char __cp_begin[1], __cp_end[1], __cp_cancel[1];

hidden long __syscall_cp_asm(volatile void *cancel, syscall_arg_t nr, syscall_arg_t u, syscall_arg_t v,
			     syscall_arg_t w, syscall_arg_t x, syscall_arg_t y, syscall_arg_t z)
{
	(void)cancel;
	return __syscall(nr, u, v, w, x, y, z);
}
